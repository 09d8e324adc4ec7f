/// Somebody as a tenant's own directory describes them to Weir (SCIM, RFC 7643 §4.1). What is here is the tenant's
/// record; who that is, and may what, stays `Directory`'s.
package struct ProvisionedUser: Sendable, Hashable, Codable {
    package let id: String
    /// An address, in lower case; of one user of the tenant.
    package var userName: String
    /// The other directory's own name for them.
    package var externalID: String?
    package var givenName: String?, familyName: String?, displayName: String?
    package var isActive = true
    /// Nil: they have no place here yet, or are somebody whom the tenant can't speak for.
    package var person: String?
    /// They have their place by their groups; a place that they had before is not taken for being in none yet.
    package internal(set) var isPlaced = false
    /// ms since 1970 UTC, like all times here.
    package var createdMilliseconds: Int64, changedMilliseconds: Int64
    /// From 1, one more with each change.
    package var version = 1

    package init(id: String, userName: String, at now: Int64) {
        (self.id, self.userName, createdMilliseconds, changedMilliseconds) = (id, userName, now, now)
    }
    /// For the directory.
    var name: String {
        let parts = [givenName, familyName].compactMap { $0 }.joined(separator: " ")
        return String((displayName ?? (parts.isEmpty ? userName : parts)).prefix(100))
    }
}

/// Some of the tenant's users (RFC 7643 §4.2).
package struct ProvisionedGroup: Sendable, Hashable, Codable {
    package let id: String
    /// What roles go by; of one group of the tenant.
    package var displayName: String
    package var externalID: String?
    package var createdMilliseconds: Int64, changedMilliseconds: Int64
    package var version = 1

    package init(id: String, displayName: String, at now: Int64) {
        (self.id, self.displayName, createdMilliseconds, changedMilliseconds) = (id, displayName, now, now)
    }
}

/// All that a tenant's own directory has said. Pure; a part of `Directory`'s fold.
package struct Provisioning: Sendable, Equatable {
    package static let usersMax = 10_000, groupsMax = 1_000, textOctetsMax = 400

    package private(set) var users: [String: ProvisionedUser] = [:]
    package private(set) var groups: [String: ProvisionedGroup] = [:]
    /// Ids of users by group.
    package private(set) var members: [String: Set<String>] = [:]

    package func user(named name: String) -> ProvisionedUser? {
        let name = name.lowercased()
        return users.values.first { $0.userName == name }
    }
    /// The names of the groups that a user is in.
    package func groups(of user: String) -> [ProvisionedGroup] {
        groups.values.filter { members[$0.id]?.contains(user) == true }.sorted { $0.id < $1.id }
    }
    /// Whether the tenant's directory says that somebody is to have no place here.
    func isDeactivated(person: String?, email: String?) -> Bool {
        users.values.contains {
            !$0.isActive && (person != nil && $0.person == person || email?.lowercased() == $0.userName)
        }
    }

    mutating func set(_ user: ProvisionedUser) { users[user.id] = user }
    mutating func removeUser(_ id: String) {
        users[id] = nil
        for group in members.keys { members[group]?.remove(id) }
    }
    mutating func set(_ group: ProvisionedGroup) { groups[group.id] = group }
    mutating func removeGroup(_ id: String) { (groups[id], members[id]) = (nil, nil) }
    mutating func change(_ group: String, adding added: [String], removing removed: [String]) {
        members[group, default: []].subtract(removed)
        members[group, default: []].formUnion(added)
    }
}
