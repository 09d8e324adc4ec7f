internal import Synchronization

/// Reads ranges of objects through a cache in memory of at most `bytesMax`: what makes an archive that is far away
/// usable for queries, which read heads and filters again and again.
///
/// Objects are cut into blocks; a block is fetched whole and kept until others are used more recently. Objects never
/// change, so nothing in the cache gets old; `forget` is for those that are deleted. The octets are cached as stored:
/// sealed ones stay sealed.
package final class ArchivedBlobs: Sendable {
    package struct Use: Equatable, Sendable {
        package var hits: Int
        package var misses: Int
        /// Octets fetched from the store.
        package var bytesFetched: Int
        /// Octets in the cache.
        package var bytesCached: Int
        package init(hits: Int = 0, misses: Int = 0, bytesFetched: Int = 0, bytesCached: Int = 0) {
            self.hits = hits
            self.misses = misses
            self.bytesFetched = bytesFetched
            self.bytesCached = bytesCached
        }
    }
    fileprivate struct Place: Hashable {
        let name: ObjectName
        let block: Int
    }
    fileprivate struct State {
        var blocks: [Place: (octets: [UInt8], used: UInt64)] = [:]
        var clock: UInt64 = 0
        var use = Use()
    }
    private let store: any ObjectStore
    private let bytesMax: Int
    private let blockBytes: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - bytesMax: of the cache. Reads go through with none, block by block.
    ///   - blockBytes: 4 KiB to 16 MiB.
    package init(_ store: any ObjectStore, bytesMax: Int = 256 << 20, blockBytes: Int = 1 << 20) {
        self.store = store
        self.bytesMax = bytesMax
        self.blockBytes = min(max(blockBytes, 4 << 10), 16 << 20)
    }

    package var use: Use { state.withLock { $0.use } }

    /// The octets of `range`: fewer when the object ends before.
    /// - Throws: `.notFound`.
    package func read(_ name: ObjectName, range: Range<Int>) async throws(ObjectStoreError) -> [UInt8] {
        guard !range.isEmpty else { return [] }
        var found: [UInt8] = []
        found.reserveCapacity(range.count)
        for block in range.lowerBound / blockBytes...(range.upperBound - 1) / blockBytes {
            let octets = try await self.block(Place(name: name, block: block)), start = block * blockBytes
            let from = max(range.lowerBound - start, 0), to = min(range.upperBound - start, octets.count)
            if from < to { found += octets[from..<to] }
            // The last block of the object.
            if octets.count < blockBytes { break }
        }
        return found
    }

    /// Drops what is cached of objects whose names begin with `prefix`.
    package func forget(prefix: String) {
        state.withLock { state in
            for place in state.blocks.keys where place.name.text.hasPrefix(prefix) { state.drop(place) }
        }
    }

    private func block(_ place: Place) async throws(ObjectStoreError) -> [UInt8] {
        if let cached = state.withLock({ $0.touch(place) }) { return cached }
        let start = place.block * blockBytes
        let octets = try await store.get(place.name, range: start..<(start + blockBytes))
        state.withLock { $0.keep(octets, at: place, bytesMax: bytesMax) }
        return octets
    }
}

fileprivate extension ArchivedBlobs.State {
    mutating func touch(_ place: ArchivedBlobs.Place) -> [UInt8]? {
        guard let found = blocks[place] else {
            use.misses += 1
            return nil
        }
        clock += 1
        use.hits += 1
        blocks[place]?.used = clock
        return found.octets
    }
    mutating func keep(_ octets: [UInt8], at place: ArchivedBlobs.Place, bytesMax: Int) {
        use.bytesFetched += octets.count
        drop(place)
        guard octets.count <= bytesMax else { return }
        // A few hundred blocks at most, so looking at all of them costs less than a fetch.
        while use.bytesCached + octets.count > bytesMax, let oldest = blocks.min(by: { $0.value.used < $1.value.used })
        {
            drop(oldest.key)
        }
        clock += 1
        blocks[place] = (octets, clock)
        use.bytesCached += octets.count
    }
    mutating func drop(_ place: ArchivedBlobs.Place) {
        if let gone = blocks.removeValue(forKey: place) { use.bytesCached -= gone.octets.count }
    }
}
