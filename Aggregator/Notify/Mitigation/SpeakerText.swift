package import FlowModel
package import Identity

/// Proposals as BGP speakers take them. Each has a line that does it and one that takes it back.
package enum ExaBGP {
    /// For the text API: one command a line (RFC 8955 §4, RFC 8956 §3 for IPv6).
    package static func announce(_ proposal: Proposal, nextHop: String = "self") -> String? {
        command("announce", proposal, nextHop)
    }
    package static func withdraw(_ proposal: Proposal, nextHop: String = "self") -> String? {
        command("withdraw", proposal, nextHop)
    }

    private static func command(_ verb: String, _ proposal: Proposal, _ nextHop: String) -> String? {
        switch proposal.kind {
        case .flowspec: return "\(verb) flow route { match { \(match(proposal.traffic)) } then { discard; } }"
        case .blackhole:
            return proposal.traffic.destination.map {
                "\(verb) route \($0) next-hop \(nextHop) community [\(Blackhole.communities.joined(separator: " "))]"
            }
        case .firewallList: return nil
        }
    }
    static func match(_ traffic: TrafficMatch) -> String {
        var parts: [String] = []
        if let source = traffic.source { parts.append("source \(source);") }
        if let destination = traffic.destination { parts.append("destination \(destination);") }
        if let transport = traffic.transport { parts.append("protocol =\(transport);") }
        for (name, ports) in [("source-port", traffic.sourcePorts), ("destination-port", traffic.destinationPorts)]
        where !ports.isEmpty {
            parts.append("\(name) [ \(ports.map { "=\($0)" }.joined(separator: " ")) ];")
        }
        return parts.joined(separator: " ")
    }
}

/// The `gobgp` command's arguments.
package enum GoBGP {
    package static func announce(_ proposal: Proposal, nextHop: IPAddress? = nil) -> String? {
        command("add", proposal, nextHop)
    }
    package static func withdraw(_ proposal: Proposal) -> String? { command("del", proposal, nil) }

    private static func command(_ verb: String, _ proposal: Proposal, _ nextHop: IPAddress?) -> String? {
        let network = proposal.traffic.destination ?? proposal.traffic.source
        guard let network else { return nil }
        let family = network.address.isV4 ? "ipv4" : "ipv6"
        switch proposal.kind {
        case .flowspec:
            return "gobgp global rib -a \(family)-flowspec \(verb) match \(match(proposal.traffic)) then discard"
        case .blackhole:
            let start = "gobgp global rib -a \(family) \(verb) \(network)"
            guard verb == "add" else { return start }
            let hop = nextHop.map { " nexthop \($0)" } ?? ""
            return "\(start)\(hop) community \(Blackhole.communities.joined(separator: ","))"
        case .firewallList: return nil
        }
    }
    static func match(_ traffic: TrafficMatch) -> String {
        var parts: [String] = []
        if let destination = traffic.destination { parts.append("destination \(destination)") }
        if let source = traffic.source { parts.append("source \(source)") }
        if let transport = traffic.transport { parts.append("protocol ==\(transport)") }
        for (name, ports) in [("source-port", traffic.sourcePorts), ("destination-port", traffic.destinationPorts)]
        where !ports.isEmpty {
            parts.append("\(name) \(ports.map { "==\($0)" }.joined(separator: " "))")
        }
        return parts.joined(separator: " ")
    }
}

enum Blackhole {
    /// BLACKHOLE and NO_EXPORT: the second keeps the route within the network that acts on it.
    //= RFC 7999 §3.2
    static let communities = ["65535:666", "65535:65281"]
}

/// What a firewall fetches: a network a line, in order, nothing twice; lines that begin with `#` are for people.
package enum FirewallList {
    package static let linesMax = 100_000

    /// Of one tenant, only what is in force now: whoever fetches again has what expired taken out.
    package static func render(_ proposals: [Proposal], tenant: TenantID, at now: Int64) -> String {
        let inForce = proposals.filter {
            $0.tenant == tenant && $0.kind == .firewallList && $0.isInForce(at: now)
        }
        let all = Set(inForce.compactMap(\.traffic.source))
            .sorted { ($0.address, $0.length) < ($1.address, $1.length) }
        let networks = all.prefix(linesMax)
        let left = all.count - networks.count
        let head = "# Weir, tenant \(tenant): \(networks.count) networks" + (left > 0 ? ", \(left) left out" : "")
        return ([head] + networks.map(\.description)).map { $0 + "\n" }.joined()
    }
}
