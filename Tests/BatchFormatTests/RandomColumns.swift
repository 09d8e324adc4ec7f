import FlowModel
import TestKit

/// Rows of every shape: like a site's traffic, and with values that no site has.
enum RandomColumns {
    static func make(rows: Int, using generator: inout some RandomNumberGenerator) -> FlowColumns {
        var columns = FlowColumns(), time: Int64 = 1_700_000_000_000
        let exporters = (0..<Int.random(in: 1...4, using: &generator)).map { index in
            ExporterKey(
                address: IPAddress(v4: 0x0A00_0001 + UInt32(index)), observationDomain: UInt32(index) * 7,
                exportProtocol: ExportProtocol.allCases[index % 4])
        }
        let isWild = Bool.random(using: &generator), isWithSides = Bool.random(using: &generator)
        for _ in 0..<rows {
            time += Int64.random(in: 0...3, using: &generator)
            var record = isWild ? FlowRecord.any(using: &generator) : tame(&generator, at: time)
            guard let exporter = exporters.randomElement(using: &generator), let number = columns.intern(exporter)
            else { continue }
            record.exporter = number
            if isWithSides { addSides(to: &record, in: &columns, using: &generator) }
            columns.append(record)
        }
        return columns
    }

    /// IPv4 traffic as routers export it: most fields the same or in a narrow range.
    static func tame(_ generator: inout some RandomNumberGenerator, at time: Int64) -> FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + UInt32(below(60_000, &generator)))
        record.destinationIPAddress = IPAddress(v4: 0xC000_0200 + UInt32(below(9_000, &generator)))
        record.packetDeltaCount = 1 + below(500, &generator)
        record.octetDeltaCount = record.packetDeltaCount * (40 + below(1_400, &generator))
        record.flowStartMilliseconds = time - Int64(below(60_000, &generator))
        record.flowEndMilliseconds = time
        record.exportMilliseconds = time + 100
        record.receiveMilliseconds = time + 120
        record.protocolIdentifier = below(10, &generator) < 7 ? 6 : 17
        record.sourceTransportPort = UInt16(32_768 + below(28_000, &generator))
        record.destinationTransportPort = [443, 80, 53, 22, 25][Int(below(5, &generator))]
        record.tcpControlBits = record.protocolIdentifier == 6 ? 0x1B : 0
        record.ingressInterface = UInt32(below(12, &generator))
        record.egressInterface = UInt32(below(12, &generator))
        record.samplingInterval = 1
        return record
    }

    /// What columns do not hold, for some rows.
    private static func addSides(
        to record: inout FlowRecord, in columns: inout FlowColumns, using generator: inout some RandomNumberGenerator
    ) {
        let octets = (0..<12).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let end = ElementKey(id: 136), label = ElementKey(enterprise: 6_876, id: 880)
        switch below(5, &generator) {
        case 0:
            let shape = columns.extras.shape([.init(end, length: 1), .init(label, length: 4)])
            if let shape { record.extra = columns.extras.add(shape) { $0 += octets.prefix(5) } }
        case 1:
            let length = Int(below(12, &generator))
            record.extra = columns.extras.add([.init(label, Array(octets.prefix(length))), .init(end, [octets[0]])])
        case 2:
            let shape = columns.extras.shape([])
            if let shape { record.extra = columns.extras.add(shape) { _ in } }
        default: break
        }
        if below(4, &generator) == 0 {
            let count = UInt64(columns.exporters.count)
            record.observers = columns.observerSets.place(
                of: (0..<below(4, &generator)).map { _ in UInt32(below(count, &generator)) })
        }
        if below(6, &generator) == 0 {
            var pair = DistinctPair()
            for octet in octets {
                pair.ports.insert(UInt64(octet))
                pair.peers.insert(UInt64(octet) << 8)
            }
            record.sketch = columns.sketches.add(pair)
        }
    }

    /// Conversations as two exporters see them: both ways, at different interfaces, with ends in common.
    static func conversations(rows: Int, using generator: inout some RandomNumberGenerator) -> FlowColumns {
        var columns = make(rows: rows, using: &generator)
        for row in columns.rows.dropFirst() where below(3, &generator) > 0 {
            let other = columns[Int(below(UInt64(row), &generator))]
            var record = columns[row], isBack = Bool.random(using: &generator)
            if below(9, &generator) == 0 { isBack.toggle() }
            record.sourceIPAddress = isBack ? other.destinationIPAddress : other.sourceIPAddress
            record.destinationIPAddress = isBack ? other.sourceIPAddress : other.destinationIPAddress
            record.sourceTransportPort = isBack ? other.destinationTransportPort : other.sourceTransportPort
            record.destinationTransportPort = isBack ? other.sourceTransportPort : other.destinationTransportPort
            record.protocolIdentifier = other.protocolIdentifier
            record.bgpSourceAsNumber = isBack ? other.bgpDestinationAsNumber : other.bgpSourceAsNumber
            record.bgpDestinationAsNumber = isBack ? other.bgpSourceAsNumber : other.bgpDestinationAsNumber
            record.sourceIPPrefixLength = isBack ? other.destinationIPPrefixLength : other.sourceIPPrefixLength
            record.destinationIPPrefixLength = isBack ? other.sourceIPPrefixLength : other.destinationIPPrefixLength
            if below(3, &generator) > 0 {
                record.ingressInterface = isBack ? other.egressInterface : other.ingressInterface
                record.egressInterface = isBack ? other.ingressInterface : other.egressInterface
                record.vlanId = other.vlanId
            }
            columns[row] = record
        }
        return columns
    }

    private static func below(_ bound: UInt64, _ generator: inout some RandomNumberGenerator) -> UInt64 {
        UInt64.random(in: 0..<bound, using: &generator)
    }
}

/// One line of a head's directory, for tests that build bodies by hand.
struct RawColumn {
    var number: UInt8, encoding: UInt8 = 0, rawBytes: UInt32 = 0, base: UInt64 = 0, frame: [UInt8] = []
    /// Version 2 only; as many words as rows and the frame's own checksum unless set.
    var octets: UInt8 = 0, words: UInt32?, checksum: UInt32?
}
