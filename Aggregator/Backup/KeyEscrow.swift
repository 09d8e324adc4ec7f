internal import DataKeys
internal import Foundation
package import Identity
package import ObjectStore

/// The wrapped data keys at a backup target: each once, outside all backups, so that deleting it there reaches every
/// backup that has data sealed with it.
package struct KeyEscrow: Sendable {
    package let store: any ObjectStore
    package init(_ store: any ObjectStore) { self.store = store }

    private func name(_ owner: String, _ version: UInt32) throws(ObjectStoreError) -> ObjectName {
        let digits = String(version)
        return try ObjectName("keys/\(owner)/v" + String(repeating: "0", count: 10 - digits.count) + digits)
    }
    private func mark(_ owner: String) throws(ObjectStoreError) -> ObjectName {
        try ObjectName("keys/\(owner)/destroyed")
    }

    /// Brings keys there that are new or wrapped anew since `known`, and destroys those that are destroyed here.
    func update(
        from file: KeyFile, known: [Manifest.Key], destroyedBefore: [String]
    ) async throws -> (keys: [Manifest.Key], destroyed: [String]) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var keys: [Manifest.Key] = []
        for var row in try file.rows() {
            // How often it was used is no part of it, and would make it another object each time.
            row.seals = 0
            let octets = [UInt8](try encoder.encode(row))
            let key = Manifest.Key(owner: row.owner, version: row.version, sha256: ObjectDigest(of: octets))
            if !known.contains(key) { try await store.put(name(row.owner, row.version), octets) }
            keys.append(key)
        }
        let destroyed = try file.destroyed().keys.sorted()
        for owner in destroyed where !destroyedBefore.contains(owner) { try await destroy(owner) }
        return (keys, destroyed)
    }

    /// Deletes the owner's keys at the target and leaves a mark, so that a restore knows. Repeating it changes nothing.
    package func destroy(_ tenant: TenantID) async throws { try await destroy(tenant.rawValue) }
    private func destroy(_ owner: String) async throws {
        try await store.put(mark(owner), Array("destroyed\n".utf8))
        var found: [ObjectName] = []
        let mark = try mark(owner)
        try await store.listAll(prefix: "keys/\(owner)/") { if $0.name != mark { found.append($0.name) } }
        for name in found { try await store.delete(name) }
    }

    /// All keys at the target, and the owners whose keys were destroyed.
    func load() async throws -> (rows: [KeyFile.Row], destroyed: [String]) {
        var names: [ObjectName] = []
        try await store.listAll(prefix: "keys/") { names.append($0.name) }
        var rows: [KeyFile.Row] = [], destroyed: [String] = []
        for name in names {
            let parts = name.text.split(separator: "/")
            guard parts.count == 3, let owner = KeyOwner(String(parts[1])) else { continue }
            guard parts[2] != "destroyed" else {
                destroyed.append(owner.description)
                continue
            }
            let octets = try await store.get(name)
            guard let row = try? JSONDecoder().decode(KeyFile.Row.self, from: Data(octets)),
                row.owner == owner.description
            else { throw BackupError.damagedPiece(name: name.text, file: KeyFile.name, "it is no wrapped key") }
            rows.append(row)
        }
        return (rows, destroyed)
    }

    /// What is wrong with the keys that `manifest` needs; empty when all are as they were, wrapped anew or destroyed.
    /// - Parameter there: see `load()`.
    static func problems(_ manifest: Manifest, _ there: (rows: [KeyFile.Row], destroyed: [String])) -> [String] {
        let found = Set(there.rows.map { "\($0.owner) \($0.version)" })
        return manifest.keys.filter {
            !found.contains("\($0.owner) \($0.version)") && !there.destroyed.contains($0.owner)
        }.map { "the data key of \($0.owner), version \($0.version), is missing" }
    }
}
