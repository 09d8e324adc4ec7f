import Sigma

/// A hundred Sigma rules of the kinds that people write: ninety about records (a service that should not be reached
/// from outside, addresses of somebody's list, large transfers, what a firewall refused, odd ports), and ten
/// correlations of some of them.
enum MadeRules {
    static func set(_ count: Int) throws -> SigmaRuleSet {
        let texts = (0..<count).map { number in
            number % 10 == 9 ? correlation(number) : rule(number, name: "rule\(number)", body(number))
        }
        let set = SigmaRuleSet(SigmaParse(texts.joined(separator: "---\n")).documents)
        guard set.refusals.isEmpty, set.rules.count + set.correlations.count == count else {
            throw BenchError("rules were refused: \(set.refusals.prefix(3))")
        }
        return set
    }

    private static func rule(_ number: Int, name: String, _ body: (detection: String, logsource: String)) -> String {
        """
        title: Rule \(number)
        name: \(name)
        logsource: \(body.logsource)
        detection:
        \(body.detection)
        level: medium

        """
    }

    /// Of the rule before: one source that meets it with many hosts, or often.
    private static func correlation(_ number: Int) -> String {
        let kind =
            number % 20 == 9
            ? "type: value_count, condition: {field: dst_ip, gte: 20}" : "type: event_count, condition: {gte: 500}"
        return """
            title: Rule \(number)
            name: rule\(number)
            correlation: {\(kind), rules: [rule\(number - 1)], group-by: [src_ip], timespan: 10m}
            level: high

            """
    }

    private static func body(_ number: Int) -> (detection: String, logsource: String) {
        let third = "203.0.\(number)", firewall = "{category: firewall}"
        let services = [22, 80, 443, 3_389], logins = [22, 23, 3_389, 5_900]
        switch number % 10 {
        case 0, 5: return ("  s: {dst_port: \(1_000 + number * 13)}\n  condition: s", firewall)
        case 1, 6:
            return ("  s:\n    - dst_ip: \(third).7\n    - src_ip: \(third).7\n  condition: s", firewall)
        case 2, 7:
            return (
                "  s: {dst_port: [\(number), \(4_000 + number)]}\n  f: {'src_ip|cidr': 10.0.0.0/8}\n"
                    + "  condition: s and not f", firewall
            )
        case 3:
            return (
                "  s: {id.resp_p: \(services[number / 10 % 4]), 'orig_bytes|gt': \(number)000000}\n  condition: s",
                "{product: zeek, service: conn}"
            )
        case 4: return ("  s: {proto: udp, 'bytes|gt': \(number * 1_000_000)}\n  condition: s", firewall)
        default:  // 8: what the correlations count
            return (
                number % 20 == 8
                    ? "  s: {dst_port: [\(logins[number / 20 % 4]), 5985]}\n  condition: s"
                    : "  s: {action: deny, dst_port: \(services[number / 20 % 4])}\n  condition: s", firewall
            )
        }
    }
}
