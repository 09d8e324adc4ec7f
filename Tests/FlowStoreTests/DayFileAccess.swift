import FlowStore
import Foundation
import GRDB
import SegmentFormat
import TestKit

/// What tests do to a day's file behind the store's back.
func exchangeBodies(_ first: Int64, _ second: Int64, in folder: TemporaryFolder) async throws {
    try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).write { db in
        func body(_ id: Int64) throws -> Data {
            try Data.fetchOne(db, sql: "SELECT body FROM batch WHERE id = ?", arguments: [id]) ?? Data()
        }
        let bodies = (try body(first), try body(second))
        try db.execute(sql: "UPDATE batch SET body = ? WHERE id = ?", arguments: [bodies.1, first])
        try db.execute(sql: "UPDATE batch SET body = ? WHERE id = ?", arguments: [bodies.0, second])
    }
}

enum Blobs {
    /// The column of octetDeltaCount: random numbers, so nothing makes it small.
    static let octets = SegmentBlob(rawValue: 11)
}
