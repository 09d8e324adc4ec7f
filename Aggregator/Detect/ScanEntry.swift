/// The state and the reading of records behind `PortScanDetector`.
import FlowModel

/// A record as a contact: who tried what where, and how it went. Nil where a record says nothing about that.
struct Contact {
    enum Outcome { case failed, weaklyFailed, answered }
    let initiator: IPAddress, responder: IPAddress
    /// The responder's; 0 for ICMP.
    let port: UInt16
    let outcome: Outcome
    /// The source tried.
    let isForward: Bool

    /// More packets than this, on average where the row is a sum, make a contact without control bits, or one that
    /// was reset, an exchange.
    static let probePacketsMax: UInt64 = 3

    init?(_ sight: FlowSight) {
        let side = sight.initiator
        guard side != .unknown, !sight.destination.isGroup, !sight.source.isGroup else { return nil }
        let isOpening = side == .source
        isForward = isOpening
        (initiator, responder) =
            isOpening ? (sight.source, sight.destination) : (sight.destination, sight.source)
        guard sight.isTCP || sight.isUDP || sight.isICMP else { return nil }
        port = sight.isICMP ? 0 : isOpening ? sight.destinationPort : sight.sourcePort
        // Port 0 itself can be probed; where the port was summed away, `SummedScanDetector` looks at the sketches.
        guard sight.isICMP || port != 0 || !sight.isSummed else { return nil }
        if sight.isDenied {
            // Who refused is a firewall: whether the host would have answered stays open, that it was tried does not.
            guard isOpening else { return nil }
            outcome = .failed
            return
        }
        guard let outcome = sight.isTCP ? Self.tcp(sight, isOpening) : Self.other(sight, isOpening) else { return nil }
        self.outcome = outcome
    }

    /// Only the initiator's own record decides: a refused or half-open connection's answers say nothing new, and a
    /// victim's answers must never look like its own contacts.
    private static func tcp(_ sight: FlowSight, _ isOpening: Bool) -> Outcome? {
        guard isOpening else { return nil }
        let bits = sight.controlBits
        if bits == 0 { return sight.isBrief && !sight.isSampled ? .weaklyFailed : nil }
        // Never acknowledged anything: SYN scans, also those that reset what opened; FIN scans.
        if bits & Bit.ack == 0 { return .failed }
        let isReset = bits & Bit.syn != 0 && bits & Bit.rst != 0
        if isReset && bits & (Bit.fin | Bit.psh) == 0 && sight.isBrief { return .failed }
        // Christmas-tree probes: FIN, PSH and URG at once. An ACK alone may be the middle of anything; of sampled
        // packets it is the middle of an exchange.
        return bits & (Bit.fin | Bit.psh) != 0 || !sight.isBrief || sight.isSampled ? .answered : nil
    }

    private static func other(_ sight: FlowSight, _ isOpening: Bool) -> Outcome? {
        guard isOpening else { return .answered }
        if sight.isUDP, silentPorts.contains(sight.destinationPort) { return nil }
        // That no answer was seen says nothing where few packets are.
        return sight.isBrief && !sight.isSampled ? .weaklyFailed : nil
    }
}

/// One source's contacts with one host, or with one port, in one window.
struct ScanEntry: WindowEntry {
    /// What an earlier window adds to this one: contacts within a window's width of this one's last.
    struct Carried {
        var failed = 0, answered = 0
        var first = Int64.max
        /// The failed ports or hosts themselves, as many as a finding can name.
        var values: [IPAddress] = []
        static let valuesMax = 32
        var walk: Int { failed - answered }
    }

    /// Ports or hosts that failed; answered ones are those that failed first.
    var items = DistinctItems()
    /// Of the failed contacts.
    var totals = Totals()
    /// Some failure was told without control bits, so more are needed.
    var isWeak = false
    var announcement = Announcement()
    /// Fixed when the finding is first raised.
    var carried: Carried?
    var recency = Int64.min

    var itemCount: Int { items.count }

    /// The failures only. Nothing, once the earlier window has raised its own finding: the same contacts must not
    /// raise two.
    func carry(from previous: ScanEntry?, span: Int64) -> Carried {
        var carried = Carried()
        guard let previous, !previous.announcement.isRaised, totals.last != Int64.min else { return carried }
        for item in previous.items.list where item.time >= totals.last - span && !items.contains(item.value) {
            guard !item.isAnswered else { continue }
            carried.failed += 1
            carried.first = min(carried.first, item.time)
            if carried.values.count < Carried.valuesMax { carried.values.append(item.value) }
        }
        return carried
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        items.save(to: &writer)
        totals.save(to: &writer)
        writer.add(isWeak)
        announcement.save(to: &writer)
        writer.add(carried != nil)
        carried?.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        items = try DistinctItems(from: &reader)
        totals = try Totals(from: &reader)
        isWeak = try reader.nextBool()
        announcement = try Announcement(from: &reader)
        if try reader.nextBool() { carried = try Carried(from: &reader) }
        recency = try reader.nextSigned()
    }
}

extension ScanEntry.Carried {
    func save(to writer: inout SnapshotWriter) {
        writer.add(failed)
        writer.add(answered)
        writer.add(first)
        writer.add(values.count)
        for value in values {
            writer.add(value.high)
            writer.add(value.low)
        }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        failed = Int(try reader.nextSmall(Int32.self))
        answered = Int(try reader.nextSmall(Int32.self))
        first = try reader.nextSigned()
        for _ in 0..<(try reader.nextCount()) {
            values.append(IPAddress(high: try reader.next(), low: try reader.next()))
        }
    }
}
