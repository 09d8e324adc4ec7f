/// Rows of `models.sqlite`, read and written.
internal import Foundation
internal import GRDB
internal import Identity
internal import Models

extension ModelRegister {
    /// The latest `eventsMax`, oldest first.
    static func events(of tenant: TenantID, _ db: Database) throws -> [ModelEvent] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM (SELECT * FROM event WHERE tenant = ? ORDER BY id DESC LIMIT ?) ORDER BY id
                """, arguments: [tenant.rawValue, eventsMax]
        ).compactMap { row in
            ModelEventKind(rawValue: row["kind"]).map {
                ModelEvent(
                    kind: $0, version: row["version"], atMilliseconds: row["atMilliseconds"], actor: row["actor"])
            }
        }
    }

    /// What was promoted and not taken back, oldest first; the last scores.
    static func stack(of tenant: TenantID, _ db: Database) throws -> [Int] {
        var stack: [Int] = []
        let rows = try Row.fetchAll(
            db, sql: "SELECT kind, version FROM event WHERE tenant = ? AND kind <> ? ORDER BY id",
            arguments: [tenant.rawValue, ModelEventKind.evaluated.rawValue])
        for row in rows {
            switch ModelEventKind(rawValue: row["kind"]) {
            case .promoted: stack.append(row["version"])
            case .rolledBack: _ = stack.popLast()
            case .removed:
                let gone: Int = row["version"]
                stack.removeAll { $0 == gone }
            case .trained, .evaluated, nil: break
            }
        }
        return stack
    }

    static func isKept(_ version: Int, _ tenant: TenantID, _ db: Database) throws -> Bool {
        try Int.fetchOne(
            db, sql: "SELECT 1 FROM model WHERE tenant = ? AND version = ?", arguments: [tenant.rawValue, version])
            != nil
    }

    static func note(
        _ kind: ModelEventKind, _ version: Int, _ tenant: TenantID, _ actor: String, _ now: Int64, _ db: Database
    ) throws {
        try db.execute(
            sql: "INSERT INTO event (tenant, kind, version, atMilliseconds, actor) VALUES (?, ?, ?, ?, ?)",
            arguments: [tenant.rawValue, kind.rawValue, version, now, actor])
    }

    /// Removes the oldest that may go until there are `versionsMax`.
    static func makeRoom(_ tenant: TenantID, _ actor: String, _ now: Int64, _ db: Database) throws {
        let kept = try Int.fetchAll(
            db, sql: "SELECT version FROM model WHERE tenant = ? ORDER BY version", arguments: [tenant.rawValue])
        let used = Set(try stack(of: tenant, db).suffix(2))
        for version in kept.dropLast().filter({ !used.contains($0) }).prefix(max(kept.count - versionsMax, 0)) {
            for table in ["model", "evaluation"] {
                try db.execute(
                    sql: "DELETE FROM \(table) WHERE tenant = ? AND version = ?",
                    arguments: [tenant.rawValue, version])
            }
            try note(.removed, version, tenant, actor, now, db)
        }
    }

    static func version(_ row: Row, _ tenant: TenantID, isPromoted: Bool, _ db: Database) throws -> ModelVersion {
        let number: Int = row["version"], card: String = row["card"]
        let bodies = try String.fetchAll(
            db, sql: "SELECT body FROM evaluation WHERE tenant = ? AND version = ? ORDER BY id",
            arguments: [tenant.rawValue, number])
        let decoder = JSONDecoder()
        return ModelVersion(
            version: number, card: try decoder.decode(ModelCard.self, from: Data(card.utf8)),
            atMilliseconds: row["atMilliseconds"], actor: row["actor"], bytes: row["bytes"],
            evaluations: bodies.compactMap { try? decoder.decode(KeptEvaluation.self, from: Data($0.utf8)) },
            isPromoted: isPromoted)
    }
}
