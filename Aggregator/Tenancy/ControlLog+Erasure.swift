internal import GRDB
package import Identity

/// What is known of a person, and what of it goes when they want to be forgotten.
extension ControlLog {
    /// How many events of a tenant are by somebody, or about them.
    package func eventCount(naming subject: String, of tenant: TenantID) throws(ControlError) -> Int {
        try read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM event WHERE tenant = ? AND (actor = ? OR subject = ?)",
                arguments: [tenant.rawValue, subject, subject]) ?? 0
        }
    }
    /// That somebody asked for what is known of a person or an address, or had it erased.
    /// - Parameter subject: a person's id; an address is not written into a log that is kept for ever.
    package func notePrivacy(
        _ kind: String, of subject: String, tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) {
        try write { try Self.note(kind, tenant: tenant, subject: subject, by: actor, at: now, in: $0) }
    }

    /// Ends a member for good: sessions, password, authenticator and links to providers go, and nobody signs in by
    /// that name again. The name and address of the person stay in the chain of events.
    /// - Returns: how many rows went, by what they were.
    /// - Throws: `ControlError.refused`: who is a member elsewhere too, an operator, the last owner, or may more than
    ///   the granter.
    package func erase(
        person: String, in tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) -> [String: Int] {
        try write { db in
            let directory = try known.upToDate(in: db)
            try directory.checkReset(of: person, in: tenant, by: granter)
            let events = try directory.removeMember(person, of: tenant, by: granter)
            try Self.append(events + [.personDisabled(id: person, isDisabled: true)], by: granter.name, at: now, in: db)
            var gone: [String: Int] = [:]
            for table in ["session", "password", "secondFactor", "recoveryCode", "passwordReset", "subject"] {
                try db.execute(sql: "DELETE FROM \(table) WHERE person = ?", arguments: [person])
                gone[table] = db.changesCount
            }
            return gone
        }
    }
}
