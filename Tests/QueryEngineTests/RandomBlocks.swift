import FilterLanguage
import FlowModel
import Identity
import InformationElements
import Platform
import QueryEngine
import TestKit
import Testing

/// Random records in plain sight, and the same in blocks, cut anywhere.
struct RandomBlocks {
    struct Known {
        let record: FlowRecord
        let exporter: ExporterKey
        let sensor: SensorIdentity
        let extras: [ExtraValue]
        var subject: FilterSubject {
            FilterSubject(record, exporter: exporter, site: sensor.site, sensor: sensor.name, extras: extras)
        }
    }
    var known: [Known] = []
    static let start: Int64 = 1_795_262_400_000

    init(using generator: inout SeededGenerator, count: Int = 200, spread: UInt64 = 4) throws {
        let tenant = try #require(TenantID("acme"))
        for _ in 0..<count {
            let exporter = ExporterKey(
                address: IPAddress(v4: 0xC000_0200 + UInt32.random(in: 0..<3, using: &generator)),
                observationDomain: UInt32.random(in: 0..<2, using: &generator),
                exportProtocol: Bool.random(using: &generator) ? .ipfix : .netflow9)
            let site = ["hq", "lab"].randomElement(using: &generator) ?? ""
            let name = ["a", "b", "c"].randomElement(using: &generator) ?? ""
            let extras =
                Int.random(in: 0..<8, using: &generator) == 0
                ? [ExtraValue(ElementKey(id: 32), [0, UInt8.random(in: 0..<3, using: &generator)])] : []
            known.append(
                Known(
                    record: Self.record(using: &generator, spread: spread), exporter: exporter,
                    sensor: SensorIdentity(tenant: tenant, site: site, name: name), extras: extras))
        }
    }

    /// Few distinct values, so that filters and groups meet many records.
    static func record(using generator: inout SeededGenerator, spread: UInt64) -> FlowRecord {
        var record = FlowRecord()
        func small(_ count: UInt64) -> UInt64 { UInt64.random(in: 0..<count, using: &generator) }
        record.sourceIPAddress = address(using: &generator, spread: spread)
        record.destinationIPAddress = address(using: &generator, spread: spread)
        record.ipNextHopAddress = small(2) == 0 ? .absent : address(using: &generator, spread: 2)
        record.flowStartMilliseconds = start + 7_000 * Int64(small(200))
        record.flowEndMilliseconds = record.flowStartMilliseconds + [0, 1, 500, 61_000, 400_000, -5][Int(small(6))]
        record.exportMilliseconds = record.flowEndMilliseconds + Int64(small(3))
        record.receiveMilliseconds = record.flowEndMilliseconds + Int64(small(3)) * 1_000
        record.octetDeltaCount = [0, 40, 1_500, small(1 << 20), .max][Int(small(20) == 0 ? 4 : small(4))]
        record.packetDeltaCount = small(50)
        record.deltaFlowCount = UInt32(1 + small(3))
        record.protocolIdentifier = [6, 17, 1, 58, 50][Int(small(5))]
        record.sourceTransportPort = [0, 22, 53, 1_024, 65_535][Int(small(5))]
        record.destinationTransportPort = [0, 22, 443, 0x0800, 0x0E00, 0x8100, 65_535][Int(small(7))]
        record.tcpControlBits = UInt16(small(64))
        record.ipClassOfService = [0, 46 << 2, 255][Int(small(3))]
        record.ingressInterface = UInt32(small(3))
        record.egressInterface = [0, 7, .max][Int(small(3))]
        record.bgpSourceAsNumber = [0, 64_512, .max][Int(small(3))]
        record.bgpDestinationAsNumber = UInt32(small(3))
        record.sourceIPPrefixLength = [0, 24, 64][Int(small(3))]
        record.vlanId = UInt16(small(3))
        record.flowDirection = [0, 1, 255][Int(small(3))]
        record.samplingInterval = [0, 1, 100][Int(small(3))]
        record.flags = [[], [], [], .secondary, .observedElsewhere, .denied][Int(small(6))]
        return record
    }
    static func address(using generator: inout SeededGenerator, spread: UInt64) -> IPAddress {
        let host = UInt64.random(in: 0..<spread, using: &generator)
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: return .absent
        case 1, 2: return IPAddress(high: 0x2001_0DB8_0000_0000 | host >> 2, low: host & 3)
        default: return IPAddress(v4: 0x0A00_0000 | UInt32(host & 3) << 8 | UInt32(host >> 2))
        }
    }

    /// The records in a random order, cut into blocks of random sizes.
    func blocks(using generator: inout SeededGenerator, sizeMax: Int = 60) throws -> [RowBlock] {
        var rest = known.shuffled(using: &generator)[...], blocks: [RowBlock] = []
        while !rest.isEmpty {
            let part = rest.prefix(Int.random(in: 1...sizeMax, using: &generator))
            rest = rest.dropFirst(part.count)
            blocks.append(try Self.block(Array(part)))
        }
        return blocks
    }
    static func block(_ part: [Known]) throws -> RowBlock {
        var columns = FlowColumns(), sensors: [SensorIdentity] = [], numbers: [UInt32] = []
        for known in part {
            var record = known.record
            let number = columns.intern(known.exporter)
            record.exporter = try #require(number)
            record.extra = columns.extras.add(known.extras)
            columns.append(record)
            if !sensors.contains(known.sensor) { sensors.append(known.sensor) }
            numbers.append(UInt32(sensors.firstIndex(of: known.sensor) ?? 0))
        }
        return RowBlock(columns: columns, sensors: sensors.count == 1 ? .one(sensors[0]) : .each(numbers, sensors))
    }

    /// All rows of a block that count.
    static func counted(_ block: RowBlock) -> [Int32] {
        var mask = RowMask(count: block.count)
        Condition(.any, from: .min, to: .max).counted.keep(&mask, in: block)
        return mask.rows
    }
    /// The records that count.
    var counted: [Known] {
        known.filter { $0.record.flags.isDisjoint(with: [.secondary, .observedElsewhere]) }
    }
}

