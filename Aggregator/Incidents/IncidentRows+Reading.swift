import Detect
import Foundation
import GRDB
import Identity

/// What is read of one tenant's incidents.
extension IncidentRows {
    func incident(_ id: String) throws -> Incident? {
        try String.fetchOne(
            db, sql: "SELECT json FROM incident WHERE tenant = ? AND id = ?", arguments: [tenant.rawValue, id]
        ).map { try decoded(Incident.self, $0) }
    }

    func events(_ id: String) throws -> [IncidentEvent] {
        try String.fetchAll(
            db, sql: "SELECT payload FROM event WHERE tenant = ? AND incident = ? ORDER BY revision",
            arguments: [tenant.rawValue, id]
        ).map { try decoded(IncidentEvent.self, $0) }
    }

    func page(_ filter: IncidentFilter, after cursor: IncidentCursor?, limit: Int) throws -> IncidentPage {
        let page = try texts(filter, after: cursor, limit: limit)
        return IncidentPage(incidents: try page.incidents.map { try decoded(Incident.self, $0) }, next: page.next)
    }

    func texts(_ filter: IncidentFilter, after cursor: IncidentCursor?, limit: Int) throws -> IncidentTextPage {
        var (conditions, values) = conditions(filter)
        if let cursor {
            conditions.append("(start_ms, id) < (?, ?)")
            values += [cursor.start, cursor.id]
        }
        values.append(limit + 1)
        let found = try Row.fetchAll(
            db,
            sql: """
                SELECT json, start_ms, id FROM incident WHERE \(conditions.joined(separator: " AND "))
                ORDER BY start_ms DESC, id DESC LIMIT ?
                """, arguments: StatementArguments(values))
        let rows = try found.prefix(limit).map { row in
            guard let text = String.fromDatabaseValue(row["json"]), let id = String.fromDatabaseValue(row["id"]),
                let start = Int64.fromDatabaseValue(row["start_ms"])
            else { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a row of incident") }
            return (text, IncidentCursor(start: start, id: id))
        }
        let next = found.count > limit ? rows.last?.1.description : nil
        return IncidentTextPage(incidents: rows.map(\.0), next: next)
    }

    private func conditions(_ filter: IncidentFilter) -> ([String], [(any DatabaseValueConvertible)?]) {
        var conditions = ["tenant = ?"], values: [(any DatabaseValueConvertible)?] = [tenant.rawValue]
        func require(_ condition: String, _ more: [any DatabaseValueConvertible]) {
            conditions.append(condition)
            values += more
        }
        func marks(_ count: Int) -> String { repeatElement("?", count: count).joined(separator: ", ") }
        if !filter.statuses.isEmpty {
            require("status IN (\(marks(filter.statuses.count)))", filter.statuses.map(\.rawValue).sorted())
        }
        if !filter.severities.isEmpty {
            require("severity IN (\(marks(filter.severities.count)))", filter.severities.map(\.rank).sorted())
        }
        if let rule = filter.rule { require("rule = ?", [rule]) }
        if let assignee = filter.assignee { require("assignee = ?", [assignee]) }
        if filter.isUnassigned { require("assignee IS NULL", []) }
        if let tag = filter.tag {
            require(
                """
                EXISTS (SELECT 1 FROM incident_tag t
                    WHERE t.tenant = incident.tenant AND t.tag = ? AND t.incident = id)
                """, [tag])
        }
        if let address = filter.address {
            require(
                """
                EXISTS (SELECT 1 FROM incident_entity e
                    WHERE e.tenant = incident.tenant AND e.value = ? AND e.incident = id)
                """, [address])
        }
        if !filter.hasMerged { require("merged_into IS NULL", []) }
        if let from = filter.from { require("end_ms >= ?", [from]) }
        if let to = filter.to { require("start_ms < ?", [to]) }
        return (conditions, values)
    }

    /// How many incidents there are of each severity and status.
    func counts(_ filter: IncidentFilter) throws -> [IncidentCount] {
        let (conditions, values) = conditions(filter)
        return try Row.fetchAll(
            db,
            sql: """
                SELECT severity, status, count(*) AS number FROM incident
                WHERE \(conditions.joined(separator: " AND "))
                GROUP BY severity, status ORDER BY severity DESC, status
                """, arguments: StatementArguments(values)
        ).compactMap { row in
            guard let rank = Int.fromDatabaseValue(row["severity"]), let name = String.fromDatabaseValue(row["status"]),
                let severity = Severity.allCases.first(where: { $0.rank == rank }),
                let status = IncidentStatus(rawValue: name), let number = Int.fromDatabaseValue(row["number"])
            else { return nil }
            return IncidentCount(severity: severity, status: status, count: number)
        }
    }

    /// As it was after that many events.
    func incident(_ id: String, at revision: Int) throws -> Incident? {
        if let now = try incident(id), now.revision == revision { return now }
        return Incident(replaying: try events(id).filter { $0.revision <= revision })
    }

    /// People's verdicts on a rule's incidents.
    func feedback(on rule: String) throws -> RuleFeedback {
        var feedback = RuleFeedback(rule: rule)
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT verdict, count(*) AS number FROM incident
                WHERE tenant = ? AND rule = ? AND verdict IS NOT NULL GROUP BY verdict
                """, arguments: [tenant.rawValue, rule])
        for row in rows {
            guard let name = String.fromDatabaseValue(row["verdict"]), let number = Int.fromDatabaseValue(row["number"])
            else { continue }
            feedback.count(name, number)
        }
        return feedback
    }

    /// The same for every rule that has incidents, in the order of ids.
    func feedback() throws -> [RuleFeedback] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT rule, coalesce(verdict, '') AS verdict, count(*) AS number FROM incident
                WHERE tenant = ? AND merged_into IS NULL GROUP BY rule, verdict
                """, arguments: [tenant.rawValue])
        var all: [String: RuleFeedback] = [:]
        for row in rows {
            guard let rule = String.fromDatabaseValue(row["rule"]), let name = String.fromDatabaseValue(row["verdict"]),
                let number = Int.fromDatabaseValue(row["number"])
            else { continue }
            all[rule, default: RuleFeedback(rule: rule)].count(name, number)
            all[rule]?.incidents += number
        }
        return all.values.sorted { $0.rule < $1.rule }
    }

