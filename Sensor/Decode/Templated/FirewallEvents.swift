import FlowModel
import WireBytes

/// What firewalls tell of connections (Cisco NSEL and its like): some records add to a connection's counters, some give
/// its total, some are no traffic at all.
///
/// Created, and alert: no counters. Update: what was added since the last update. Deleted: the connection's total, from
/// which its updates have to be taken. Denied: evidence of an attempt, flagged, no counters. Where the template has
/// delta counters these are what they say, and only the flag is set.
enum FirewallEvent {
    static let created: UInt64 = 1, deleted: UInt64 = 2, denied: UInt64 = 3, update: UInt64 = 5
}

extension DatagramDecoder {
    mutating func applyEvent(
        _ plan: EventPlan, to row: Int, _ back: inout Counters, _ body: RawSpan, at start: Int,
        _ layout: FlowPlan,
        in columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard let event = number(at: plan.event, body, start, layout) else { return }
        if event == FirewallEvent.denied { columns.flags[row] |= RecordFlags.denied.rawValue }
        guard plan.countsTotals else { return }
        let forth = Counters(
            octets: columns.octetDeltaCount[row], packets: columns.packetDeltaCount[row])
        var sides = Sides(forth: forth, back: back)
        switch event {
        case FirewallEvent.update, FirewallEvent.deleted:
            guard forth != .zero || back != .zero else { return }
            work.events -= 1
            guard work.events >= 0 else {
                result.eventFlowsForgotten += 1
                break
            }
            let flow = EventTotals.Flow(
                columns, row, id: number(at: plan.flowID, body, start, layout) ?? 0)
            if event == FirewallEvent.deleted {
                sides = sides.less(eventTotals.remove(flow))
            } else if !eventTotals.add(sides, to: flow, now: columns.receiveMilliseconds[row]) {
                result.eventFlowsForgotten += 1
            }
        default: sides = Sides()
        }
        (columns.octetDeltaCount[row], columns.packetDeltaCount[row]) = (
            sides.forth.octets, sides.forth.packets
        )
        back = sides.back
    }

    private func number(at place: FieldPlace, _ body: RawSpan, _ start: Int, _ layout: FlowPlan)
        -> UInt64?
    {
        guard place.exists else { return nil }
        let found = located(place, at: start, layout)
        guard (1...8).contains(found.width) else { return nil }
        return body.beInteger(at: found.offset, width: found.width)
    }
}

/// Both directions of a connection.
struct Sides: Equatable, Sendable {
    var forth = Counters.zero, back = Counters.zero

    func plus(_ other: Sides) -> Sides {
        Sides(
            forth: Counters(
                octets: forth.octets &+ other.forth.octets, packets: forth.packets &+ other.forth.packets),
            back: Counters(
                octets: back.octets &+ other.back.octets, packets: back.packets &+ other.back.packets))
    }
    /// Never below 0: a total that is smaller than the updates says no more than they did.
    func less(_ other: Sides) -> Sides {
        func difference(_ a: UInt64, _ b: UInt64) -> UInt64 { a > b ? a - b : 0 }
        return Sides(
            forth: Counters(
                octets: difference(forth.octets, other.forth.octets),
                packets: difference(forth.packets, other.forth.packets)),
            back: Counters(
                octets: difference(back.octets, other.back.octets),
                packets: difference(back.packets, other.back.packets)))
    }
}

/// What updates have told of connections that are still open.
///
/// Bounded by `DecodeLimits.eventFlowsMax` and `eventFlowsPerExporterMax`; beyond them new connections are refused. One
/// without an update for `idleMilliseconds` is forgotten, after twice that time at the latest.
struct EventTotals: Sendable {
    struct Flow: Hashable, Sendable {
        let exporter: ExporterKey
        let id: UInt64
        let source: IPAddress, destination: IPAddress
        let sourcePort: UInt16, destinationPort: UInt16
        let protocolIdentifier: UInt8

        init(_ columns: FlowColumns, _ row: Int, id: UInt64) {
            exporter = columns.exporterKey(ofRow: row)
            self.id = id
            source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
            destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
            sourcePort = columns.sourceTransportPort[row]
            destinationPort = columns.destinationTransportPort[row]
            protocolIdentifier = columns.protocolIdentifier[row]
        }

        /// In few words, as each costs; of the secret kind, as senders choose what is in them.
        func hash(into hasher: inout Hasher) {
            hasher.combine(exporter.address.low ^ exporter.address.high &* 3)
            hasher.combine(id)
            hasher.combine(source.low)
            hasher.combine(source.high)
            hasher.combine(destination.low)
            hasher.combine(destination.high)
            hasher.combine(
                UInt64(exporter.observationDomain) << 32 | UInt64(sourcePort) << 16
                    | UInt64(destinationPort))
        }
    }
    private let limits: DecodeLimits
    /// Two generations: at each turn the elder is dropped, and what was updated meanwhile is in the younger.
    private var young: [Flow: Sides] = [:], old: [Flow: Sides] = [:]
    private var counts: [ExporterKey: Int] = [:]
    private var nextTurnMilliseconds = Int64.min
    static let idleMilliseconds: Int64 = 2 * 3_600_000

    init(limits: DecodeLimits) { self.limits = limits }
    var count: Int { young.count + old.count }

    /// Returns false when there is no room to remember it.
    mutating func add(_ sides: Sides, to flow: Flow, now: Int64) -> Bool {
        if now >= nextTurnMilliseconds { turn(now) }
        let known = young[flow] ?? (old.isEmpty ? nil : old.removeValue(forKey: flow))
        if known == nil {
            let held = counts[flow.exporter, default: 0]
            guard held < limits.eventFlowsPerExporterMax, count < limits.eventFlowsMax else {
                return false
            }
            counts[flow.exporter] = held + 1
            if young.isEmpty { young.reserveCapacity(DatagramWork.eventsMin) }
        }
        young[flow] = known?.plus(sides) ?? sides
        return true
    }

    /// What the updates of `flow` came to; it is forgotten.
    mutating func remove(_ flow: Flow) -> Sides {
        if counts.isEmpty { return Sides() }
        guard let sides = young.removeValue(forKey: flow) ?? old.removeValue(forKey: flow) else {
            return Sides()
        }
        release(flow)
        return sides
    }

    private mutating func turn(_ now: Int64) {
        for flow in old.keys { release(flow) }
        (old, young) = (young, [:])
        nextTurnMilliseconds = now &+ Self.idleMilliseconds
    }
    private mutating func release(_ flow: Flow) {
        let held = counts[flow.exporter, default: 1]
        counts[flow.exporter] = held > 1 ? held - 1 : nil
    }
}
