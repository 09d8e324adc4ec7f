internal import FlowModel

/// Traffic to test with: one host that calls many on one port, one that guesses passwords, pings, IPv6 and everyday
/// traffic. The same at every run.
enum ConformanceSample {
    static let start: Int64 = 1_700_000_000_000

    /// - Returns: a batch of what the program wants, of at most `records` records.
    static func batch(for hello: ProgramHello, records: Int) throws(ConformanceProblem) -> ProgramBatch {
        let count = min(records, hello.batchRecordsMax)
        switch hello.kind {
        case .intelligence: return ProgramBatch(mark: 1)
        case .enricher: return ProgramBatch(mark: 1, asking: (0..<count).map(address))
        case .detector:
            guard let wanted = ProgramSubscription(hello) else { throw ConformanceProblem("its filter doesn't parse") }
            return wanted.batches(of: columns(count), mark: 1)[0]
        }
    }

    private static func address(_ index: Int) -> IPAddress {
        // 2001:db8::/32 (RFC 3849) and 198.18.0.0/15 (RFC 2544).
        index.isMultiple(of: 5)
            ? IPAddress(high: 0x2001_0DB8_0000_0000, low: UInt64(index))
            : IPAddress(v4: 0xC612_0000 + UInt32(truncatingIfNeeded: index & 0x1_FFFF))
    }

    static func columns(_ count: Int) -> FlowColumns {
        var columns = FlowColumns(capacity: count)
        let key = ExporterKey(address: IPAddress(v4: 0xC000_0201), observationDomain: 1, exportProtocol: .ipfix)
        let exporter = columns.intern(key) ?? 0
        for index in 0..<count {
            var record = record(index)
            record.exporter = exporter
            columns.append(record)
        }
        return columns
    }
    private static func record(_ index: Int) -> FlowRecord {
        var record = FlowRecord()
        record.flowStartMilliseconds = start + Int64(index) * 20
        record.flowEndMilliseconds = record.flowStartMilliseconds + 15
        record.exportMilliseconds = record.flowEndMilliseconds + 1_000
        record.receiveMilliseconds = record.flowEndMilliseconds + 1_010
        record.protocolIdentifier = IPProtocol.tcp
        record.tcpControlBits = 0x02
        (record.octetDeltaCount, record.packetDeltaCount) = (60, 1)
        record.sourceTransportPort = UInt16(truncatingIfNeeded: 40_000 + index % 20_000)
        record.sourceIPAddress = IPAddress(v4: 0xC000_0207)
        record.destinationIPAddress = address(index)
        switch index % 4 {
        case 0, 1: record.destinationTransportPort = 445
        case 2:
            record.destinationTransportPort = 443
            record.sourceIPAddress = IPAddress(v4: 0xC633_6400 + UInt32(truncatingIfNeeded: index & 0xFF))
            (record.octetDeltaCount, record.packetDeltaCount) = (18_446_744_073_709_551_615, 4_000_000_000)
        default:
            record.protocolIdentifier = IPProtocol.icmp
            (record.sourceTransportPort, record.destinationTransportPort, record.tcpControlBits) = (0, 8 << 8, 0)
        }
        return record
    }
}
