package import Identity

/// What happened to people, roles and accounts. Its JSON is what is kept: cases and labels MUST NOT change, and who
/// adds one adds it to `Directory.apply`. Scopes are words, so that one that this version doesn't know is left out and
/// the rest counts.
package enum DirectoryEvent: Sendable, Hashable, Codable {
    case personAdded(id: String, email: String, name: String)
    case personDisabled(id: String, isDisabled: Bool)
    case operatorSet(id: String, isOperator: Bool)
    case roleSet(tenant: TenantID, name: String, scopes: [String])
    case roleRemoved(tenant: TenantID, name: String)
    case memberSet(tenant: TenantID, person: String, role: String, reach: String)
    case memberRemoved(tenant: TenantID, person: String)
    case invited(
        tenant: TenantID, id: String, email: String, role: String, reach: String, sha256: String,
        expiresMilliseconds: Int64)
    case invitationEnded(tenant: TenantID, id: String, isAccepted: Bool)
    case accountSet(tenant: TenantID, id: String, name: String, role: String, reach: String)
    case accountDisabled(tenant: TenantID, id: String)
    case provisionedUserSet(tenant: TenantID, user: ProvisionedUser)
    case provisionedUserRemoved(tenant: TenantID, id: String)
    case provisionedGroupSet(tenant: TenantID, group: ProvisionedGroup)
    case provisionedGroupRemoved(tenant: TenantID, id: String)
    case provisionedMembers(tenant: TenantID, group: String, added: [String], removed: [String])

    /// For the log: a word, whose, and of what.
    var entry: (kind: String, tenant: String, subject: String) {
        switch self {
        case .personAdded(let id, _, _): ("personAdded", "", id)
        case .personDisabled(let id, let isDisabled): (isDisabled ? "personDisabled" : "personEnabled", "", id)
        case .operatorSet(let id, let isOperator): (isOperator ? "operatorMade" : "operatorEnded", "", id)
        case .roleSet(let tenant, let name, _): ("roleSet", tenant.rawValue, name)
        case .roleRemoved(let tenant, let name): ("roleRemoved", tenant.rawValue, name)
        case .memberSet(let tenant, let person, _, _): ("memberSet", tenant.rawValue, person)
        case .memberRemoved(let tenant, let person): ("memberRemoved", tenant.rawValue, person)
        case .invited(let tenant, let id, _, _, _, _, _): ("invited", tenant.rawValue, id)
        case .invitationEnded(let tenant, let id, let isAccepted):
            (isAccepted ? "invitationAccepted" : "invitationWithdrawn", tenant.rawValue, id)
        case .accountSet(let tenant, let id, _, _, _): ("accountSet", tenant.rawValue, id)
        case .accountDisabled(let tenant, let id): ("accountDisabled", tenant.rawValue, id)
        case .provisionedUserSet(let tenant, let user): ("provisionedUserSet", tenant.rawValue, user.id)
        case .provisionedUserRemoved(let tenant, let id): ("provisionedUserRemoved", tenant.rawValue, id)
        case .provisionedGroupSet(let tenant, let group): ("provisionedGroupSet", tenant.rawValue, group.id)
        case .provisionedGroupRemoved(let tenant, let id): ("provisionedGroupRemoved", tenant.rawValue, id)
        case .provisionedMembers(let tenant, let group, _, _): ("provisionedMembers", tenant.rawValue, group)
        }
    }
}
