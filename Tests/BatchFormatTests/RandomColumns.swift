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
        let isWild = Bool.random(using: &generator)
        for _ in 0..<rows {
            time += Int64.random(in: 0...3, using: &generator)
            var record = isWild ? FlowRecord.any(using: &generator) : tame(&generator, at: time)
            guard let exporter = exporters.randomElement(using: &generator), let number = columns.intern(exporter)
            else { continue }
            record.exporter = number
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

    private static func below(_ bound: UInt64, _ generator: inout some RandomNumberGenerator) -> UInt64 {
        UInt64.random(in: 0..<bound, using: &generator)
    }
}

/// One column of a head's directory, for tests that build bodies by hand.
struct RawColumn {
    var number: UInt8, encoding: UInt8 = 0, rawBytes: UInt32 = 0, base: UInt64 = 0, frame: [UInt8] = []
}
