/// Where a store puts old segments: objects outside the node, found by name. The program makes it of an object store.
///
/// Invariants that the store relies on: an object is there whole or not at all; `put` returns when it is durable.
/// Octets are handed over as they are stored, so what is sealed stays sealed. Called from many tasks at once.
package protocol SegmentArchive: Sendable {
    /// Stores an object of at most `ArchivedSegment.objectBytes`. A name comes again only with the same octets.
    func put(_ name: String, _ bytes: [UInt8]) async throws(ArchiveError)
    /// Octets of the object; nil when there is none.
    func size(of name: String) async throws(ArchiveError) -> Int?
    /// The octets of `range`: fewer when the object ends before.
    /// - Parameter isFresh: from where the object is, whatever a cache says.
    func read(_ name: String, range: Range<Int>, isFresh: Bool) async throws(ArchiveError) -> [UInt8]
    /// Deletes the object, durably. One that is not there is no error.
    func delete(_ name: String) async throws(ArchiveError)
}

package enum ArchiveError: Error, Equatable, Sendable {
    /// There is no such object.
    case missing(String)
    /// It can't be had now, and why. Later.
    case unavailable(String)
    case cancelled
}

/// When segments go to the archive.
package struct ArchivePolicy: Equatable, Sendable {
    /// Days whose segments stay on the node, today's included.
    package var afterDays = 7
    /// Octets of a tenant's files: what is more goes earlier, oldest first. 0: as much as comes.
    package var localBytesMax = 0
    /// Segments of a tenant that one call moves, so that other upkeep gets its turn.
    package var segmentsMax = 16
    package init() {}
}

/// What a pass over the archive did.
package struct ArchiveReport: Equatable, Sendable {
    package var segments = 0
    /// Octets of the segments' objects.
    package var bytes = 0
    /// Objects of days that have gone.
    package var deletedObjects = 0
    /// Why the rest was left for later.
    package var failure: String?
    package init() {}

    static func += (sum: inout ArchiveReport, other: ArchiveReport) {
        sum.segments += other.segments
        sum.bytes += other.bytes
        sum.deletedObjects += other.deletedObjects
        sum.failure = sum.failure ?? other.failure
    }
}

/// The moments of a move at which tests let it fail.
package enum ArchiveStep: CaseIterable, Sendable {
    /// The intent is durable; an object is; all are, and were looked at; the pieces are deleted, not committed; that is
    /// durable.
    case noted, put, looked, deleted, moved
}
