internal import GRDB
package import Identity

/// Which of a tenant's events are asked for.
package struct AuditQuestion: Sendable {
    package var kind: String?, actor: String?, subject: String?
    /// In ms since 1970 UTC; `to` is outside.
    package var from: Int64?, to: Int64?
    /// Only events with smaller ids, or with larger ones.
    package var before: Int64?, after: Int64?
    package var limit = 100

    package init() {}
}

/// One event as its readers get it: with its hash, for who checks the chain.
package struct AuditLine: Sendable, Hashable {
    package let entry: AuditEntry, hash: String
}

extension ControlLog {
    /// A tenant's events and nobody else's: newest first, or with `after` oldest first.
    package func events(of tenant: TenantID, _ question: AuditQuestion) throws(ControlError) -> [AuditLine] {
        var conditions = ["tenant = ?"], values: [(any DatabaseValueConvertible)?] = [tenant.rawValue]
        func add(_ condition: String, _ value: (any DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            values.append(value)
        }
        add("kind = ?", question.kind)
        add("actor = ?", question.actor)
        add("subject = ?", question.subject)
        add("atMilliseconds >= ?", question.from)
        add("atMilliseconds < ?", question.to)
        add("id < ?", question.before)
        add("id > ?", question.after)
        let order = question.after == nil ? "DESC" : "ASC"
        let sql = """
            SELECT * FROM event WHERE \(conditions.joined(separator: " AND ")) ORDER BY id \(order)
            LIMIT \(max(question.limit, 0))
            """
        let arguments = StatementArguments(values)
        return try read { db in
            try Row.fetchAll(db, sql: sql, arguments: arguments).map {
                AuditLine(entry: Self.entry($0), hash: $0["hash"])
            }
        }
    }
}
