/// What one host did in one window of event time, as sums and marks: the order of the records changes nothing.
package import Detect
import FlowModel

/// How windows are cut and whose hosts are looked at.
package struct WindowCut: Sendable {
    /// In ms: 5 or 10 minutes.
    package let width: Int64
    /// Of the tenant: which hosts are its own.
    package let parameters: DetectorParameters

    package init(width: Int64, parameters: DetectorParameters) {
        self.width = max(width, 1_000)
        self.parameters = parameters
    }
    func number(of time: Int64) -> Int64 { time / width }
}

/// The parts of a record that windows are made of.
struct WindowRecord {
    let source: IPAddress, destination: IPAddress
    let isSourceInside: Bool, isDestinationInside: Bool
    let octets: UInt64, packets: UInt64, flows: UInt64
    let port: UInt16
    let initiator: Initiator
    let hasFailed: Bool
    /// When it ended, and never after it was received: an exporter's clock that runs ahead opens no windows there.
    let time: Int64

    /// Nil: it is counted elsewhere, or concerns none of the tenant's hosts.
    init?(_ columns: borrowing FlowColumns, row: Int, _ cut: WindowCut) {
        let flags = RecordFlags(rawValue: columns.flags[row])
        guard flags.isDisjoint(with: [.observedElsewhere, .secondary]) else { return nil }
        source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
        destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
        isSourceInside = cut.parameters.isInside(source)
        isDestinationInside = cut.parameters.isInside(destination)
        guard isSourceInside || isDestinationInside else { return nil }
        let end = max(columns.flowEndMilliseconds[row], columns.flowStartMilliseconds[row])
        let received = columns.receiveMilliseconds[row]
        time = min(max(received > 0 ? min(end, received) : end, 0), EventTime.range.upperBound)
        let interval = Double(columns.samplingInterval[row])
        octets = Self.scaled(columns.octetDeltaCount[row], interval)
        packets = Self.scaled(columns.packetDeltaCount[row], interval)
        flows = UInt64(max(columns.deltaFlowCount[row], 1))
        initiator = Initiator(columns, row: row)
        let isAnswer = initiator == .destination
        port = isAnswer ? columns.sourceTransportPort[row] : columns.destinationTransportPort[row]
        let bits = columns.tcpControlBits[row]
        let isUnanswered =
            columns.protocolIdentifier[row] == IPProtocol.tcp && bits & TCPFlag.syn != 0
            && bits & TCPFlag.ack == 0
        hasFailed = !isAnswer && (isUnanswered || flags.contains(.denied))
    }
    private static func scaled(_ count: UInt64, _ interval: Double) -> UInt64 {
        guard interval > 1, interval < 1e7 else { return count }
        return UInt64(min(Double(count) * interval, 9e18))
    }
}

/// One host's window.
package struct HostWindow: Equatable, Sendable {
    private(set) var octetsOut: UInt64 = 0, octetsIn: UInt64 = 0, octetsOutside: UInt64 = 0
    private(set) var packetsOut: UInt64 = 0, packetsIn: UInt64 = 0
    private(set) var calls: UInt64 = 0, callsIn: UInt64 = 0, failed: UInt64 = 0
    /// One bit for each host or port, by its hash: linear counting (Whang and others, 1990).
    private var peerMarks = SIMD8<UInt64>(), portMarks = SIMD4<UInt64>()

    package init() {}

    mutating func addSource(_ record: WindowRecord) {
        octetsOut.addSaturating(record.octets)
        packetsOut.addSaturating(record.packets)
        if !record.isDestinationInside { octetsOutside.addSaturating(record.octets) }
        guard record.initiator == .source else { return }
        calls.addSaturating(record.flows)
        if record.hasFailed { failed.addSaturating(record.flows) }
        mark(record.destination, record.port)
    }
    mutating func addDestination(_ record: WindowRecord) {
        octetsIn.addSaturating(record.octets)
        packetsIn.addSaturating(record.packets)
        if record.initiator == .source { callsIn.addSaturating(record.flows) }
    }
    private mutating func mark(_ peer: IPAddress, _ port: UInt16) {
        let ours = Numbers.mix(peer), theirs = Numbers.mix(UInt64(port))
        peerMarks[Int(ours >> 6 & 7)] |= 1 << (ours & 63)
        portMarks[Int(theirs >> 6 & 3)] |= 1 << (theirs & 63)
    }

    /// How many different ones left these marks, about; a full table stands for as many as it can tell.
    private static func count(_ marks: some Sequence<UInt64>, of size: Double) -> Double {
        let free = size - Double(marks.reduce(0) { $0 + $1.nonzeroBitCount })
        return size * Numbers.ln2 * Numbers.log2(size / max(free, 1))
    }
    private var peers: Double { Self.count(peerMarks.indices.map { peerMarks[$0] }, of: 512) }
    private var ports: Double { Self.count(portMarks.indices.map { portMarks[$0] }, of: 256) }

    /// Whether the host did something, or much was done to it. One that was merely probed says nothing of itself, and
    /// a sweep makes thousands of them.
    var isTelling: Bool { octetsOut > 0 || octetsIn >= 1 << 20 }

    package var features: FeatureVector {
        func log(_ count: Double) -> Float { Float(Numbers.log2(1 + count)) }
        func share(_ part: UInt64, of whole: UInt64) -> Float { whole == 0 ? 0 : Float(Double(part) / Double(whole)) }
        var features = FeatureVector()
        features[.octetsOut] = log(Double(octetsOut))
        features[.octetsIn] = log(Double(octetsIn))
        features[.calls] = log(Double(calls))
        features[.callsIn] = log(Double(callsIn))
        features[.peers] = log(peers)
        features[.ports] = log(ports)
        features[.failedShare] = share(failed, of: calls)
        features[.outsideShare] = share(octetsOutside, of: octetsOut)
        features[.packetOctets] = packetsOut == 0 ? 0 : log(Double(octetsOut) / Double(packetsOut))
        let both = Double(octetsOut) + Double(octetsIn)
        features[.sentShare] = both == 0 ? 0 : Float(Double(octetsOut) / both)
        return features
    }
    /// What a finding's evidence adds up to.
    var totals: (flows: UInt64, packets: UInt64, octets: UInt64) {
        var (flows, packets, octets) = (calls, packetsOut, octetsOut)
        flows.addSaturating(callsIn)
        packets.addSaturating(packetsIn)
        octets.addSaturating(octetsIn)
        return (flows, packets, octets)
    }

    func save(to writer: inout SnapshotWriter) {
        for word in [octetsOut, octetsIn, octetsOutside, packetsOut, packetsIn, calls, callsIn, failed] {
            writer.add(word)
        }
        for place in peerMarks.indices { writer.add(peerMarks[place]) }
        for place in portMarks.indices { writer.add(portMarks[place]) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        octetsOut = try reader.next()
        octetsIn = try reader.next()
        octetsOutside = try reader.next()
        packetsOut = try reader.next()
        packetsIn = try reader.next()
        calls = try reader.next()
        callsIn = try reader.next()
        failed = try reader.next()
        for place in peerMarks.indices { peerMarks[place] = try reader.next() }
        for place in portMarks.indices { portMarks[place] = try reader.next() }
    }
}
