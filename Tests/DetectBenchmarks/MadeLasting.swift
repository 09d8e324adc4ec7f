import Detect
import FlowModel

/// Attacks of the labelled captures, made again where these don't say when they began.
extension Maker {
    /// 150 clocks that nobody asked answer a server, once every two seconds for half a minute. Beside it a resolver
    /// with as many answers, which it asked for, and a host with 60 unasked ones.
    mutating func reflection() -> MadeAttack {
        let resolver = IPAddress(v4: 0xC000_0206), other = IPAddress(v4: 0xC000_0207)
        var records: [FlowRecord] = []
        for second in stride(from: Int64(0), to: 30, by: 2) {
            for index in 0..<150 {
                let time = noon + second * 1_000 + Int64(number(0...1_900)), port = number(32_768...65_000)
                let clock = outside(4_000 + index), server = outside(5_000 + index)
                let answer = record(
                    clock, 123, index < 60 ? other : self.server, 40_000, IPProtocol.udp, packets: 4, octets: 1_872,
                    at: time, lasting: 5)
                records.append(answer)
                if index < 60 {
                    records.append(
                        record(
                            outside(6_000 + index), 123, self.server, 40_000, IPProtocol.udp, packets: 4, octets: 1_872,
                            at: time, lasting: 5))
                }
                records.append(record(resolver, port, server, 53, IPProtocol.udp, packets: 1, octets: 70, at: time))
                records.append(
                    record(server, 53, resolver, port, IPProtocol.udp, packets: 1, octets: 1_200, at: time + 5))
            }
        }
        return MadeAttack(attack: attack(["reflection-flood"], victim: server, at: noon), records: records)
    }

    /// A desk keeps a connection to a port of no service for an hour and a half, told in slices of a minute. Beside it
    /// a mail client that stays connected all day, and a connection of 50 minutes.
    mutating func longConnection() -> MadeAttack {
        var records: [FlowRecord] = []
        func slices(_ host: IPAddress, _ peer: IPAddress, _ port: Int, minutes: Int64) {
            for minute in 0..<minutes {
                records.append(
                    record(
                        host, 50_000, peer, port, bits: 0x18, packets: number(20...60),
                        octets: number(3_000...60_000), at: noon + minute * 60_000, lasting: 59_000))
            }
        }
        slices(inside(60), outside(8), 4_444, minutes: 90)
        slices(inside(61), outside(9), 993, minutes: 8 * 60)
        slices(inside(62), outside(10), 4_444, minutes: 50)
        return MadeAttack(
            attack: attack(["long-connection"], attacker: inside(60), at: noon), records: records)
    }
}
