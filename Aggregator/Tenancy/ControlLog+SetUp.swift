internal import Foundation
internal import GRDB

/// How the first operator comes to be: with a token that the aggregator gives to who runs it, once.
extension ControlLog {
    package static let setUpLifetime: Int64 = 24 * 3_600_000

    /// Makes a token, if there is no operator; one that was made before is no good any more.
    /// - Returns: its only copy; nil: there is an operator.
    package func makeSetUpToken(
        at now: Int64, using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> OpaqueToken? {
        let token = OpaqueToken(.setUp, using: &generator)
        return try write { db in
            let directory = try known.upToDate(in: db)
            guard !Self.hasOperator(directory) else { return nil }
            try Self.note("setUpOffered", tenant: "", subject: "", detail: "", by: "aggregator", at: now, in: db)
            try db.execute(sql: "DELETE FROM setUp")
            try db.execute(
                sql: "INSERT INTO setUp (sha256, expiresMilliseconds) VALUES (?, ?)",
                arguments: [token.digest, now + Self.setUpLifetime])
            return token
        }
    }

    /// Whether `text` would do now. Asked before a password is hashed; `setUp` asks again.
    package func isSetUpToken(_ text: String, at now: Int64) throws(ControlError) -> Bool {
        guard let token = OpaqueToken(text, for: .setUp) else { return false }
        return try read { try Self.holds(token, at: now, in: $0) && !Self.hasOperator(try known.upToDate(in: $0)) }
    }

    /// Makes the first operator.
    /// - Returns: who that is; nil: the token is no good.
    package func setUp(
        _ text: String, email: String, name: String, passwordHash: String, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> String? {
        guard let token = OpaqueToken(text, for: .setUp) else { return nil }
        let id = "usr-" + String(generator.next(), radix: 36)
        return try write { db in
            let directory = try known.upToDate(in: db)
            guard try Self.holds(token, at: now, in: db), !Self.hasOperator(directory) else { return nil }
            let events = try directory.add(id, email: email, name: name) + [.operatorSet(id: id, isOperator: true)]
            try Self.append(events, by: id, at: now, in: db)
            try Self.keep(passwordHash, of: id, by: id, at: now, in: db)
            try db.execute(sql: "DELETE FROM setUp")
            return id
        }
    }

    private static func holds(_ token: OpaqueToken, at now: Int64, in db: Database) throws -> Bool {
        let expires = try Int64.fetchOne(
            db, sql: "SELECT expiresMilliseconds FROM setUp WHERE sha256 = ?", arguments: [token.digest])
        return expires.map { now < $0 } ?? false
    }
    private static func hasOperator(_ directory: Directory) -> Bool {
        directory.people.values.contains { $0.isOperator && !$0.isDisabled }
    }
}
