import FlowModel

/// Which sFlow agents speak from which socket address: several behind one are several devices behind one translator,
/// or one device with several names, and an operator should know before trusting either address as an identity.
///
/// Invariant: at most `sendersMax` senders with `agentsMax` agents each; later ones are not watched.
struct SFlowAgents: Sendable {
    static let sendersMax = 8_192, agentsMax = 8
    private var agents: [IPAddress: [IPAddress]] = [:]
    /// Pairs seen lately, found by what both have in common with a place here.
    private var lately = [Pair](repeating: Pair(sender: .absent, agent: .absent), count: 64)
    private struct Pair {
        var sender: IPAddress, agent: IPAddress
    }

    /// Takes note of a datagram. Returns how many agents the sender has, when this is the first of a further one.
    @inline(__always)
    mutating func note(_ agent: IPAddress, from sender: IPAddress) -> Int? {
        let mixed = (sender.low &* 31 &+ agent.low) &* 0x9E37_79B9_7F4A_7C15
        let slot = Int(truncatingIfNeeded: mixed >> 58)  // 0..<64
        if lately[slot].sender == sender, lately[slot].agent == agent { return nil }
        lately[slot] = Pair(sender: sender, agent: agent)
        return look(agent, sender)
    }
    private mutating func look(_ agent: IPAddress, _ sender: IPAddress) -> Int? {
        guard let known = agents[sender] else {
            if agents.count < Self.sendersMax { agents[sender] = [agent] }
            return nil
        }
        guard !known.contains(agent), known.count < Self.agentsMax else { return nil }
        agents[sender] = known + [agent]
        return known.count + 1
    }
}
