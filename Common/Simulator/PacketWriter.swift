internal import FlowModel

/// A pcap of the packets of a plan's flows, in the order of time, snapped to their headers: for meters such as
/// softflowd. Memory holds the packets of one active timeout.
package struct PacketSimulation: Sendable {
    private struct Packet {
        var microseconds: Int64, order: Int, flow: FlowRecord, flags: UInt8, octets: UInt64
    }
    private var traffic: Traffic
    private var waiting: [Packet] = []
    private var isFinished = false, nextDrain = Int64.min
    /// How long before it is given up a flow may have begun, with a margin.
    private let reachMilliseconds: Int64
    package private(set) var packets: UInt64 = 0

    package init(_ plan: SimulationPlan) {
        traffic = Traffic(plan, seeds: Dice(seed: plan.seed))
        // An attack's transfer may last as long as a sixth of the run.
        reachMilliseconds = Int64(max(plan.activeTimeoutSeconds + 5, plan.seconds / 4)) * 1_000
    }

    /// The file's header.
    package static var fileHeader: [UInt8] {
        var out: [UInt8] = []
        out.put32(0xA1B2_C3D4)
        out.put32(2 << 16 | 4)
        out.put64(0)
        out.put32(128)
        out.put32(1)  // Ethernet
        return out
    }

    /// Appends to `out` the packets that are certain to come next.
    /// - Returns: false when there will be no more.
    package mutating func step(into out: inout [UInt8]) -> Bool {
        guard !isFinished else { return false }
        guard traffic.nextStep() != nil else {
            drain(before: .max, into: &out)
            isFinished = true
            return true
        }
        traffic.forEachSighting { seen in
            if !seen.isRepeat { Self.spread(seen.flow, over: &waiting) }
        }
        if traffic.now >= nextDrain {
            nextDrain = traffic.now + 1_000
            drain(before: (traffic.now - reachMilliseconds) * 1_000, into: &out)
        }
        return true
    }
    package var truth: SimulationTruth { traffic.truth }

    /// The packets of `flow`, evenly over its time.
    private static func spread(_ flow: FlowRecord, over packets: inout [Packet]) {
        let count = Int(clamping: min(flow.packetDeltaCount, 1_000_000))
        guard count > 0 else { return }
        let span = (flow.flowEndMilliseconds - flow.flowStartMilliseconds) * 1_000
        let octets = flow.octetDeltaCount / flow.packetDeltaCount
        for index in 0..<count {
            let offset = count == 1 ? 0 : span * Int64(index) / Int64(count - 1)
            packets.append(
                Packet(
                    microseconds: flow.flowStartMilliseconds * 1_000 + offset, order: packets.count, flow: flow,
                    flags: PacketHeaders.flags(of: flow, index: index, count: count), octets: octets))
        }
    }
    private mutating func drain(before microseconds: Int64, into out: inout [UInt8]) {
        waiting.sort { ($0.microseconds, $0.order) < ($1.microseconds, $1.order) }
        let ready = waiting.firstIndex { $0.microseconds >= microseconds } ?? waiting.count
        for packet in waiting[..<ready] { write(packet, to: &out) }
        packets += UInt64(ready)
        waiting.removeFirst(ready)
        for index in waiting.indices { waiting[index].order = index }
    }
    private func write(_ packet: Packet, to out: inout [UInt8]) {
        out.put32(UInt32(truncatingIfNeeded: packet.microseconds / 1_000_000))
        out.put32(UInt32(truncatingIfNeeded: packet.microseconds % 1_000_000))
        let lengthsAt = out.count
        out.put64(0)
        let start = out.count
        let frame = PacketHeaders.append(packet.flow, octets: packet.octets, flags: packet.flags, to: &out)
        let kept = min(out.count - start, 128)
        out.removeLast(out.count - start - kept)
        out.set16(UInt16(kept), at: lengthsAt + 2)
        out.set16(UInt16(max(frame, kept)), at: lengthsAt + 6)
    }
}
