package import DataKeys
internal import Foundation
package import ObjectStore

/// What one backup consists of: enough to restore it with nothing but the wrapping key.
package struct Manifest: Codable, Equatable, Sendable {
    package struct Piece: Codable, Hashable, Sendable {
        /// Keyed digest of the content: the last part of the object's name.
        package var name: String
        /// Of the stored object, sealed.
        package var sha256: ObjectDigest
        package var bytes: Int
    }
    package struct File: Codable, Hashable, Sendable {
        /// Relative to the data folder.
        package var path: String
        package var bytes: Int
        /// Of the whole file as copied.
        package var sha256: ObjectDigest
        package var pieces: [Piece]
        /// What the file's entries said just before it was copied: see `FileMark`.
        package var mark: FileMark
    }
    package struct Key: Codable, Hashable, Sendable {
        package var owner: String
        package var version: UInt32
        package var sha256: ObjectDigest
    }
    package struct Previous: Codable, Hashable, Sendable {
        package var id: String
        package var sha256: ObjectDigest
    }

    package var format = 1
    package var id: String
    /// The full backup that this one's pieces began with: its own id when it is full itself.
    package var chain: String
    /// The backup before this one in its chain; nil in a full one.
    package var previous: Previous?
    /// When copying began, in ms since 1970 UTC: what was durable then is in it.
    package var takenMilliseconds: Int64
    /// The chain's own key, wrapped.
    package var key: WrappedKey
    package var files: [File]
    /// Data keys that the target holds.
    package var keys: [Key]
    /// Tenants whose keys were destroyed before this backup.
    package var destroyed: [String]

    package var isFull: Bool { previous == nil }
    package var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

    static let prefix = "backups/", suffix = ".manifest"
    static func name(of id: String) throws(ObjectStoreError) -> ObjectName { try ObjectName(prefix + id + suffix) }
    func name(of piece: Piece) throws(ObjectStoreError) -> ObjectName {
        try ObjectName("pieces/\(chain)/\(piece.name.prefix(2))/\(piece.name)")
    }

    // MARK: As octets

    /// - Parameter key: the chain's, which signs it.
    func encoded(_ key: DataKey) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = [UInt8](try encoder.encode(self))
        return Array("weir-backup 1 \(ObjectDigest(of: json)) \(key.name(of: json))\n".utf8) + json
    }

    /// - Throws: `.badManifest` when it was not signed with `key`.
    static func checkSignature(_ octets: [UInt8], _ key: DataKey, name: String) throws(BackupError) {
        let head = String(decoding: octets.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).split(separator: " ")
        let json = Array(octets.drop { $0 != UInt8(ascii: "\n") }.dropFirst())
        guard head.count == 4, head[3] == key.name(of: json) else {
            throw .badManifest(name: name, "it was not signed with its key: somebody changed it")
        }
    }

    /// `20261121T113000123Z`: names in the order of time.
    static func id(_ milliseconds: Int64) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let date = Foundation.Date(timeIntervalSince1970: Double(milliseconds) / 1_000)
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        func padded(_ number: Int?, _ digits: Int) -> String {
            let text = String(number ?? 0)
            return String(repeating: "0", count: max(digits - text.count, 0)) + text
        }
        return padded(parts.year, 4) + padded(parts.month, 2) + padded(parts.day, 2) + "T" + padded(parts.hour, 2)
            + padded(parts.minute, 2) + padded(parts.second, 2) + padded(Int(milliseconds % 1_000), 3) + "Z"
    }
}

extension Manifest {
    /// Checks the hash only: for who has no key.
    init(_ octets: [UInt8], name: String) throws(BackupError) {
        guard let end = octets.firstIndex(of: UInt8(ascii: "\n")) else {
            throw .badManifest(name: name, "it has no first line")
        }
        let head = String(decoding: octets[..<end], as: UTF8.self).split(separator: " ")
        guard head.count == 4, head[0] == "weir-backup" else { throw .badManifest(name: name, "it is no manifest") }
        guard head[1] == "1" else { throw .badManifest(name: name, "format \(head[1]) is of a later version") }
        let json = Array(octets[(end + 1)...])
        guard ObjectDigest(of: json).hex == head[2] else { throw .badManifest(name: name, "it is damaged") }
        do {
            self = try JSONDecoder().decode(Manifest.self, from: Data(json))
        } catch {
            throw .badManifest(name: name, "it can't be read: \(error)")
        }
        guard files.allSatisfy(\.isSound) else { throw .badManifest(name: name, "it names files outside its folder") }
    }
}

extension Manifest.File {
    var isSound: Bool {
        !path.isEmpty && bytes >= 0 && (try? ObjectName(path)) != nil
            && pieces.count == (bytes + Backup.pieceBytes - 1) / Backup.pieceBytes
            && pieces.allSatisfy { ObjectDigest(hex: $0.name) != nil }
    }
}
