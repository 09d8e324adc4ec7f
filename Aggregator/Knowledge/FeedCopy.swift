internal import Foundation
internal import Platform
internal import WireBytes

/// The last good contents of one feed on disk: what sets are made of, and what a start without a network has.
///
///     <folder>/<key>.json              FeedCopy.Meta
///     <folder>/<key>-<checksum>.body   what was fetched; of TAXII each answer after its length (4 octets, low first)
///
/// Invariants: a body is complete before the description names it, so a crash leaves the old copy or the new one; a
/// body that is not what its description says, or one of another place or format, is none.
struct FeedCopy: Sendable {
    struct Meta: Codable, Equatable, Sendable {
        var version = 1
        var key: String, place: String, format: String
        /// When the source last said so, in ms since 1970 UTC.
        var confirmed: Int64
        var bytes = 0
        var checksum: UInt32 = 0
        var entityTag: String?, lastModified: String?
        /// Where a TAXII poll goes on.
        var addedAfter: String?
    }
    enum Fault: Error, Equatable {
        case damaged
        case storage(String)
    }
    private let folder: String, key: String, place: String, format: String
    static let metaBytesMax = 64 << 10

    /// - Parameter key: of the feed: letters, digits, hyphens.
    init(folder: String, key: String, place: String, format: String) {
        (self.folder, self.key, self.place, self.format) = (folder, key, place, format)
    }
    private var metaPath: String { "\(folder)/\(key).json" }
    private func bodyPath(_ checksum: UInt32) -> String { "\(folder)/\(key)-\(String(checksum, radix: 16)).body" }

    /// Nil when there is none, or one of something else.
    func meta() -> Meta? {
        guard let bytes = try? readFile(metaPath, bytesMax: Self.metaBytesMax),
            let meta = try? JSONDecoder().decode(Meta.self, from: Data(bytes)), meta.version == 1,
            meta.key == key, meta.place == place, meta.format == format
        else { return nil }
        return meta
    }

    func body(_ meta: Meta, bytesMax: Int) throws(Fault) -> [UInt8] {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try readFile(bodyPath(meta.checksum), bytesMax: bytesMax)
        } catch {
            throw error.isNoSuchFile ? .damaged : .storage("\(error)")
        }
        guard bytes.count == meta.bytes, Self.checksum(bytes) == meta.checksum else { throw .damaged }
        return bytes
    }

    /// Durable on return.
    @discardableResult
    func save(_ bytes: [UInt8], confirmed: Int64, _ change: (inout Meta) -> Void = { _ in }) throws(Fault) -> Meta {
        let old = meta()
        var meta = Meta(key: key, place: place, format: format, confirmed: confirmed)
        (meta.bytes, meta.checksum) = (bytes.count, Self.checksum(bytes))
        change(&meta)
        let path = bodyPath(meta.checksum)
        try storing { () throws(SystemError) in
            try placeFile(path, with: bytes, draft: "\(path).part", replacing: true)
        }
        try save(meta)
        if let old, old.checksum != meta.checksum { _ = try? deleteFile(bodyPath(old.checksum)) }
        return meta
    }
    /// Says that the contents stand.
    func save(_ meta: Meta) throws(Fault) {
        guard let bytes = try? JSONEncoder().encode(meta) else { throw .storage("no JSON") }
        let path = metaPath
        try storing { () throws(SystemError) in
            try placeFile(path, with: Array(bytes), draft: "\(path).part", replacing: true)
        }
    }
    private func storing(_ body: () throws(SystemError) -> Void) throws(Fault) {
        do throws(SystemError) { try body() } catch { throw .storage("\(error)") }
    }
    private static func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withBytes { CRC32C.checksum($0) } }
}

/// Answers one after another in one body.
enum Pages {
    static func joined(_ pages: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        for page in pages {
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: page.count >> (8 * $0)) }
            bytes += page
        }
        return bytes
    }
    /// What follows a broken length is left out.
    static func split(_ bytes: [UInt8]) -> [[UInt8]] {
        var pages: [[UInt8]] = [], rest = bytes[...]
        while rest.count >= 4 {  // ends: each turn takes 4 octets at least
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard length <= rest.count else { break }
            pages.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return pages
    }
}
