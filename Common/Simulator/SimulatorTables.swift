internal import FlowModel

/// What can be simulated, as tables: for people who ask on the command line, and for the handbook, which holds them
/// word for word (a test compares).
package enum SimulatorTables {
    /// The mixes' shares, a row a mix.
    package static var mixes: String {
        let names = MixName.allCases.map { ($0.rawValue, Mix.named($0)) }
        return table(
            [
                "mix", "clients", "servers", "hosts outside", "IPv6", "translated", "second router", "both sides",
                "long",
                "unanswered", "tagged", "tunneled",
            ],
            names.map { name, mix in
                [
                    "`\(name)`", "\(mix.clients)", "\(mix.servers)", "\(mix.internetHosts)", percent(mix.ipv6),
                    percent(mix.translated), percent(mix.twoRouters), percent(mix.bothSides), percent(mix.long),
                    percent(mix.unanswered), percent(mix.tagged), percent(mix.tunneled),
                ]
            })
    }

    /// The services of a mix, a row a service.
    package static func services(of name: MixName) -> String {
        table(
            [
                "service", "port", "conversations", "called", "packets (tail)", "octets each", "answer packets",
                "octets each", "ms between",
            ],
            Mix.named(name).services.map { service in
                let kind =
                    service.protocolNumber == IPProtocol.icmp
                    ? "ICMP echo" : "\(service.port)/\(service.protocolNumber == IPProtocol.tcp ? "tcp" : "udp")"
                let (law, isOne) = (service.packets, service.packets.least == service.packets.most)
                return [
                    service.name, kind, percent(Double(service.weight) / 1_000), service.place.rawValue,
                    isOne ? "\(law.least)" : "\(law.least)–\(law.most) (8/\(law.tailEighths))", span(service.octets),
                    service.answerPercent == 0 ? "none" : "\(service.answerPercent) %",
                    service.answerPercent == 0 ? "" : span(service.answerOctets), span(service.pace),
                ]
            })
    }

    /// The attacks, a row each.
    package static var attacks: String {
        table(
            ["attack", "what happens", "ATT&CK", "attacker", "victim"],
            Attack.allCases.map { attack in
                [
                    "`\(attack.rawValue)`", attack.summary, "\(attack.technique), \(attack.tactic)",
                    text(attack.attacker) + (attack.isSpoofed ? " (not theirs)" : ""), text(attack.victim),
                ]
            })
    }

    /// The knobs, a row each.
    package static var knobs: String {
        let all = ExportProtocol.allCases.filter { $0 != .packets }.count
        return table(
            ["knob", "tries", "what it does", "protocols"],
            KnobList.all.map { knob in
                let others = ExportProtocol.allCases.filter { $0 != .packets && !knob.protocols.contains($0) }
                let protocols =
                    knob.protocols.count == all
                    ? "all"
                    : knob.protocols.count > others.count + 2
                        ? "all but " + others.map(\.name).joined(separator: ", ")
                        : knob.protocols.map(\.name).joined(separator: ", ")
                return [
                    "`" + (knob.example.map { "\(knob.name)=\($0)" } ?? knob.name) + "`", knob.requirement,
                    knob.explanation, protocols,
                ]
            })
    }

    private static func table(_ head: [String], _ rows: [[String]]) -> String {
        ([head, head.map { _ in "---" }] + rows).map { "| " + $0.joined(separator: " | ") + " |" }
            .joined(separator: "\n")
    }
    /// One decimal at most, by whole numbers: 0.002 is "0.2 %".
    private static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1_000).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) %" : "\(tenths / 10).\(tenths % 10) %"
    }
    private static func span(_ range: ClosedRange<Int>) -> String {
        range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)–\(range.upperBound)"
    }
    private static func text(_ network: IPNetwork) -> String {
        network.length == 32 ? network.address.description : network.description
    }
}
