import Detect
import FlowModel
import Intelligence
import Platform

/// Attacks that neither the captures nor the simulator have, with what looks like them, made from records.
struct MadeAttack {
    let attack: KnownAttack
    var records: [FlowRecord]
    var parameters = Maker.parameters
    var places = PlaceLookup.none
    var intelligence = Intelligence.none

    static func all(seed: UInt64) -> [MadeAttack] {
        var made = Maker(seed: seed)
        return [
            made.distributedScan(), made.distributedGuessing(), made.slowGuessing(), made.rogueService(), made.policy(),
            made.silence(), made.newCountry(), made.newSystem(), made.newNetwork(), made.listedAddress(),
            made.quietHostFlood(), made.quietNetworkFlood(), made.reflection(), made.longConnection(),
        ]
    }

    /// As an exporter that samples one in so many packets would have told it.
    func columns(sampling: UInt32, seed: UInt64) -> FlowColumns {
        var generator = SeededGenerator(seed: seed), columns = FlowColumns(capacity: records.count)
        for var record in records.sorted(by: { $0.flowEndMilliseconds < $1.flowEndMilliseconds }) {
            let seen = (0..<min(record.packetDeltaCount, 10_000)).count { _ in
                sampling == 1 || UInt32.random(in: 0..<sampling, using: &generator) == 0
            }
            guard seen > 0 else { continue }
            record.octetDeltaCount = record.octetDeltaCount * UInt64(seen) / max(record.packetDeltaCount, 1)
            record.packetDeltaCount = UInt64(seen)
            if sampling > 1 { record.samplingInterval = Float(sampling) }
            let exporter = ExporterKey(
                address: IPAddress(v4: 0xC0A8_0001 + record.exporter), observationDomain: 0, exportProtocol: .ipfix)
            record.exporter = columns.intern(exporter) ?? 0
            columns.append(record)
        }
        return columns
    }
}

/// Makes the records; one seed, one set of attacks.
struct Maker {
    private var generator: SeededGenerator
    let noon: Int64 = 1_772_366_400_000
    let server = IPAddress(v4: 0xC000_0205), hour: Int64 = 3_600_000

