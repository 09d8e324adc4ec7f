/// The roles that every tenant has; each may what the one before it may, and more. Others are a tenant's own
/// (`Directory`).
package enum Role: String, Sendable, CaseIterable, Codable {
    case viewer, analyst, admin, owner

    package var scopes: Set<Scope> {
        switch self {
        case .viewer: [.readFlows, .readIncidents, .readSensors, .readMitigation, .readIntelligence, .readRules]
        case .analyst:
            Self.viewer.scopes.union([.writeIncidents, .writeMitigation, .writeRules, .writeNetworks])
        case .admin: Self.analyst.scopes.union([.writeSensors]).union(Scope.administration).subtracting([.ownTenant])
        case .owner: Self.admin.scopes.union([.ownTenant])
        }
    }
}