    /// Incidents that one of `values` leads to, newest first.
    func incidents(withAnyOf values: [String], but id: String, limit: Int) throws -> [Incident] {
        let marks = repeatElement("?", count: values.count).joined(separator: ", ")
        let arguments: [any DatabaseValueConvertible] = [tenant.rawValue] + values + [tenant.rawValue, id, limit]
        return try String.fetchAll(
            db,
            sql: """
                SELECT json FROM incident WHERE id IN (
                    SELECT incident FROM incident_entity WHERE tenant = ? AND value IN (\(marks)))
                AND tenant = ? AND id <> ? AND merged_into IS NULL ORDER BY start_ms DESC, id DESC LIMIT ?
                """, arguments: StatementArguments(arguments)
        ).map { try decoded(Incident.self, $0) }
    }

    /// Other incidents of the same rule, newest first.
    func incidents(ofRule rule: String, but id: String, limit: Int) throws -> [Incident] {
        try String.fetchAll(
            db,
            sql: """
                SELECT json FROM incident WHERE tenant = ? AND rule = ? AND id <> ? AND merged_into IS NULL
                ORDER BY start_ms DESC LIMIT ?
                """, arguments: [tenant.rawValue, rule, id, limit]
        ).map { try decoded(Incident.self, $0) }
    }

    func mitigations(at now: Int64) throws -> [(incident: String, accepted: AcceptedMitigation)] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT incident, json FROM mitigation WHERE tenant = ? AND expires_ms > ?
                ORDER BY id, incident LIMIT ?
                """, arguments: [tenant.rawValue, now, IncidentLog.mitigationsMax]
        ).compactMap { row in
            guard let id = String.fromDatabaseValue(row["incident"]), let json = String.fromDatabaseValue(row["json"])
            else { return nil }
            return (id, try decoded(AcceptedMitigation.self, json))
        }
    }
}

extension RuleFeedback {
    mutating func count(_ verdict: String, _ number: Int) {
        switch IncidentVerdict.Kind(rawValue: verdict) {
        case .truePositive: truePositive += number
        case .falsePositive: falsePositive += number
        case .benign: benign += number
        case nil: break
        }
    }
}
