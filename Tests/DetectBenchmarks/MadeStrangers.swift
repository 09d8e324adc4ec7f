import Detect
import FlowModel
import Intelligence

/// Attacks that only what is known of strangers tells: where they are, and who lists them.
extension Maker {
    /// A meter that has called home for nine days calls another system of the same country. Beside it a desk that
    /// always calls everywhere, and a second meter whose home moves within its system.
    mutating func newSystem() -> MadeAttack {
        let stranger = IPAddress(v4: 0xC612_4105)
        return firstContact("new-system", stranger: stranger, moved: outside(2)) { address in
            // The desk's 16 systems, home, and the stranger's own.
            address == stranger ? (0x4141, 65_000) : (0x4141, 64_500 + (address.v4 >> 8 & 15))
        }
    }

    /// The same meter calls another network of its usual system. A /24 that it knows is none, whatever the address.
    mutating func newNetwork() -> MadeAttack {
        firstContact("new-network", stranger: outside(0x4105), moved: outside(9)) { _ in (0x4141, 64_500) }
    }

    private mutating func firstContact(
        _ rule: String, stranger: IPAddress, moved: IPAddress, _ places: @escaping PlaceLookup.Find
    ) -> MadeAttack {
        var records: [FlowRecord] = []
        let start = noon + 9 * 24 * hour
        func call(_ host: IPAddress, _ peer: IPAddress, _ port: Int, _ octets: Int, _ time: Int64) -> FlowRecord {
            record(host, 32_768 + Int(time / hour % 20_000), peer, port, octets: octets, at: time)
        }
        for step in 0..<(10 * 24) {
            let time = noon + Int64(step) * hour
            records.append(call(inside(30), outside(0), 8_883, number(1_000...20_000), time))
            records.append(
                call(inside(32), time < start ? outside(1) : moved, 8_883, number(1_000...20_000), time + 60))
            records.append(
                call(inside(31), outside(number(0...200) << 8), 443, number(2_000...90_000), time + 120))
        }
        records.append(call(inside(30), stranger, 443, 4_000, start + 1_000))
        return MadeAttack(
            attack: attack([rule], attacker: inside(30), at: start), records: records, places: PlaceLookup(places))
    }

    /// A desk calls a listed address and is answered. Beside it desks that call the addresses next to it, one whose
    /// indicator has expired, one that a feed lists and an allow-list knows, and a listed one of another port.
    mutating func listedAddress() -> MadeAttack {
        let listed = outside(0x1000), expired = outside(0x1004), allowed = outside(0x1008), relay = outside(0x100C)
        let context = IndicatorContext(labels: ["c2"], malwareFamily: "Made")
        func indicator(_ address: IPAddress, port: UInt16 = 0, expires: Int64? = nil) -> Indicator {
            Indicator(
                .network(IPNetwork(address, length: 32)), port: port, confidence: 90, lastSeen: noon - hour,
                expires: expires, context: context)
        }
        var source = FeedSource(name: "made")
        source.weight = 0.9
        let set = IndicatorSet([
            (
                source,
                [
                    indicator(listed), indicator(expired, expires: noon - 1), indicator(allowed),
                    indicator(relay, port: 9_001),
                ]
            )
        ])
        var records: [FlowRecord] = []
        func exchange(_ host: IPAddress, _ peer: IPAddress, at time: Int64) {
            let port = number(32_768...65_000)
            records.append(record(host, port, peer, 443, octets: number(2_000...90_000), at: time))
            records.append(record(peer, 443, host, port, at: time + 10))
        }
        for step in 0..<200 {
            let time = noon + Int64(step * 30_000 + number(0...20_000))
            exchange(inside(40), outside(0x1000 + [1, 2, 3, 5][step % 4]), at: time)
            exchange(inside(41), [expired, allowed, relay][step % 3], at: time + 5_000)
        }
        let start = noon + hour
        exchange(inside(42), listed, at: start)
        var made = MadeAttack(
            attack: attack(["threat-intelligence"], attacker: listed, victim: inside(42), at: start), records: records)
        made.intelligence = Intelligence(
            indicators: set,
            allowed: AllowTable([AllowList(name: "resolvers", networks: [IPNetwork(allowed, length: 32)])]),
            rules: ScoreRules())
        return made
    }
}
