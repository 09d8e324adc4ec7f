internal import FlowModel

/// The sites whose ordinary traffic can be simulated. Their numbers are in `Mix`, and in the handbook.
package enum MixName: String, CaseIterable, Sendable {
    /// 200 desks behind a translating firewall and a core switch.
    case office
    /// Leaves and spines: storage, databases, services that call each other, a few customers.
    case datacenter
    /// Two border routers of a provider: subscribers and the world.
    case ispEdge = "isp-edge"
    /// Sensors, cameras and meters that speak seldom, little and always alike.
    case iot
}

/// What an application's conversations look like.
struct Service: Sendable {
    /// Where the called end is.
    enum Place: String, Sendable { case internet, inside, resolver }
    let name: String, port: UInt16, protocolNumber: UInt8
    /// Conversations of a thousand.
    let weight: Int
    let place: Place
    /// Packets of the caller, and the octets of each (one number a conversation).
    let packets: Pareto, octets: ClosedRange<Int>
    /// Packets of the answer for a hundred of the caller's, at least 1 packet; and their octets.
    let answerPercent: Int, answerOctets: ClosedRange<Int>
    /// Milliseconds from packet to packet.
    let pace: ClosedRange<Int>
}

/// A site's traffic in numbers.
struct Mix: Sendable {
    let services: [Service]
    /// Hosts at each place; the pool grows with the rate, see `MixTraffic`.
    let clients: Int, servers: Int, internetHosts: Int
    /// Shares of conversations: IPv6; source address translated at the edge; seen by a second router; seen by one
    /// router twice, on entry and on exit; longer than the active timeout; not answered.
    let ipv6: Double, translated: Double, twoRouters: Double, bothSides: Double, long: Double, unanswered: Double
    /// sFlow: shares of packets with a VLAN tag, and inside a tunnel (VXLAN, GRE, MPLS in turn).
    let tagged: Double, tunneled: Double
    /// Whether the provider's AS numbers and prefix lengths are known to the exporter.
    let hasRouting: Bool

    static func named(_ name: MixName) -> Mix {
        switch name {
        case .office: office
        case .datacenter: datacenter
        case .ispEdge: ispEdge
        case .iot: iot
        }
    }
}

extension Mix {
    private typealias P = Pareto
    private static let (tcp, udp, icmp) = (IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmp)

    // One row a service, as in the handbook's tables:
    // name, port, protocol, weight, place, packets, octets, answer %, its octets, pace.
    private static func row(
        _ name: String, _ port: UInt16, _ protocolNumber: UInt8, _ weight: Int, _ place: Service.Place, _ packets: P,
        _ octets: ClosedRange<Int>, _ answer: Int, _ answerOctets: ClosedRange<Int>, _ pace: ClosedRange<Int>
    ) -> Service {
        Service(
            name: name, port: port, protocolNumber: protocolNumber, weight: weight, place: place, packets: packets,
            octets: octets, answerPercent: answer, answerOctets: answerOctets, pace: pace)
    }

    static let office = Mix(
        services: [
            row("https", 443, tcp, 380, .internet, P(8...2_000), 90...600, 130, 300...1_300, 5...40),
            row("dns", 53, udp, 270, .resolver, P(1...2, tail: 5), 58...90, 100, 90...260, 5...30),
            row("quic", 443, udp, 130, .internet, P(10...3_000), 80...500, 150, 600...1_250, 5...30),
            row("http", 80, tcp, 60, .internet, P(6...600), 80...500, 120, 200...1_300, 5...40),
            row("smb", 445, tcp, 40, .inside, P(12...4_000), 100...900, 110, 100...1_300, 2...15),
            row("imaps", 993, tcp, 35, .internet, P(10...300), 80...200, 110, 100...900, 10...60),
            row("ntp", 123, udp, 30, .internet, P(1...1), 76...76, 100, 76...76, 1...1),
            row("print", 9_100, tcp, 10, .inside, P(20...800), 400...1_400, 40, 40...60, 2...10),
            row("ssh", 22, tcp, 10, .inside, P(30...1_500), 60...180, 90, 90...400, 20...90),
            row("ping", 0x0800, icmp, 35, .inside, P(1...5, tail: 5), 84...84, 100, 84...84, 200...1_000),
        ],
        clients: 200, servers: 12, internetHosts: 120, ipv6: 0.10, translated: 0.70, twoRouters: 0.10, bothSides: 0.05,
        long: 0.010, unanswered: 0.002, tagged: 0.30, tunneled: 0, hasRouting: false)