/// Random filters, with every kind of test.
enum RandomFilter {
    static func expression(using generator: inout SeededGenerator, depth: Int = 3) -> FilterExpression {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 4), using: &generator) {
        case 4: return .negation(of: expression(using: &generator, depth: depth - 1))
        case 5: return .conjunction(of: members(using: &generator, depth))
        case 6: return .disjunction(of: members(using: &generator, depth))
        default: return .test(test(using: &generator))
        }
    }
    private static func members(using generator: inout SeededGenerator, _ depth: Int) -> [FilterExpression] {
        (0..<Int.random(in: 0...3, using: &generator)).map { _ in expression(using: &generator, depth: depth - 1) }
    }

    static func test(using generator: inout SeededGenerator) -> FilterTest {
        switch Int.random(in: 0..<9, using: &generator) {
        case 0, 1:
            let field = AddressField.allCases.randomElement(using: &generator) ?? .source
            return .address(field, AddressSet(networks(using: &generator)))
        case 2, 3, 4:
            let field = NumberField.allCases.randomElement(using: &generator) ?? .port
            return .number(field, numbers(field, using: &generator))
        case 5:
            return .controlBits(
                set: UInt16.random(in: 0..<64, using: &generator), mask: UInt16.random(in: 0..<64, using: &generator))
        case 6: return .family(Bool.random(using: &generator) ? .ipv4 : .ipv6)
        case 7:
            switch LabelField.allCases.randomElement(using: &generator) ?? .site {
            case .site: return .label(.site, ["lab"])
            case .sensor: return .label(.sensor, Bool.random(using: &generator) ? ["a"] : ["b", "c", "d"])
            case .exportProtocol: return .label(.exportProtocol, ["ipfix"])
            }
        default:
            if Bool.random(using: &generator) {
                return .element(
                    ElementTest(
                        name: "icmpTypeCodeIPv4", type: .unsigned16, keys: [ElementKey(id: 32)],
                        operand: Bool.random(using: &generator) ? .present : .numbers(NumberSet(1))))
            }
            return .mark(RecordMark.allCases.randomElement(using: &generator) ?? .sampled)
        }
    }
    private static func networks(using generator: inout SeededGenerator) -> [IPNetwork] {
        let all = [
            IPNetwork(IPAddress(v4: 0x0A00_0000), length: 22), IPNetwork(IPAddress(v4: 0x0A00_0100), length: 24),
            IPNetwork(IPAddress(v4: 0x0A00_0200), length: 32), IPNetwork(IPAddress(v4: 0), length: 0),
            IPNetwork(IPAddress(high: 0x2001_0DB8_0000_0000, low: 0), length: 64), IPNetwork(.absent, length: 0),
            IPNetwork(IPAddress(high: 0x2001_0DB8_0000_0000, low: 2), length: 128), IPNetwork(.absent, length: 128),
            IPNetwork(IPAddress(v4: 0xC000_0201), length: 32),
        ]
        // Often more than the few that are asked one by one.
        let many = (0..<20).map { IPNetwork(IPAddress(v4: 0x0A00_0000 | $0 << 9), length: 32) }
        if Int.random(in: 0..<4, using: &generator) == 0 { return many + [all[4]] }
        return (0..<Int.random(in: 0...3, using: &generator)).map { _ in
            all[Int.random(in: 0..<all.count, using: &generator)]
        }
    }
    private static func numbers(_ field: NumberField, using generator: inout SeededGenerator) -> NumberSet {
        let start = UInt64(RandomBlocks.start)
        let values: [UInt64] = [
            0, 1, 6, 8, 17, 22, 40, 53, 255, 443, 500, 1_024, 1_500, 64_512, 65_535, 100_000, start, start + 600_000,
            UInt64(UInt32.max), .max,
        ].filter { $0 <= field.most }
        func value() -> UInt64 { values.randomElement(using: &generator) ?? 0 }
        return NumberSet(
            (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                let (a, b) = (value(), value())
                return min(a, b)...max(a, b)
            })
    }
}
