internal import Foundation
internal import GRDB
package import Identity

/// What was asked once under a key of the caller's, and how it was answered: to be given again, not done again.
extension ControlLog {
    package enum Claim: Sendable, Equatable {
        /// Nobody asked before: do it, then `keep`.
        case first
        /// Asked, and not answered: still going on, or the process ended meanwhile.
        case begun(atMilliseconds: Int64)
        /// - Parameter sealed: nil: the answer was not kept.
        case answered(status: Int, sealed: [UInt8]?)
        /// The key was used for something else.
        case otherRequest
    }
    package static let answeredLifetime: Int64 = 86_400_000, answeredMaxPerTenant = 10_000

    /// - Parameters:
    ///   - id: names caller, route and key; the same for the same three only.
    ///   - request: a digest of what was asked.
    package func claim(
        _ id: String, request: String, of tenant: TenantID, at now: Int64
    ) throws(ControlError) -> Claim {
        try write { db in
            try db.execute(
                sql: "DELETE FROM answered WHERE tenant = ? AND atMilliseconds < ?",
                arguments: [tenant.rawValue, now - Self.answeredLifetime])
            if let row = try Row.fetchOne(db, sql: "SELECT * FROM answered WHERE id = ?", arguments: [id]) {
                guard row["request"] as String == request else { return .otherRequest }
                guard let status = row["status"] as Int? else { return .begun(atMilliseconds: row["atMilliseconds"]) }
                return .answered(status: status, sealed: (row["sealed"] as Data?).map { [UInt8]($0) })
            }
            try db.execute(
                sql: "INSERT INTO answered (id, tenant, request, atMilliseconds) VALUES (?, ?, ?, ?)",
                arguments: [id, tenant.rawValue, request, now])
            try db.execute(
                sql: """
                    DELETE FROM answered WHERE tenant = ? AND id NOT IN
                        (SELECT id FROM answered WHERE tenant = ? ORDER BY atMilliseconds DESC LIMIT ?)
                    """, arguments: [tenant.rawValue, tenant.rawValue, Self.answeredMaxPerTenant])
            return .first
        }
    }
    package func keep(_ id: String, status: Int, sealed: [UInt8]?) throws(ControlError) {
        try write { db in
            try db.execute(
                sql: "UPDATE answered SET status = ?, sealed = ? WHERE id = ?",
                arguments: [status, sealed.map { Data($0) }, id])
        }
    }
    /// It was not done, so it may be asked again.
    package func forgetClaim(_ id: String) throws(ControlError) {
        try write { try $0.execute(sql: "DELETE FROM answered WHERE id = ?", arguments: [id]) }
    }
}
