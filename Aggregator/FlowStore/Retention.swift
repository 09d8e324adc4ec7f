internal import Foundation
internal import GRDB
package import Identity

/// How long and how much of a tenant's history is kept.
package struct RetentionPolicy: Equatable, Sendable {
    /// Days whose records are kept, today's included.
    package var days = 30
    /// Days whose rollups are kept; not less than `days`.
    package var rollupDays = 400
    /// Octets of a tenant's files, rollups and what was set aside included; 0: as much as comes.
    package var bytesMax = 0
    /// Octets of a tenant's objects in the archive; 0: as much as comes.
    package var archivedBytesMax = 0
    package init() {}
}

/// Something that was given up to keep within the policy.
package struct RetiredDay: Equatable, Sendable {
    package enum Reason: String, CaseIterable, Sendable {
        case age, quota
        case rollupAge = "rollup_age"
        case archiveQuota = "archive_quota"
    }
    package var tenant: TenantID
    /// `2026-11-21`.
    package var day: String
    package var reason: Reason
    /// Octets of its files.
    package var bytes: Int
    /// Octets of its objects in the archive, which are deleted next.
    package var archivedBytes: Int
    package var rows: UInt64

    package init(tenant: TenantID, day: String, reason: Reason, bytes: Int, archivedBytes: Int, rows: UInt64) {
        (self.tenant, self.day, self.reason) = (tenant, day, reason)
        (self.bytes, self.archivedBytes, self.rows) = (bytes, archivedBytes, rows)
    }
}
