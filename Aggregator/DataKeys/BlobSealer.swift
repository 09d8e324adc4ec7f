/// Each tenant's data is sealed under that tenant's own key, so destroying the key destroys the data in every copy.
///
/// Invariants: a data key is 256 random bits and is on disk only wrapped; a sealed blob opens only under the tenant and
/// the context it was sealed for, so swapped or copied ciphertext fails; what is not authentic is never returned; a
/// destroyed key is not made anew; no error, description or log line holds a key.
/// Not here: what the blobs are (`FlowStore`), where backups keep wrapped keys (`Backup`).
package import Identity

/// Seals and opens blobs: `DataKeys` does, `NoSealing` leaves them as they are. Callable from any thread; may block for
/// a key's first use (milliseconds with a local wrapping key, at most some seconds with a key server).
package protocol BlobSealer: Sendable {
    /// - Parameter context: where the blob belongs, such as `2026-11-21/segment/17/octetDeltaCount`. The same text is
    ///   needed to open it. Must be unique within the tenant for what must not be exchangeable.
    /// - Returns: `plain.count + sealedOverhead` octets. Sealing the same blob twice gives different octets.
    /// - Throws: `DataKeyError`; `isTemporary` says whether a later try can succeed.
    func seal(_ plain: [UInt8], tenant: TenantID, context: String) throws -> [UInt8]

    /// - Throws: `DataKeyError.destroyed` when the tenant's key is, `.damaged` for anything that was not sealed so.
    func open(_ sealed: [UInt8], tenant: TenantID, context: String) throws -> [UInt8]

    /// Octets that sealing adds.
    var sealedOverhead: Int { get }

    /// Makes the tenant's key when it has none, so that a key server's absence shows early.
    func prepare(_ tenant: TenantID) throws

    /// Whether sealing afresh would use another key version than `sealed` has: compaction re-seals such blobs.
    func isStale(_ sealed: [UInt8], tenant: TenantID) throws -> Bool
}

/// Blobs as they are: for tests, and for stores that are asked to keep no secrets.
package struct NoSealing: BlobSealer {
    package init() {}
    package var sealedOverhead: Int { 0 }
    package func seal(_ plain: [UInt8], tenant: TenantID, context: String) -> [UInt8] { plain }
    package func open(_ sealed: [UInt8], tenant: TenantID, context: String) -> [UInt8] { sealed }
    package func prepare(_ tenant: TenantID) {}
    package func isStale(_ sealed: [UInt8], tenant: TenantID) -> Bool { false }
}

/// Why a blob was not sealed or opened, or a key not changed.
package enum DataKeyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The owner's key was destroyed: what it sealed is gone for ever.
    case destroyed(owner: String)
    /// No such key version: retired, or the blob comes from another installation.
    case unknownVersion(owner: String, version: UInt32)
    /// Too short, or without the mark of a sealed blob.
    case notSealed(context: String)
    /// Not what was sealed for this owner and context: damaged, exchanged or forged.
    case damaged(context: String)
    /// The wrapping key can't be read, or is not the one that wrapped the data key.
    case wrappingKey(String)
    /// The key server does not answer or refuses. Later, or with another token.
    case keyServer(String)
    /// The file of wrapped keys can't be read or written.
    case storage(String)

    /// Whether the same call may succeed later without anybody's help.
    package var isTemporary: Bool {
        if case .keyServer = self { true } else { false }
    }
    package var description: String {
        switch self {
        case .destroyed(let owner): "the data key of \(owner) was destroyed, and so all data sealed with it"
        case .unknownVersion(let owner, let version): "\(owner) has no data key of version \(version)"
        case .notSealed(let context): "\(context) is not sealed"
        case .damaged(let context): "\(context) is damaged or not what was sealed there"
        case .wrappingKey(let reason): "wrapping key: \(reason)"
        case .keyServer(let reason): "key server: \(reason)"
        case .storage(let reason): "key file: \(reason)"
        }
    }
}

/// Whose key: a tenant's, or the node's own for its backups.
package enum KeyOwner: Hashable, Sendable, CustomStringConvertible {
    case tenant(TenantID)
    case backup

    /// As stored. A tenant's name has no `@`, so the two never meet.
    package var description: String {
        switch self {
        case .tenant(let tenant): tenant.rawValue
        case .backup: "@backup"
        }
    }
    package init?(_ text: String) {
        if text == "@backup" {
            self = .backup
        } else {
            guard let tenant = TenantID(text) else { return nil }
            self = .tenant(tenant)
        }
    }
    var tenant: TenantID? { if case .tenant(let tenant) = self { tenant } else { nil } }
}
