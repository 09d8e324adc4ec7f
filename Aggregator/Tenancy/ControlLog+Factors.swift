internal import Foundation
internal import GRDB

/// Second factors: an authenticator's sealed secret, and recovery codes as digests. What a code is, is the business of
/// who asks.
extension ControlLog {
    package func factor(of person: String) throws(ControlError) -> (sealed: [UInt8], isConfirmed: Bool)? {
        try read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM secondFactor WHERE person = ?", arguments: [person]).map {
                ([UInt8]($0["sealed"] as Data), $0["isConfirmed"])
            }
        }
    }

    /// Who needs a code to sign in.
    package func peopleWithFactors() throws(ControlError) -> Set<String> {
        try read { Set(try String.fetchAll($0, sql: "SELECT person FROM secondFactor WHERE isConfirmed = 1")) }
    }

    /// Keeps a secret until it is confirmed; another that waited for that is gone.
    /// - Returns: false when there is a confirmed one.
    package func offerFactor(_ sealed: [UInt8], of person: String, at now: Int64) throws(ControlError) -> Bool {
        try write { db in
            try db.execute(
                sql: """
                    INSERT INTO secondFactor (person, sealed, isConfirmed, lastStep) VALUES (?, ?, 0, -1)
                    ON CONFLICT (person) DO UPDATE SET sealed = excluded.sealed WHERE isConfirmed = 0
                    """, arguments: [person, Data(sealed)])
            guard db.changesCount > 0 else { return false }
            try Self.note("factorOffered", tenant: "", subject: person, detail: "", by: person, at: now, in: db)
            return true
        }
    }

    /// Tries a code against a confirmed secret, and takes its step so that it works once.
    /// - Parameter step: of the code, if it is one after the last.
    package func useFactor(
        of person: String, step: (_ sealed: [UInt8], _ last: Int64) -> Int64?
    ) throws(ControlError) -> Bool {
        try write { try Self.take(of: person, isConfirmed: true, step, in: $0) }
    }

    /// From then on the person needs a code to sign in.
    /// - Parameter recovery: digests of the codes for who loses the authenticator; older ones are no good any more.
    package func confirmFactor(
        of person: String, recovery: [String], at now: Int64, step: (_ sealed: [UInt8], _ last: Int64) -> Int64?
    ) throws(ControlError) -> Bool {
        try write { db in
            guard try Self.take(of: person, isConfirmed: false, step, in: db) else { return false }
            try db.execute(sql: "UPDATE secondFactor SET isConfirmed = 1 WHERE person = ?", arguments: [person])
            try db.execute(sql: "DELETE FROM recoveryCode WHERE person = ?", arguments: [person])
            for digest in recovery {
                try db.execute(
                    sql: "INSERT INTO recoveryCode (person, sha256) VALUES (?, ?)", arguments: [person, digest])
            }
            try Self.note("factorConfirmed", tenant: "", subject: person, detail: "", by: person, at: now, in: db)
            return true
        }
    }
    private static func take(
        of person: String, isConfirmed: Bool, _ step: ([UInt8], Int64) -> Int64?, in db: Database
    ) throws -> Bool {
        let row = try Row.fetchOne(
            db, sql: "SELECT * FROM secondFactor WHERE person = ? AND isConfirmed = ?",
            arguments: [person, isConfirmed])
        guard let row, let taken = step([UInt8](row["sealed"] as Data), row["lastStep"]) else { return false }
        try db.execute(sql: "UPDATE secondFactor SET lastStep = ? WHERE person = ?", arguments: [taken, person])
        return true
    }

    /// A recovery code, once.
    package func useRecoveryCode(
        digest: String, of person: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            try db.execute(
                sql: "DELETE FROM recoveryCode WHERE person = ? AND sha256 = ?", arguments: [person, digest])
            guard db.changesCount > 0 else { return false }
            try Self.note("recoveryCodeUsed", tenant: "", subject: person, detail: "", by: person, at: now, in: db)
            return true
        }
    }

    /// - Returns: false when there was none.
    package func removeFactor(of person: String, by actor: String, at now: Int64) throws(ControlError) -> Bool {
        try write { db in
            try db.execute(sql: "DELETE FROM recoveryCode WHERE person = ?", arguments: [person])
            try db.execute(sql: "DELETE FROM secondFactor WHERE person = ?", arguments: [person])
            guard db.changesCount > 0 else { return false }
            try Self.note("factorRemoved", tenant: "", subject: person, detail: "", by: actor, at: now, in: db)
            return true
        }
    }
}
