internal import Foundation
internal import GRDB
internal import Identity

/// Segments that are moved to the archive, read from there, and deleted there with their day.
extension SQLiteFlowStore {
    // MARK: Moving

    /// Moves what is due, oldest days first, and deletes what days that have gone left in the archive. An archive that
    /// can't be had is said in the report; nothing else is lost by it.
    ///
    /// The octets go as they are stored: without a key, also of a tenant whose key is destroyed. A segment's pieces
    /// leave the node in the transaction that says where they are, after all of its objects are durable and have
    /// their sizes; so a crash leaves them here, or here and there, or there.
    /// - Parameters:
    ///   - now: ms since 1970 UTC.
    ///   - at: for tests: throws where the process should have died.
    package func archive(
        now: Int64, policy: ArchivePolicy, at: @escaping @Sendable (ArchiveStep) throws -> Void = { _ in }
    ) async throws(FlowStoreError) -> ArchiveReport {
        var report = ArchiveReport()
        guard let archive else { return report }
        for tenant in try tenants() {
            report += try await wrapping(tenant) {
                try await self.archive(tenant, in: archive, now: now, policy: policy, at: at)
            }
            guard report.failure == nil else { break }
        }
        return report
    }

    private func archive(
        _ tenant: TenantID, in archive: any SegmentArchive, now: Int64, policy: ArchivePolicy,
        at: @escaping @Sendable (ArchiveStep) throws -> Void
    ) async throws -> ArchiveReport {
        var report = ArchiveReport()
        do {
            report.deletedObjects = try await forget(tenant, in: archive)
            for day in try await files.days(of: tenant).sorted() {
                let key = DayFiles.Key(tenant: tenant, day: day)
                guard report.segments < policy.segmentsMax, try isDue(key, now: now, policy) else { break }
                if await files.isArchived(key) { continue }
                await files.note(key, isArchived: true)
                let ids = try await mending(key) { try await $0.read { try ArchivedSegment.movable(in: $0) } } ?? []
                let room = policy.segmentsMax - report.segments
                for id in ids.prefix(room) {
                    await files.note(key, isArchived: false)
                    let moved = try await move(id, of: key, to: archive, at: at)
                    report.bytes += moved
                    report.segments += moved > 0 ? 1 : 0
                }
                let isDone = await files.isSettled(key) && ids.count <= room
                await files.note(key, isArchived: isDone)
            }
        } catch let error as ArchiveError {
            report.failure = try await failed(error)
        }
        return report
    }

    private func isDue(_ key: DayFiles.Key, now: Int64, _ policy: ArchivePolicy) throws -> Bool {
        if key.day <= Day.containing(now) - max(policy.afterDays, 1) { return true }
        guard policy.localBytesMax > 0 else { return false }
        return try files.folders.bytes(of: key.tenant).values.reduce(0, +) > policy.localBytesMax
    }

    /// - Returns: octets that the archive has more.
    private func move(
        _ id: Int64, of key: DayFiles.Key, to archive: any SegmentArchive,
        at: @escaping @Sendable (ArchiveStep) throws -> Void
    ) async throws -> Int {
        let isSealing = sealer != nil
        let noted = try await mending(key) { pool in
            try await pool.write { try ArchivedSegment.noted(id, onlySealed: isSealing, in: $0) }
        }
        guard let noted, let (moving, octets) = noted else { return 0 }
        try at(.noted)
        let names = moving.names(tenant: key.tenant, day: key.day)
        for (number, name) in names.enumerated() {
            let start = number * ArchivedSegment.objectBytes
            let object = Array(octets[start..<min(start + ArchivedSegment.objectBytes, octets.count)])
            try await archive.put(name, object)
            try at(.put)
            guard try await archive.size(of: name) == object.count else {
                throw ArchiveError.unavailable("\(name) is not as long as what was put")
            }
        }
        try at(.looked)
        _ = try await mending(key) { pool in
            try await pool.write { db in
                try moving.take(in: db)
                try at(.deleted)
            }
            try await Compaction.giveBack(pool)
        }
        try at(.moved)
        await files.forgetArchivedBytes(of: key)
        return octets.count
    }

    // MARK: Reading

