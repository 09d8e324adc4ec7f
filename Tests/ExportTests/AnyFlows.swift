import FlowModel
import Platform

/// Rows as exporters send them: of several domains, of both address families, some with elements beside the columns.
enum AnyFlows {
    static let start: Int64 = 1_795_233_600_000

    static func columns(
        _ count: Int, domains: UInt32 = 3, extras: Bool = true, plainTCP: Bool = false,
        using generator: inout SeededGenerator
    ) -> FlowColumns {
        var columns = FlowColumns()
        for index in 0..<count {
            var record = Self.record(Int64(index), plainTCP: plainTCP, &generator)
            let domain = UInt32.random(in: 0..<domains, using: &generator)
            let address = domain == 2 ? IPAddress(high: 0x2001_0DB8_0000_0000, low: 9) : IPAddress(v4: 0xC000_0201)
            let key = ExporterKey(address: address, observationDomain: domain, exportProtocol: .ipfix)
            record.exporter = columns.intern(key) ?? 0
            if extras, Int.random(in: 0...3, using: &generator) == 0 {
                let name = [UInt8](repeating: 0x61, count: Int.random(in: 0...400, using: &generator))
                record.extra = columns.extras.add([
                    ExtraValue(ElementKey(id: 96), name),
                    ExtraValue(ElementKey(enterprise: 32_473, id: 77), [1, 2, 3]),
                    ExtraValue(ElementKey(id: 225), [198, 51, 100, UInt8(index & 0xFF)]),
                ])
            }
            columns.append(record)
        }
        return columns
    }

    private static func record(_ index: Int64, plainTCP: Bool, _ generator: inout SeededGenerator) -> FlowRecord {
        var record = FlowRecord()
        let isV4 = Bool.random(using: &generator)
        func address() -> IPAddress {
            isV4
                ? IPAddress(v4: 0x0A00_0000 | UInt32.random(in: 0...0xFFFF, using: &generator))
                : IPAddress(high: 0x2001_0DB8_0000_0000, low: UInt64.random(in: 1...99, using: &generator))
        }
        record.sourceIPAddress = address()
        record.destinationIPAddress = address()
        if Bool.random(using: &generator) { record.ipNextHopAddress = address() }
        record.protocolIdentifier = [6, 6, 17, isV4 ? 1 : 58, 47].randomElement(using: &generator) ?? 6
        if record.protocolIdentifier != 47, !IPProtocol.isICMP(record.protocolIdentifier) {
            record.sourceTransportPort = .random(in: 1_024...60_000, using: &generator)
            record.destinationTransportPort = [22, 53, 80, 443].randomElement(using: &generator) ?? 1
        } else if IPProtocol.isICMP(record.protocolIdentifier) {
            record.destinationTransportPort = [0x0800, 0x0303].randomElement(using: &generator) ?? 0
        }
        if record.protocolIdentifier == 6 { record.tcpControlBits = .random(in: 0...255, using: &generator) }
        record.octetDeltaCount = .random(in: 0...1_000_000, using: &generator)
        record.packetDeltaCount = .random(in: 1...900, using: &generator)
        record.flowStartMilliseconds = start + .random(in: 0...100_000, using: &generator)
        record.flowEndMilliseconds = record.flowStartMilliseconds + .random(in: 0...50_000, using: &generator)
        record.exportMilliseconds = (start / 1_000 + 160 + index / 10) * 1_000
        record.receiveMilliseconds = record.exportMilliseconds + 37
        record.ingressInterface = .random(in: 0...5, using: &generator)
        record.egressInterface = .random(in: 0...100_000, using: &generator)
        record.bgpSourceAsNumber = .random(in: 0...5, using: &generator)
        record.bgpDestinationAsNumber = [0, 64_512, 4_200_000_000].randomElement(using: &generator) ?? 0
        record.sourceIPPrefixLength = .random(in: 0...32, using: &generator)
        record.destinationIPPrefixLength = .random(in: 0...32, using: &generator)
        record.ipClassOfService = [0, 0xB8].randomElement(using: &generator) ?? 0
        record.vlanId = .random(in: 0...4_094, using: &generator)
        if !plainTCP {
            record.flowDirection = [0, 1, 255].randomElement(using: &generator) ?? 255
            record.samplingInterval = [0, 1, 100].randomElement(using: &generator) ?? 0
            record.deltaFlowCount = [1, 1, 5].randomElement(using: &generator) ?? 1
        }
        return record
    }
}
