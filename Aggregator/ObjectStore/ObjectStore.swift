/// Named octets outside the node: backups and the archive. `FolderObjectStore` keeps them in a folder,
/// `S3ObjectStore` at any S3 endpoint.
///
/// Invariants: an object is there whole or not at all; `put` returns when it is durable; what was put is what its
/// SHA-256 says; names are checked, so none leaves the folder or bucket; no secret is in an error or a log line.
/// Not here: what the objects are (`Backup`, the archive), and sealing them (`DataKeys`).
package protocol ObjectStore: Sendable, CustomStringConvertible {
    /// Stores `bytes`, at most `objectBytesMax`.
    /// - Parameters:
    ///   - digest: of `bytes`; checked before they are stored, so that what a caller hashed is what arrives.
    ///   - onlyIfAbsent: leave an object of that name as it is.
    /// - Returns: false when `onlyIfAbsent` and there was one with other octets.
    @discardableResult
    func put(
        _ name: ObjectName, _ bytes: [UInt8], digest: ObjectDigest, onlyIfAbsent: Bool
    ) async throws(ObjectStoreError) -> Bool

    /// The whole object, or its octets in `range`: fewer when it ends before, none when it ends before it begins.
    /// - Throws: `.notFound`.
    func get(_ name: ObjectName, range: Range<Int>?) async throws(ObjectStoreError) -> [UInt8]

    /// Octets of the object; nil when there is none.
    func size(of name: ObjectName) async throws(ObjectStoreError) -> Int?

    /// Objects whose names begin with `prefix`, in an order that stays the same: AWS's is that of the names' octets,
    /// other servers go folder by folder.
    /// - Parameters:
    ///   - after: only what comes after this one: the last of an earlier page.
    ///   - limit: at most so many, 1 to 1,000.
    func list(prefix: String, after: ObjectName?, limit: Int) async throws(ObjectStoreError) -> ObjectPage

    /// Deletes the object, durably. One that is not there is no error.
    func delete(_ name: ObjectName) async throws(ObjectStoreError)
}

/// An object may be so large. What is larger is cut by its owner.
package let objectBytesMax = 64 << 20

extension ObjectStore {
    @discardableResult
    package func put(
        _ name: ObjectName, _ bytes: [UInt8], onlyIfAbsent: Bool = false
    ) async throws(ObjectStoreError) -> Bool {
        try await put(name, bytes, digest: ObjectDigest(of: bytes), onlyIfAbsent: onlyIfAbsent)
    }
    package func get(_ name: ObjectName) async throws(ObjectStoreError) -> [UInt8] { try await get(name, range: nil) }

    /// All objects whose names begin with `prefix`, page by page.
    package func listAll(
        prefix: String, _ body: (ObjectEntry) throws -> Void
    ) async throws {
        var last: ObjectName?
        while true {
            let page = try await list(prefix: prefix, after: last, limit: 1_000)
            for entry in page.objects { try body(entry) }
            guard !page.isLast, let next = page.objects.last?.name else { return }
            last = next
        }
    }
}

/// Parts of `A-Z a-z 0-9 . _ - = @`, separated by `/`, at most 512 octets; no part is empty, `.` or `..`.
package struct ObjectName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let text: String
    package static let octetsMax = 512

    package init(_ text: String) throws(ObjectStoreError) {
        guard (1...Self.octetsMax).contains(text.utf8.count),
            text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(Self.isPart)
        else { throw .badName(String(text.prefix(100))) }
        self.text = text
    }
    private static func isPart(_ part: Substring) -> Bool {
        !part.isEmpty && part != "." && part != ".." && part.utf8.allSatisfy(allowed.contains)
    }
    static let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-=@".utf8)

    package var description: String { text }
    /// By octets.
    package static func < (a: ObjectName, b: ObjectName) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}

package struct ObjectEntry: Hashable, Sendable {
    package let name: ObjectName
    package let bytes: Int
}

package struct ObjectPage: Hashable, Sendable {
    package let objects: [ObjectEntry]
    /// Whether no name comes after these.
    package let isLast: Bool
}

/// Why the store did not do what it was asked to.
package enum ObjectStoreError: Error, Equatable, Sendable, CustomStringConvertible {
    case notFound(ObjectName)
    case badName(String)
    case tooLarge(ObjectName, bytes: Int)
    /// The octets are not those of the digest: nothing was stored.
    case digestMismatch(ObjectName)
    /// The store refuses: credentials, rights, a bucket that is not there. Trying again does not help.
    case refused(String)
    /// No answer, or an answer that asks to come back. It was tried several times.
    case unavailable(String)
    case noSpace(String)
    case cancelled

    package var description: String {
        switch self {
        case .notFound(let name): "\(name) is not there"
        case .badName(let name): "\"\(name)\" is no object's name"
        case .tooLarge(let name, let bytes): "\(name) has \(bytes) octets, at most \(objectBytesMax) are allowed"
        case .digestMismatch(let name): "\(name): the octets are not those of the digest"
        case .refused(let reason): reason
        case .unavailable(let reason): reason
        case .noSpace(let reason): reason
        case .cancelled: "cancelled"
        }
    }
}
