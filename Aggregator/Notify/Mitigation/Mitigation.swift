import Detect
import FlowModel
package import Identity

/// Proposals for an incident: a pure function of it, the policy and measured numbers.
///
/// Invariants: a source is proposed only if attackers of this incident don't forge theirs, and if it is neither one's
/// own nor on the allow-list; what is left out has a reason; nothing is in force without an approval.
package struct Mitigation: Sendable {
    /// Why an address of the incident has no proposal.
    package enum Omission: String, Sendable, CaseIterable {
        case ownNetwork, neverBlock, notOwnVictim, forgedSource, notAnAddress, notGlobal, tooMany
    }
    package struct Result: Equatable, Sendable {
        package var proposals: [Proposal] = []
        package var omitted: [String: Omission] = [:]
    }

    package let policy: MitigationPolicy
    package init(_ policy: MitigationPolicy) { self.policy = policy }

    /// - Parameter collateral: what is known of the traffic; `.unknown` where nothing is.
    package func proposals(
        for incident: IncidentBrief, tenant: TenantID, at now: Int64, collateral: (TrafficMatch) -> Collateral
    ) -> Result {
        guard incident.severity >= policy.severityMin else { return Result() }
        var result = Result()
        for entity in incident.entities {
            guard let address = IPAddress(entity.value), !address.isAbsent else {
                result.omitted[entity.value] = .notAnAddress
                continue
            }
            if let reason = omission(of: address, entity.role, incident) {
                result.omitted[entity.value] = reason
                continue
            }
            let host = IPNetwork(address, length: address.isV4 ? 32 : 128)
            for (kind, traffic) in answers(to: incident, host, entity.role) {
                guard result.proposals.count < MitigationPolicy.proposalsMax else {
                    result.omitted[entity.value] = .tooMany
                    break
                }
                result.proposals.append(proposal(kind, traffic, incident, tenant, now, collateral(traffic)))
            }
        }
        return result
    }

    private func omission(
        of address: IPAddress, _ role: FindingEntity.Role, _ incident: IncidentBrief
    ) -> Omission? {
        if policy.neverBlock.contains(where: { $0.contains(address) }) { return .neverBlock }
        let isOwn = policy.ownNetworks.contains { $0.contains(address) }
        switch role {
        case .attacker:
            if isOwn { return .ownNetwork }
            // The sources of a flood are forged, or are amplifiers that somebody else's forgery set off.
            return incident.isFlood ? .forgedSource : nil
        case .victim:
            // A route for an address that is routed nowhere stops nothing.
            if incident.isFlood, !isOwn { return .notOwnVictim }
            return incident.isFlood && EgressPolicy.kind(of: address) == .private ? .notGlobal : nil
        }
    }

    private func answers(
        to incident: IncidentBrief, _ host: IPNetwork, _ role: FindingEntity.Role
    ) -> [(Proposal.Kind, TrafficMatch)] {
        switch (role, incident.isFlood) {
        case (.attacker, false):
            var rule = TrafficMatch(source: host)
            // Guessing is about one service: the rest of the source's traffic need not suffer. Who scans is up to more.
            if incident.tactics.contains("TA0006"), incident.ports.count == 1 {
                rule.transport = IPProtocol.tcp
                rule.destinationPorts = incident.ports
            }
            return [(.flowspec, rule), (.firewallList, TrafficMatch(source: host))]
        case (.victim, true):
            var answers: [(Proposal.Kind, TrafficMatch)] = []
            if incident.rule == "reflection-flood", !incident.ports.isEmpty {
                var rule = TrafficMatch(destination: host)
                rule.transport = IPProtocol.udp
                rule.sourcePorts = incident.ports
                answers.append((.flowspec, rule))
            }
            return answers + [(.blackhole, TrafficMatch(destination: host))]
        default: return []
        }
    }

    private func proposal(
        _ kind: Proposal.Kind, _ traffic: TrafficMatch, _ incident: IncidentBrief, _ tenant: TenantID, _ now: Int64,
        _ collateral: Collateral
    ) -> Proposal {
        let isAutomatic = policy.automatic.contains(kind) && collateral.isAtMost(policy.collateralMax)
        let seconds = max(60, min(policy.lifetimeSeconds, MitigationPolicy.lifetimeSecondsMax))
        return Proposal(
            id: digest128([tenant.rawValue, incident.id, kind.rawValue, GoBGP.match(traffic)]), tenant: tenant,
            incident: incident.id, kind: kind, traffic: traffic, collateral: collateral, createdAt: now,
            expiresAt: now &+ seconds * 1_000, approval: isAutomatic ? .automatic : .needed)
    }
}

extension IncidentBrief {
    /// ATT&CK's Impact: for Weir's rules, traffic whose sources don't matter.
    var isFlood: Bool { tactics.contains("TA0040") }
}
