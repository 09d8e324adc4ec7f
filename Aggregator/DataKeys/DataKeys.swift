package import Identity
package import Platform
internal import Settings
internal import Synchronization

/// All data keys of a node: made at first use, unwrapped once, kept in memory while their file still has them.
///
/// A cached key is checked against the file at its first use after `freshness`, and by `refresh()`, which the service
/// calls every `refreshInterval`: a key that another process destroyed is out of memory within 40 s.
package final class DataKeys: BlobSealer {
    private struct Ring {
        var keys: [UInt32: DataKey] = [:]
        /// The newest version: what seals.
        var current: UInt32 = 0
        /// Nonces of the current version that this process may still use.
        var reserved: Int64 = 0
        var checkedAt: Duration = .zero
    }
    /// A key makes a new version well before 2^32 random nonces. Each process reserves many at a time, so a restart
    /// wastes some.
    package static let sealsMax: Int64 = 1 << 32
    static let reservation: Int64 = 1 << 20
    package static let freshness: Duration = .seconds(10), refreshInterval: Duration = .seconds(30)

    package let file: KeyFile
    private let wrapper: any KeyWrapper
    private let random: Mutex<any RandomNumberGenerator & Sendable>
    private let time: any TimeSource
    private let rings = Mutex<[KeyOwner: Ring]>([:])
    /// Held while a ring is read or a key is made, so that many first users make one.
    private let loading = Mutex(())

    package init(
        file: KeyFile, wrapper: any KeyWrapper, random: some RandomNumberGenerator & Sendable, time: any TimeSource
    ) {
        self.file = file
        self.wrapper = wrapper
        self.random = Mutex(random)
        self.time = time
    }

    // MARK: Sealing

    package var sealedOverhead: Int { DataKey.overhead }

    package func seal(_ plain: [UInt8], tenant: TenantID, context: String) throws -> [UInt8] {
        try seal(plain, owner: .tenant(tenant), context: context)
    }
    package func open(_ sealed: [UInt8], tenant: TenantID, context: String) throws -> [UInt8] {
        try open(sealed, owner: .tenant(tenant), context: context)
    }
    package func prepare(_ tenant: TenantID) throws { _ = try currentKey(of: .tenant(tenant)) }
    package func isStale(_ sealed: [UInt8], tenant: TenantID) throws -> Bool {
        try DataKey.version(of: sealed) != currentKey(of: .tenant(tenant)).version
    }

    package func seal(_ plain: [UInt8], owner: KeyOwner, context: String) throws(DataKeyError) -> [UInt8] {
        let key = try takeForSealing(owner)
        return try key.seal(plain, nonce: random.octets(DataKey.nonceBytes), context: context)
    }
    package func open(_ sealed: [UInt8], owner: KeyOwner, context: String) throws(DataKeyError) -> [UInt8] {
        guard let version = DataKey.version(of: sealed) else { throw .notSealed(context: context) }
        guard let key = try key(of: owner, version: version) else {
            throw .unknownVersion(owner: "\(owner)", version: version)
        }
        return try key.open(sealed, context: context)
    }

    /// The newest version of the owner's key; made when there is none.
    package func currentKey(of owner: KeyOwner) throws(DataKeyError) -> DataKey {
        if let ring = fresh(owner), let key = ring.keys[ring.current] { return key }
        let ring = try load(owner, making: true)
        guard let key = ring.keys[ring.current] else { throw .unknownVersion(owner: "\(owner)", version: ring.current) }
        return key
    }
    /// Nil when the owner has no such version.
    package func key(of owner: KeyOwner, version: UInt32) throws(DataKeyError) -> DataKey? {
        if let key = fresh(owner)?.keys[version] { return key }
        return try load(owner, making: false).keys[version]
    }

    // MARK: Changing

    /// Makes a new version the current one. Blobs of older versions still open.
    /// - Returns: the new version.
    @discardableResult
    package func rotate(_ owner: KeyOwner) throws(DataKeyError) -> UInt32 {
        try holdingLoad { () throws(DataKeyError) in
            try addVersion(owner, after: try file.rows(of: owner).last?.version ?? 0)
        }
        return try load(owner, making: false).current
    }

    /// Destroys the owner's key in the file and in this process's memory; other processes forget it within 40 s.
    @discardableResult
    package func destroy(_ owner: KeyOwner) throws(DataKeyError) -> Int {
        rings.withLock { $0[owner] = nil }
        let count = try file.destroy(owner, at: time.wallMilliseconds())
        rings.withLock { $0[owner] = nil }
        return count
    }

    /// Forgets keys that the file has no more. To be called every `refreshInterval`.
    package func refresh() throws(DataKeyError) {
        let rows = Dictionary(grouping: try file.rows(), by: \.owner).mapValues { Set($0.map(\.version)) }
        let gone = try file.destroyed()
        rings.withLock { rings in
            for (owner, ring) in rings {
                let versions = rows[owner.description] ?? []
                if gone[owner.description] != nil || ring.keys.keys.contains(where: { !versions.contains($0) }) {
                    rings[owner] = nil
                }
            }
        }
    }

    /// Wraps all keys anew: after the wrapping key was changed, or to move between file and key server.
    /// - Returns: how many.
    @discardableResult
    package func rewrap(with new: any KeyWrapper) throws(DataKeyError) -> Int {
        var rows = try file.rows()
        for index in rows.indices {
            let row = rows[index]
            guard let owner = KeyOwner(row.owner) else { continue }
            let secret = try wrapper.unwrap(row.wrapped, version: row.version, owner: owner)
            rows[index].wrapped = try new.wrap(secret, version: row.version, owner: owner)
        }
        try file.replace(rows)
        return rows.count
    }

    /// The wrapped form of a key, for who must take it along.
    package func wrapped(_ owner: KeyOwner, version: UInt32) throws(DataKeyError) -> WrappedKey? {
        try file.rows(of: owner).first { $0.version == version }?.wrapped
    }

    // MARK: The cache

    private func fresh(_ owner: KeyOwner) -> Ring? {
        let now = time.monotonic()
        return rings.withLock { $0[owner] }.flatMap { now - $0.checkedAt < Self.freshness ? $0 : nil }
    }

    /// The current key, with a nonce's worth of its reservation.
    private func takeForSealing(_ owner: KeyOwner) throws(DataKeyError) -> DataKey {
        while true {
            let key = try currentKey(of: owner)
            let isReserved = rings.withLock { rings in
                guard let ring = rings[owner], ring.current == key.version, ring.reserved > 0 else { return false }
                rings[owner]?.reserved -= 1
                return true
            }
            if isReserved { return key }
            try reserve(owner, version: key.version)
        }
    }

    private func reserve(_ owner: KeyOwner, version: UInt32) throws(DataKeyError) {
        try holdingLoad { () throws(DataKeyError) in
            guard rings.withLock({ $0[owner]?.current == version && $0[owner]?.reserved == 0 }) else { return }
            let before = try file.reserve(Self.reservation, owner: owner, version: version)
            guard before + Self.reservation <= Self.sealsMax else {
                try addVersion(owner, after: version)
                return rings.withLock { $0[owner] = nil }
            }
            rings.withLock { $0[owner]?.reserved += Self.reservation }
        }
    }

    /// Reads the owner's keys from the file and unwraps those that are not in memory.
    private func load(_ owner: KeyOwner, making: Bool) throws(DataKeyError) -> Ring {
        try holdingLoad { () throws(DataKeyError) in
            do throws(DataKeyError) {
                var rows = try file.rows(of: owner)
                if rows.isEmpty && making {
                    try addVersion(owner, after: 0)
                    rows = try file.rows(of: owner)
                }
                return try unwrap(rows, owner: owner)
            } catch {
                if case .destroyed = error { rings.withLock { $0[owner] = nil } }
                throw error
            }
        }
    }

    private func unwrap(_ rows: [KeyFile.Row], owner: KeyOwner) throws(DataKeyError) -> Ring {
        let known = rings.withLock { $0[owner] } ?? Ring()
        var ring = Ring(current: rows.last?.version ?? 0, checkedAt: time.monotonic())
        if ring.current == known.current { ring.reserved = known.reserved }
        for row in rows {
            if let key = known.keys[row.version] {
                ring.keys[row.version] = key
            } else {
                let secret = try wrapper.unwrap(row.wrapped, version: row.version, owner: owner)
                guard let key = DataKey(secret, version: row.version, owner: owner) else {
                    throw .wrappingKey("the data key of \(owner) has not 32 octets")
                }
                ring.keys[row.version] = key
            }
        }
        rings.withLock { rings in
            // What was used while the file was read stays used.
            if let now = rings[owner], now.current == ring.current { ring.reserved = now.reserved }
            rings[owner] = ring
        }
        return ring
    }

    private func addVersion(_ owner: KeyOwner, after version: UInt32) throws(DataKeyError) {
        guard version < .max else { throw .storage("\(owner) has had too many key versions") }
        let secret = Secret(random.octets(DataKey.keyBytes))
        let wrapped = try wrapper.wrap(secret, version: version + 1, owner: owner)
        try file.add(
            KeyFile.Row(
                owner: owner.description, version: version + 1, wrapped: wrapped,
                madeMilliseconds: time.wallMilliseconds(), seals: 0), owner: owner)
    }

    private func holdingLoad<Value>(_ body: () throws(DataKeyError) -> Value) throws(DataKeyError) -> Value {
        let result = loading.withLock { _ in
            do throws(DataKeyError) { return Result<Value, DataKeyError>.success(try body()) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
