package import Detect
package import FlowModel
package import Identity

/// What might be done about an incident, for a person to decide on.
package struct Proposal: Equatable, Sendable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// A BGP Flowspec rule that discards (RFC 8955, RFC 8956).
        case flowspec
        /// A route to the victim that upstreams discard all traffic of (RFC 7999): it saves the network and gives the
        /// victim up.
        case blackhole
        /// A line in a list that firewalls fetch.
        case firewallList = "firewall-list"
    }
    package enum Approval: Equatable, Sendable {
        case needed
        case given(by: String, at: Int64)
        /// The operator listed the kind, set a limit to the collateral, and it is known and lower.
        case automatic
    }

    /// 32 hexadecimal digits, a hash of incident, kind and traffic: proposed again, the same.
    package var id: String
    package var tenant: TenantID
    package var incident: String
    package var kind: Kind
    package var traffic: TrafficMatch
    package var collateral: Collateral
    /// In ms since 1970 UTC. From `expiresAt` on it is to be withdrawn and is in no list.
    package var createdAt: Int64, expiresAt: Int64
    package var approval: Approval

    package init(
        id: String, tenant: TenantID, incident: String, kind: Kind, traffic: TrafficMatch, collateral: Collateral,
        createdAt: Int64, expiresAt: Int64, approval: Approval
    ) {
        (self.id, self.tenant, self.incident, self.kind) = (id, tenant, incident, kind)
        (self.traffic, self.collateral) = (traffic, collateral)
        (self.createdAt, self.expiresAt, self.approval) = (createdAt, expiresAt, approval)
    }

    package func isInForce(at now: Int64) -> Bool { approval != .needed && now >= createdAt && now < expiresAt }
}

/// The traffic that a proposal would stop. What is empty or nil does not restrict.
package struct TrafficMatch: Hashable, Sendable {
    package var source: IPNetwork?, destination: IPNetwork?
    /// A number of IANA's.
    package var transport: UInt8?
    package var sourcePorts: [UInt16] = [], destinationPorts: [UInt16] = []
    package init(source: IPNetwork? = nil, destination: IPNetwork? = nil) {
        self.source = source
        self.destination = destination
    }
}

/// What would be stopped beside the attack.
package enum Collateral: Equatable, Sendable {
    /// Nobody has measured it.
    case unknown
    /// The share, 0 to 1, of the octets that were stopped in the time measured which were not of the attack.
    case share(Double, ofOctets: UInt64)

    /// - Parameters:
    ///   - octets: of all traffic that the proposal would stop, in some period.
    ///   - attackOctets: of the attack, in the same period.
    package init(octets: UInt64, attackOctets: UInt64) {
        guard octets > 0 else {
            self = .unknown
            return
        }
        let other = octets - min(attackOctets, octets)
        self = .share(Double(other) / Double(octets), ofOctets: octets)
    }
    package func isAtMost(_ limit: Double) -> Bool {
        if case .share(let share, _) = self { share <= limit } else { false }
    }
}

/// What a tenant's operator lets be proposed.
package struct MitigationPolicy: Equatable, Sendable {
    /// Networks of one's own: never a source to block; a blackhole is proposed for a victim in them only, since nobody
    /// else's prefix may be announced.
    package var ownNetworks: [IPNetwork] = []
    /// Resolvers, partners, probes: never a source to block and never a victim to blackhole.
    package var neverBlock: [IPNetwork] = []
    package var severityMin: Severity = .high
    package var lifetimeSeconds: Int64 = 3_600
    /// Kinds that need nobody's approval when the collateral is known and at most `collateralMax`. Empty by default.
    package var automatic: Set<Proposal.Kind> = []
    package var collateralMax = 0.0
    package static let lifetimeSecondsMax: Int64 = 7 * 86_400, proposalsMax = 64
    package init() {}
}