    static let datacenter = Mix(
        services: [
            row("https", 443, tcp, 260, .inside, P(6...1_000), 100...900, 110, 200...1_400, 1...6),
            row("postgres", 5_432, tcp, 150, .inside, P(10...3_000), 90...500, 110, 200...1_400, 1...5),
            row("redis", 6_379, tcp, 140, .inside, P(4...400, tail: 5), 70...300, 100, 60...900, 1...3),
            row("kafka", 9_092, tcp, 80, .inside, P(20...6_000, tail: 7), 500...1_450, 50, 52...120, 1...4),
            row("storage", 2_049, tcp, 90, .inside, P(30...12_000, tail: 7), 300...1_450, 80, 100...1_450, 1...3),
            row("dns", 53, udp, 150, .resolver, P(1...2, tail: 5), 60...100, 100, 100...300, 1...5),
            row("web", 443, tcp, 70, .internet, P(8...800), 90...500, 160, 500...1_400, 3...20),
            row("metrics", 9_100, tcp, 40, .inside, P(6...40), 80...200, 150, 800...1_400, 1...4),
            row("syslog", 514, udp, 20, .inside, P(1...60), 120...700, 0, 0...0, 1...50),
        ],
        clients: 1_000, servers: 200, internetHosts: 1_000, ipv6: 0.25, translated: 0, twoRouters: 0.35,
        bothSides: 0.10, long: 0.030, unanswered: 0.001, tagged: 0.60, tunneled: 0.15, hasRouting: false)

    static let ispEdge = Mix(
        services: [
            row("quic", 443, udp, 300, .internet, P(10...8_000, tail: 7), 80...500, 200, 700...1_250, 3...20),
            row("https", 443, tcp, 330, .internet, P(8...6_000, tail: 7), 60...500, 180, 500...1_400, 3...25),
            row("dns", 53, udp, 160, .internet, P(1...2, tail: 5), 58...90, 100, 90...400, 5...60),
            row("http", 80, tcp, 50, .internet, P(6...4_000, tail: 7), 60...400, 180, 500...1_400, 3...25),
            row("games", 27_015, udp, 30, .internet, P(20...2_000), 60...200, 110, 80...400, 15...50),
            row("peers", 51_413, udp, 60, .internet, P(2...3_000, tail: 7), 60...1_300, 100, 60...1_300, 5...60),
            row("ntp", 123, udp, 30, .internet, P(1...1), 76...76, 100, 76...76, 1...1),
            row("smtp", 25, tcp, 15, .internet, P(12...200), 80...900, 80, 60...120, 10...50),
            row("ping", 0x0800, icmp, 25, .internet, P(1...5, tail: 5), 84...84, 100, 84...84, 200...1_000),
        ],
        clients: 20_000, servers: 100, internetHosts: 20_000, ipv6: 0.40, translated: 0, twoRouters: 0.20,
        bothSides: 0.15, long: 0.020, unanswered: 0.004, tagged: 0.10, tunneled: 0.05, hasRouting: true)

    static let iot = Mix(
        services: [
            row("mqtt", 8_883, tcp, 400, .internet, P(6...60), 80...180, 100, 60...120, 20...200),
            row("coap", 5_683, udp, 150, .inside, P(1...4, tail: 5), 60...120, 100, 60...110, 10...100),
            row("dns", 53, udp, 180, .resolver, P(1...2, tail: 5), 58...80, 100, 80...200, 5...40),
            row("ntp", 123, udp, 120, .internet, P(1...1), 76...76, 100, 76...76, 1...1),
            row("modbus", 502, tcp, 60, .inside, P(6...30), 52...80, 100, 52...120, 5...40),
            row("camera", 554, tcp, 30, .inside, P(100...5_000, tail: 5), 52...120, 300, 900...1_400, 3...15),
            row("https", 443, tcp, 60, .internet, P(8...200), 90...400, 110, 200...1_200, 10...80),
        ],
        clients: 150, servers: 8, internetHosts: 12, ipv6: 0.02, translated: 0.60, twoRouters: 0, bothSides: 0,
        long: 0.015, unanswered: 0.001, tagged: 0, tunneled: 0, hasRouting: false)
}