    /// The tenant's networks are those of all hosts here but strangers.
    static var parameters: DetectorParameters {
        var parameters = DetectorParameters()
        parameters.ownNetworks = ["10.0.0.0/8", "192.0.2.0/24"].compactMap { IPNetwork($0) }
        return parameters
    }

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    func outside(_ number: Int) -> IPAddress { IPAddress(v4: 0xC612_0000 + UInt32(number)) }
    func inside(_ number: Int) -> IPAddress { IPAddress(v4: 0x0A01_0000 + UInt32(number)) }
    func record(
        _ source: IPAddress, _ sourcePort: Int, _ destination: IPAddress, _ port: Int,
        _ transport: UInt8 = IPProtocol.tcp, bits: UInt16 = 0x1B, packets: Int = 20, octets: Int = 4_000,
        at time: Int64,
        lasting: Int64 = 1_000
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (source, destination)
        (record.sourceTransportPort, record.destinationTransportPort) = (UInt16(sourcePort), UInt16(port))
        (record.protocolIdentifier, record.tcpControlBits) = (transport, transport == IPProtocol.tcp ? bits : 0)
        (record.packetDeltaCount, record.octetDeltaCount) = (UInt64(packets), UInt64(octets))
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time, time + lasting)
        record.receiveMilliseconds = time + lasting + 1_000
        return record
    }
    func attack(_ rules: [String], attacker: IPAddress? = nil, victim: IPAddress? = nil, at start: Int64)
        -> KnownAttack
    {
        var attack = KnownAttack(
            rules: rules, attacker: attacker.map { "\($0)" }, victim: victim.map { "\($0)" })
        attack.start = start
        return attack
    }
    /// One client's session with a login service.
    private mutating func session(_ source: IPAddress, _ octets: ClosedRange<Int>, at time: Int64) -> FlowRecord {
        record(
            source, number(32_768...65_000), server, 22, packets: number(18...24), octets: number(octets), at: time,
            lasting: 2_000)
    }

    /// 40 sources, four ports each, in an hour. Beside them 300 that knock on ten ports of another host, and clients of
    /// a third that are answered on many ports.
    mutating func distributedScan() -> MadeAttack {
        let quiet = IPAddress(v4: 0xC000_0206), open = IPAddress(v4: 0xC000_0207)
        var records: [FlowRecord] = []
        for index in 0..<160 {
            records.append(
                record(
                    outside(index % 40), number(32_768...65_000), server, 20 + index * 5, bits: 2, packets: 1,
                    octets: 44, at: noon + Int64(number(0...3_500)) * 1_000, lasting: 0))
        }
        for index in 0..<300 {
            let time = noon + Int64(number(0...3_500)) * 1_000
            records.append(
                record(
                    outside(1_000 + index), 40_000, quiet,
                    [22, 23, 80, 443, 445, 1_433, 3_306, 3_389, 5_900, 8_080][
                        index % 10], bits: 2, packets: 1, octets: 44, at: time, lasting: 0))
            records.append(record(outside(2_000 + index), 50_000, open, 2_000 + index, at: time))
        }
        return MadeAttack(attack: attack(["distributed-scan"], victim: server, at: noon), records: records)
    }

    /// 30 sources, three tries each, in six hours. Beside them 40 who move files of all sizes.
    mutating func distributedGuessing() -> MadeAttack {
        var records: [FlowRecord] = []
        for index in 0..<90 {
            let time = noon + Int64(number(0...21_000)) * 1_000
            records.append(session(outside(index % 30), 3_600...4_200, at: time))
        }
        var others = (0..<120).map { index in
            session(outside(500 + index % 40), 1_200...9_800, at: noon + Int64(index) * 120_000)
        }
        for index in others.indices { others[index].destinationIPAddress = IPAddress(v4: 0xC000_0206) }
        return MadeAttack(
            attack: attack(["password-guessing-distributed"], victim: server, at: noon), records: records + others)
    }

    /// One source, a try about every seven minutes. Beside it one that works as often, and a poller inside.
    mutating func slowGuessing() -> MadeAttack {
        var records: [FlowRecord] = []
        for index in 0..<60 {
            let time = noon + Int64(index) * 420_000 + Int64(number(0...60_000))
            records.append(session(outside(1), 3_600...4_200, at: time))
            records.append(session(outside(2), 1_200...9_800, at: time + 7_000))
            records.append(session(inside(3), 3_800...3_850, at: time + 9_000))
        }
        return MadeAttack(
            attack: attack(["password-guessing-slow"], attacker: outside(1), victim: server, at: noon), records: records
        )
    }

    /// A second DHCP server on the second day. Beside it the first, the resolver, and a host that answers one friend.
    mutating func rogueService() -> MadeAttack {
        var records: [FlowRecord] = []
        for step in 0..<(30 * 6) {
            let time = noon + Int64(step) * 600_000, client = inside(100 + step % 50)
            records.append(record(inside(1), 67, client, 68, IPProtocol.udp, packets: 2, octets: 656, at: time))
            records.append(record(inside(2), 53, client, 40_000, IPProtocol.udp, packets: 1, octets: 180, at: time))
            guard step > 26 * 6 else { continue }
            records.append(record(inside(9), 67, client, 68, IPProtocol.udp, packets: 2, octets: 656, at: time))
            records.append(record(inside(8), 53, inside(7), 40_000, IPProtocol.udp, packets: 1, octets: 90, at: time))
        }
        return MadeAttack(
            attack: attack(["rogue-service"], attacker: inside(9), at: noon + 26 * hour), records: records)
    }

    /// A desk opens SMB to a plant's network. Beside it the other way round, and desks that may.
    mutating func policy() -> MadeAttack {
        let plant = IPNetwork(IPAddress(v4: 0x0A09_0000), length: 16), desks = IPNetwork(inside(0), length: 24)
        var parameters = Self.parameters
        parameters.policies = [PolicyRule(name: "plant", from: [desks], to: [plant], ports: [445...445])]
        let meter = IPAddress(v4: 0x0A09_0001)
        let records = [
            record(inside(5), 50_000, meter, 445, at: noon), record(meter, 50_000, inside(6), 445, at: noon),
            record(inside(7), 50_000, meter, 443, at: noon),
            record(IPAddress(v4: 0x0A02_0001), 50_000, meter, 445, at: noon),
        ]
        return MadeAttack(
            attack: attack(["policy"], attacker: inside(5), victim: meter, at: noon), records: records,
            parameters: parameters)
    }

    /// One of three exporters stops after an hour; another has always sent once in 20 minutes.
    mutating func silence() -> MadeAttack {
        var records: [FlowRecord] = []
        for second in stride(from: Int64(0), to: 8 * 3_600, by: 15) {
            for exporter in 0..<3 as Range<UInt32> {
                if exporter == 1, second > 3_600 { continue }
                if exporter == 2, second % 1_200 != 0 { continue }
                var one = record(inside(20), 50_000, outside(7), 443, at: noon + second * 1_000)
                one.exporter = exporter
                records.append(one)
            }
        }
        return MadeAttack(
            attack: attack(["exporter-silence"], victim: IPAddress(v4: 0xC0A8_0002), at: noon + hour), records: records)
    }

    /// A meter that has called home for nine days calls elsewhere. Beside it a desk that always calls everywhere.
    mutating func newCountry() -> MadeAttack {
        var records: [FlowRecord] = []
        for step in 0..<(10 * 24) {
            let time = noon + Int64(step) * hour
            records.append(
                record(
                    inside(30), number(32_768...65_000), outside(0), 8_883, octets: number(1_000...20_000), at: time))
            records.append(
                record(
                    inside(31), number(32_768...65_000), outside(number(0...200) << 8), 443,
                    octets: number(2_000...90_000),
                    at: time))
        }
        let start = noon + 9 * 24 * hour
        records.append(record(inside(30), 40_000, IPAddress(v4: 0xCB00_7105), 443, at: start))
        let places = PlaceLookup { address in
            address.v4 >> 16 == 0xC612
                ? (0x4141 + UInt16(address.v4 >> 8 & 15), 64_500 + (address.v4 >> 8 & 15))
                : (0x5A5A, 65_000)
        }
        return MadeAttack(
            attack: attack(["new-country"], attacker: inside(30), at: start), records: records, places: places)
    }
}
