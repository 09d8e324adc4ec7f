package import Identity

/// One permission. Keys call those that they have their scopes; the raw value is what is stored and shown.
package enum Scope: String, Sendable, CaseIterable, Codable {
    case readFlows = "flows:read"
    /// The same with pseudonyms in the place of addresses; who has `readFlows` too sees addresses.
    case readPseudonyms = "flows:read-pseudonyms"
    case readIncidents = "incidents:read"
    case writeIncidents = "incidents:write"
    case readSensors = "sensors:read"
    /// To have sensors send again what they were answered for.
    case writeSensors = "sensors:write"
    /// To enrol sensors, to revoke them, to keep their batches apart.
    case adminSensors = "sensors:admin"
    /// To turn optional features on and off; with `audit:read`, to answer for personal data.
    case writeSettings = "settings:write"
    /// To change what names of networks stand for; reading them is `readFlows`.
    case writeNetworks = "networks:write"
    /// To fetch the lists of what people accepted: what firewalls and BGP speakers have.
    case readMitigation = "mitigation:read"
    /// To accept and to withdraw proposals.
    case writeMitigation = "mitigation:write"
    /// To look up what feeds say, and how feeds do.
    case readIntelligence = "intel:read"
    /// Detection rules: to see them, and to change what is run.
    case readRules = "rules:read"
    case writeRules = "rules:write"

    /// People, invitations and roles.
    case readMembers = "members:read"
    case writeMembers = "members:write"
    /// What the tenant's own directory says of its people (SCIM).
    case provision = "scim:write"
    /// API keys and service accounts.
    case readKeys = "keys:read"
    case writeKeys = "keys:write"
    /// Who did what.
    case readAudit = "audit:read"
    /// To make and unmake owners.
    case ownTenant = "tenant:own"

    package static let administration: Set<Scope> = [
        .readMembers, .writeMembers, .provision, .readKeys, .writeKeys, .readAudit, .ownTenant, .adminSensors,
        .writeSettings,
    ]
    /// What a key may do if nothing is said: all but administration.
    package static let usual = Set(allCases).subtracting(administration.union([.readPseudonyms]))
}

/// Who is asking, as established by a key, and so whose data may be seen. Can only be had from
/// `ControlLog.authenticate`.
package struct Principal: Sendable, Hashable {
    package let tenant: TenantID
    /// Names the key in audit entries; not secret.
    package let keyID: String
    package let scopes: Set<Scope>
    /// How much of the tenant; who answers MUST honour it or refuse.
    package let reach: Reach
    /// An operator who is no member: what is read is noted.
    package var isVisitor = false

    init(tenant: TenantID, keyID: String, scopes: Set<Scope>, reach: Reach) {
        self.tenant = tenant
        self.keyID = keyID
        self.scopes = scopes
        self.reach = reach
    }
}

/// Why a request has no principal. What is said to the caller is the same for all of them; the case is for the log.
package enum AuthenticationError: Error, Equatable, Sendable {
    case notAKey, unknownKey
    case revoked(keyID: String)
    case expired(keyID: String)
    case disabledAccount(keyID: String)
}

/// One key as its tenant's administrators see it: everything but the secret.
package struct APIKeyRecord: Sendable, Hashable {
    package let id: String, tenant: TenantID, name: String, scopes: Set<Scope>, reach: Reach
    /// The service account that it is for.
    package let account: String?
    /// In ms since 1970 UTC, like all times here.
    package let createdMilliseconds: Int64
    package let expiresMilliseconds: Int64?
    package let revokedMilliseconds: Int64?
    /// When it was last shown, to the minute; nil: never.
    package let usedMilliseconds: Int64?
}

/// What the ControlLog refuses.
package enum ControlError: Error, Equatable, Sendable {
    case tenantExists(TenantID)
    case unknownTenant(TenantID)
    case unknownKey(id: String)
    case badName(String)
    /// Too many sites and exporters, or names of them that can't be kept.
    case badReach
    case tooManyNames(max: Int)
    case refused(DirectoryRefusal)
    /// The database could not be read or written.
    case storage(String)
}
