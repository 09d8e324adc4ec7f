package import FlowStore
package import ObjectStore
package import Platform
internal import Synchronization
package import Telemetry

/// Old segments in an object store, below `flows/`, read through a cache in memory.
///
/// After a failure it is not asked again for `pause`, so that a question over many days does not wait for each of them.
package final class ObjectArchive: SegmentArchive {
    private let objects: any ObjectStore
    private let blobs: ArchivedBlobs
    private let time: any TimeSource
    private let fetched: Counter, hits: Counter, misses: Counter
    /// By the monotonic clock, and what was said.
    private let downUntil = Mutex<(time: Duration, reason: String)>((.zero, ""))

    private static let pause = Duration.seconds(10)

    /// - Parameter cacheBytesMax: octets of the cache.
    package init(
        _ objects: any ObjectStore, cacheBytesMax: Int, time: any TimeSource, registry: MetricRegistry
    ) {
        self.objects = objects
        self.time = time
        blobs = ArchivedBlobs(objects, bytesMax: cacheBytesMax, blockBytes: 256 << 10)
        fetched = registry.counter("weir_archive_fetched_bytes_total", help: "Octets read from the archive.")
        hits = registry.counter("weir_archive_cache_hits_total", help: "Blocks of the archive found in memory.")
        misses = registry.counter("weir_archive_cache_misses_total", help: "Blocks of the archive that were fetched.")
    }

    package func put(_ name: String, _ bytes: [UInt8]) async throws(ArchiveError) {
        try await asking(name) { (name) throws(ObjectStoreError) in _ = try await self.objects.put(name, bytes) }
    }
    package func size(of name: String) async throws(ArchiveError) -> Int? {
        try await asking(name) { (name) throws(ObjectStoreError) in try await self.objects.size(of: name) }
    }
    package func read(_ name: String, range: Range<Int>, isFresh: Bool) async throws(ArchiveError) -> [UInt8] {
        try await asking(name) { (name) throws(ObjectStoreError) in
            if isFresh { self.blobs.forget(prefix: name.text) }
            defer { self.count() }
            return try await self.blobs.read(name, range: range)
        }
    }
    package func delete(_ name: String) async throws(ArchiveError) {
        try await asking(name) { (name) throws(ObjectStoreError) in
            self.blobs.forget(prefix: name.text)
            try await self.objects.delete(name)
        }
    }

    private func count() {
        let use = blobs.use
        fetched.follow(UInt64(use.bytesFetched))
        hits.follow(UInt64(use.hits))
        misses.follow(UInt64(use.misses))
    }

    private func asking<Value: Sendable>(
        _ name: String, _ body: (ObjectName) async throws(ObjectStoreError) -> Value
    ) async throws(ArchiveError) -> Value {
        let now = time.monotonic(), down = downUntil.withLock { $0 }
        guard now >= down.time else { throw .unavailable(down.reason) }
        do throws(ObjectStoreError) {
            return try await body(try ObjectName("flows/\(name)"))
        } catch {
            switch error {
            case .notFound: throw .missing(name)
            case .cancelled: throw .cancelled
            case .badName, .tooLarge, .digestMismatch: throw .unavailable("\(error)")
            case .refused, .unavailable, .noSpace:
                downUntil.withLock { $0 = (now + Self.pause, "\(error)") }
                throw .unavailable("\(error)")
            }
        }
    }
}
