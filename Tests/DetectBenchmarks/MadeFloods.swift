import Detect
import FlowModel
import Platform

/// Floods that only what is usual tells, or excuses.
extension Maker {
    static let day: Int64 = 86_400_000

    /// A server that has had next to nothing for five days gets 8,000 datagrams a second of 300 sources for a minute.
    /// Beside it a media server whose 15,000 a second of every day are 28,000 on that one, a host that nobody knows and
    /// that gets 8,000 a second, a desk that downloads at 400 Mbit/s for the first time, and one that somebody pings
    /// 800 times a second.
    mutating func quietHostFlood() -> MadeAttack {
        let quiet = server, media = IPAddress(v4: 0xC000_0206), unknown = IPAddress(v4: 0xC000_0207)
        let start = noon + 5 * Self.day
        var records = usual(of: [quiet, media, inside(50), inside(51)], until: start)
        for day in 0..<5 as Range<Int64> {
            records += datagrams(15_000, to: [media], sources: 300, at: noon + day * Self.day, seconds: 60)
        }
        records += datagrams(8_000, to: [quiet], sources: 300, at: start, seconds: 60)
        records += datagrams(28_000, to: [media], sources: 300, at: start, seconds: 60)
        records += datagrams(8_000, to: [unknown], sources: 300, at: start, seconds: 60)
        for second in 0..<60 as Range<Int64> {
            let time = start + second * 1_000
            records.append(
                record(outside(7), 443, inside(50), 51_000, packets: 4_000, octets: 50_000_000, at: time, lasting: 999))
            records.append(
                record(
                    inside(52), 0, inside(51), 2_048, IPProtocol.icmp, packets: 800, octets: 67_200, at: time,
                    lasting: 999))
        }
        return MadeAttack(attack: attack(["flood"], victim: quiet, at: start), records: records)
    }

    /// The same of a network: 8,000 datagrams a second at a hundred of its hosts. Beside it one whose 15,000 a second
    /// of every day are 28,000 on that one.
    mutating func quietNetworkFlood() -> MadeAttack {
        func network(_ third: UInt32) -> [IPAddress] { (0..<100).map { IPAddress(v4: 0x0A03_0000 | third << 8 | $0) } }
        let start = noon + 5 * Self.day, quiet = network(1), busy = network(2)
        var records = usual(of: [quiet[0], busy[0]], until: start)
        for day in 0..<5 as Range<Int64> {
            records += datagrams(15_000, to: busy, sources: 300, at: noon + day * Self.day, seconds: 60)
        }
        records += datagrams(8_000, to: quiet, sources: 300, at: start, seconds: 60)
        records += datagrams(28_000, to: busy, sources: 300, at: start, seconds: 60)
        var attack = attack(["carpet-bombing"], at: start)
        attack.victim = IPNetwork(quiet[0], length: 24)
        return MadeAttack(attack: attack, records: records)
    }

    /// A trickle of datagrams, every five minutes from noon of the first day on.
    private mutating func usual(of hosts: [IPAddress], until end: Int64) -> [FlowRecord] {
        stride(from: noon, to: end, by: 300_000).flatMap { time in
            hosts.map { host in
                record(
                    outside(1), 40_000, host, 8_125, IPProtocol.udp, packets: number(20...200), octets: 20_000,
                    at: time + Int64(number(0...200_000)), lasting: 4_000)
            }
        }
    }
    /// `rate` packets a second at all of `hosts` together, in records of two seconds.
    private mutating func datagrams(
        _ rate: Int, to hosts: [IPAddress], sources: Int, at start: Int64, seconds: Int64
    ) -> [FlowRecord] {
        stride(from: Int64(0), to: seconds, by: 2).flatMap { second in
            (0..<sources).map { index in
                record(
                    outside(3_000 + index), number(1_024...65_000), hosts[index % hosts.count], 9_999, IPProtocol.udp,
                    packets: 2 * rate / sources, octets: 2 * rate / sources * 200, at: start + second * 1_000,
                    lasting: 1_999)
            }
        }
    }
}
