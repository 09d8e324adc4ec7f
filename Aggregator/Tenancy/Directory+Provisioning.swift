package import Identity

/// What groups of a tenant's own directory mean here, by their names; nil: nothing.
package typealias GroupStanding = @Sendable ([String]) -> Standing?

/// What a tenant's own directory may do: each answers with the events, or says why not.
///
/// The tenant's directory speaks for its people: an address joins it to somebody who is here already only if that
/// person is a member of this tenant, of no other, and no operator. Others' records are kept and lead nowhere, and
/// are answered like all others, so that nobody learns who is where.
extension Directory {
    package func provisioning(of tenant: TenantID) -> Provisioning { provisionings[tenant] ?? Provisioning() }

    /// Keeps a user as `changed` has it, with the place that its groups give it.
    /// - Parameters:
    ///   - expected: the version that the caller saw; nil: any.
    ///   - newID: for somebody who is not here yet.
    func provision(
        _ changed: ProvisionedUser, in tenant: TenantID, expecting expected: Int?, newID: String, by granter: Granter,
        _ standing: GroupStanding
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        let own = provisioning(of: tenant), old = own.users[changed.id]
        if let expected, old?.version != expected { throw .changed }
        guard old != nil || own.users.count < Provisioning.usersMax else {
            throw .tooMany(max: Provisioning.usersMax)
        }
        var user = changed
        user.userName = try Self.address(changed.userName)
        try Self.check([user.externalID, user.givenName, user.familyName, user.displayName])
        if let holder = own.user(named: user.userName), holder.id != user.id { throw .emailTaken }
        user.version = (old?.version ?? 0) + 1
        return try settle(
            &user, in: tenant, groups: own.groups(of: user.id).map(\.displayName), newID, by: granter, standing)
    }

    func unprovision(
        _ id: String, of tenant: TenantID, expecting expected: Int?, by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard let user = provisioning(of: tenant).users[id] else { throw .unknownPerson }
        if let expected, user.version != expected { throw .changed }
        var events: [DirectoryEvent] = []
        if let person = user.person, members[tenant]?[person] != nil {
            events = try removeMember(person, of: tenant, by: granter)
        }
        return events + [.provisionedUserRemoved(tenant: tenant, id: id)]
    }

    /// Keeps a group with these members, and gives whoever came or went, or all if its name is another, the place that
    /// their groups give them then.
    /// - Parameter newIDs: as many as there may be people who are not here yet.
    func provision(
        _ changed: ProvisionedGroup, members: Set<String>, in tenant: TenantID, expecting expected: Int?,
        newID: () -> String, by granter: Granter, _ standing: GroupStanding
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        let own = provisioning(of: tenant), old = own.groups[changed.id], before = own.members[changed.id] ?? []
        if let expected, old?.version != expected { throw .changed }
        guard old != nil || own.groups.count < Provisioning.groupsMax else {
            throw .tooMany(max: Provisioning.groupsMax)
        }
        guard !changed.displayName.isEmpty else { throw .badName }
        try Self.check([changed.displayName, changed.externalID])
        guard !own.groups.values.contains(where: { $0.id != changed.id && $0.displayName == changed.displayName })
        else { throw .emailTaken }
        guard members.allSatisfy({ own.users[$0] != nil }) else { throw .unknownAccount }
        var group = changed
        group.version = (old?.version ?? 0) + 1
        var events: [DirectoryEvent] = [
            .provisionedGroupSet(tenant: tenant, group: group)
        ]
        let added = members.subtracting(before).sorted(), removed = before.subtracting(members).sorted()
        if !added.isEmpty || !removed.isEmpty {
            events.append(.provisionedMembers(tenant: tenant, group: group.id, added: added, removed: removed))
        }
        let isRenamed = old.map { $0.displayName != group.displayName } ?? false
        let touched = isRenamed ? members.union(before) : Set(added + removed)
        return events + (try settle(touched, in: tenant, after: events, newID, by: granter, standing))
    }
    func unprovisionGroup(
        _ id: String, of tenant: TenantID, expecting expected: Int?, newID: () -> String, by granter: Granter,
        _ standing: GroupStanding
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        let own = provisioning(of: tenant)
        guard let group = own.groups[id] else { throw .unknownPerson }
        if let expected, group.version != expected { throw .changed }
        let gone = DirectoryEvent.provisionedGroupRemoved(tenant: tenant, id: id)
        return [gone]
            + (try settle(own.members[id] ?? [], in: tenant, after: [gone], newID, by: granter, standing))
    }

    // MARK: Places

    /// The same for several, one after the other, as the directory is after `events`.
    private func settle(
        _ users: Set<String>, in tenant: TenantID, after events: [DirectoryEvent], _ newID: () -> String,
        by granter: Granter, _ standing: GroupStanding
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        var then = self, all: [DirectoryEvent] = []
        for event in events { then.apply(event) }
        for id in users.sorted() {
            guard let (known, groups) = then.known(id, in: tenant) else { continue }
            var user = known
            let more = try then.settle(&user, in: tenant, groups: groups, newID(), by: granter, standing)
            // A place alone changes nothing of the record.
            let events = more.filter { if case .provisionedUserSet = $0 { user != known } else { true } }
            for event in events { then.apply(event) }
            all += events
        }
        return all
    }

    private func known(_ id: String, in tenant: TenantID) -> (ProvisionedUser, [String])? {
        let own = provisioning(of: tenant)
        return own.users[id].map { ($0, own.groups(of: id).map(\.displayName)) }
    }

    /// A user's place: none for who is not active or no more in a group that means something.
    private func settle(
        _ user: inout ProvisionedUser, in tenant: TenantID, groups: [String], _ newID: String, by granter: Granter,
        _ standing: GroupStanding
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        let wanted = user.isActive ? standing(groups) : nil
        var events: [DirectoryEvent] = []
        if user.person == nil, let known = person(email: user.userName) {
            user.person = speaks(tenant, for: known) ? known.id : nil
        } else if user.person == nil, wanted != nil {
            events = try add(newID, email: user.userName, name: user.name)
            user.person = newID
        }
        let isTaken = wanted == nil && (user.isPlaced || !user.isActive)
        user.isPlaced = wanted != nil && user.person != nil
        events.append(.provisionedUserSet(tenant: tenant, user: user))
        guard let person = user.person else { return events }
        let now = members[tenant]?[person]
        if let wanted, now != wanted {
            guard scopes(of: wanted.role, in: tenant) != nil else { throw .unknownRole }
            guard people[person] != nil else {
                return events + [
                    .memberSet(tenant: tenant, person: person, role: wanted.role, reach: wanted.reach.text)
                ]
            }
            events += try setMember(person, wanted, in: tenant, by: granter)
        } else if isTaken, now != nil {
            events += try removeMember(person, of: tenant, by: granter)
        }
        return events
    }
    private func speaks(_ tenant: TenantID, for person: Person) -> Bool {
        let isElsewhere = members.contains { $0.key != tenant && $0.value[person.id] != nil }
        return !person.isOperator && !isElsewhere && members[tenant]?[person.id] != nil
    }
    private static func check(_ texts: [String?]) throws(DirectoryRefusal) {
        guard texts.allSatisfy({ ($0?.utf8.count ?? 0) <= Provisioning.textOctetsMax }) else { throw .badName }
    }
}