    /// The pieces as they are stored, from the archive where the node has them no more.
    /// - Throws: `DamagedSegment` when there are fewer octets than there should be.
    func fetched(
        _ pieces: SegmentRow.Pieces, of key: DayFiles.Key, isFresh: Bool
    ) async throws -> SegmentRow.Pieces {
        guard let archived = pieces.archived else { return pieces }
        guard let archive else { throw FlowStoreError.archiveUnavailable("no archive is set") }
        guard let place = archived.place(of: pieces.blob, pieces.numbers) else {
            throw DamagedSegment(id: pieces.segment, reason: "blob \(pieces.blob) is not whole")
        }
        var octets = Data(capacity: place.range.count), found = pieces
        do throws(ArchiveError) {
            for (object, range) in archived.parts(place.range) {
                let name = archived.name(of: object, tenant: key.tenant, day: key.day)
                octets.append(contentsOf: try await archive.read(name, range: range, isFresh: isFresh))
            }
        } catch {
            throw FlowStoreError.archiveUnavailable(try await failed(error))
        }
        guard octets.count == place.range.count else {
            throw DamagedSegment(id: pieces.segment, reason: "its object in the archive is cut")
        }
        for length in place.lengths {
            found.stored.append(Data(octets.prefix(length)))
            octets.removeFirst(length)
        }
        return found
    }

    /// - Returns: what to say about it.
    private func failed(_ error: ArchiveError) async throws -> String {
        await files.noteArchiveFailure()
        switch error {
        case .missing(let name): return "\(name) is not in the archive"
        case .unavailable(let reason): return reason
        case .cancelled: throw CancellationError()
        }
    }
    /// Times that the archive could not be had, or lacked what it should hold, since the store was opened.
    package var archiveFailures: Int { get async { await files.archiveFailures } }

    // MARK: Leaving

    /// Octets of a day's objects.
    func archivedBytes(of key: DayFiles.Key) async throws -> Int {
        if let known = await files.archivedBytes(of: key) { return known }
        let found = try await files.withFile(key, create: false) { pool in
            try await pool.read { try Int.fetchOne($0, sql: "SELECT coalesce(sum(bytes), 0) FROM archived") ?? 0 }
        }
        await files.note(found ?? 0, archivedOf: key)
        return found ?? 0
    }

    /// Makes durable what must be deleted from the archive, before the file goes that knows it.
    func listForForgetting(_ key: DayFiles.Key) async throws {
        let archived = try await files.withFile(key, create: false) { pool in
            try await pool.read { try ArchivedSegment.all(in: $0) }
        }
        let names = (archived ?? []).flatMap { $0.names(tenant: key.tenant, day: key.day) }
        if !names.isEmpty { try files.folders.write(namesToForget: names, of: key) }
    }

    /// Deletes the objects of days that have gone.
    /// - Returns: how many.
    private func forget(_ tenant: TenantID, in archive: any SegmentArchive) async throws -> Int {
        var count = 0
        for list in try files.folders.listsToForget(of: tenant) {
            for name in try files.folders.names(toForgetIn: list) {
                try await archive.delete(name)
                count += 1
            }
            try files.folders.remove(list: list)
        }
        return count
    }
}

extension ArchivedSegment {
    /// Segments with columns on the node that nothing has yet to be compared with.
    fileprivate static func movable(in db: Database) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT id FROM segment WHERE id NOT IN (SELECT segment FROM replaced) AND EXISTS (
                    SELECT 1 FROM piece WHERE piece.id BETWEEN (segment.id << 24) + ? AND (segment.id << 24) + ?)
                ORDER BY id
                """, arguments: [columns.lowerBound, columns.upperBound - 1])
    }
    /// The pieces of all blobs but head and Bloom filter, as `SegmentRow.pieceID` has them.
    private static let columns = Int64(1) << 16..<Int64(255) << 16

    /// What is to be moved, with the intent written down: a second try finds the name of the first.
    /// - Parameter onlySealed: leave what is not sealed, though it should be, where its tenant's key can be destroyed
    ///   with it.
    fileprivate static func noted(
        _ id: Int64, onlySealed: Bool, in db: Database
    ) throws -> (ArchivedSegment, [UInt8])? {
        let local = try local(id, in: db), pieces = local.map(\.piece)
        guard try SegmentRow.find(id, in: db) != nil, !local.isEmpty,
            !onlySealed || local.allSatisfy({ $0.octets.first == StoredOctets.sealed })
        else { return nil }
        let known = try? find(id, in: db)
        let token = known?.pieces == pieces ? known?.token : try Int64.fetchOne(db, sql: "SELECT random()")
        let moving = ArchivedSegment(segment: id, token: token ?? 0, pieces: pieces, isStored: false)
        if known != moving { try moving.write(in: db) }
        var octets = moving.head
        octets.reserveCapacity(moving.bytes)
        for piece in local { octets.append(contentsOf: piece.octets) }
        return (moving, octets)
    }

    /// From now on the archive is where the columns are.
    fileprivate func take(in db: Database) throws {
        guard try SegmentRow.find(segment, in: db) != nil else { return }
        var taken = self
        taken.isStored = true
        try taken.write(in: db)
        let first = segment << 24
        try db.execute(
            sql: "DELETE FROM piece WHERE id BETWEEN ? AND ?",
            arguments: [first + Self.columns.lowerBound, first + Self.columns.upperBound - 1])
    }
}
