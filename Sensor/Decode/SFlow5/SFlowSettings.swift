/// Who an sFlow datagram is from.
package enum SFlowIdentity: String, Sendable, CaseIterable {
    /// The agent's address inside the datagram, whichever way it came; the sender's where the agent doesn't say.
    case agent
    /// The sender's address on the socket, for agents that all call themselves the same.
    case socket
}

/// What an operator decides about sFlow.
package struct SFlowSettings: Sendable, Equatable {
    package var identity = SFlowIdentity.agent
    /// Also keep MAC addresses, time to live and IP length of every sampled packet. They are in every sample and take
    /// 17 octets each, so only sites that ask for them get them: by this, or by their names in `DecodeSettings.extras`.
    package var keepsLinkDetails = false

    package init() {}
}
