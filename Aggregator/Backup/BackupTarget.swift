internal import DataKeys
package import ObjectStore

/// The backups at one place.
package struct BackupTarget: Sendable {
    package let store: any ObjectStore
    package init(_ store: any ObjectStore) { self.store = store }

    /// Ids, oldest first. Reads no manifest.
    package func ids() async throws -> [String] {
        var found: [String] = []
        try await store.listAll(prefix: Manifest.prefix) { entry in
            let text = entry.name.text
            guard text.hasSuffix(Manifest.suffix) else { return }
            found.append(String(text.dropFirst(Manifest.prefix.count).dropLast(Manifest.suffix.count)))
        }
        return found.sorted()
    }

    /// - Throws: `BackupError.badManifest`.
    package func manifest(_ id: String) async throws -> Manifest { try await read(id).manifest }

    func read(_ id: String) async throws -> (manifest: Manifest, octets: [UInt8]) {
        let name = try Manifest.name(of: id), octets = try await store.get(name)
        let manifest = try Manifest(octets, name: name.text)
        guard manifest.id == id else { throw BackupError.badManifest(name: name.text, "it is another one's") }
        return (manifest, octets)
    }

    /// The newest backup taken at `milliseconds` (since 1970 UTC) or before.
    package func newest(before milliseconds: Int64 = .max) async throws -> String {
        let ids = try await ids()
        guard !ids.isEmpty else { throw BackupError.noBackup("\(store) has no backup") }
        let limit = milliseconds == .max ? "A" : Manifest.id(milliseconds)
        guard let found = ids.last(where: { $0 <= limit }) else {
            throw BackupError.noBackup("the oldest backup at \(store) is \(ids[0])")
        }
        return found
    }

    /// The chain's key, which signed the manifest.
    func key(_ manifest: Manifest, _ octets: [UInt8], wrapper: any KeyWrapper) throws -> DataKey {
        let secret = try wrapper.unwrap(manifest.key, version: 1, owner: .backup)
        guard let key = DataKey(secret, version: 1, owner: .backup) else {
            throw BackupError.badManifest(name: manifest.id, "its key has not 32 octets")
        }
        try Manifest.checkSignature(octets, key, name: manifest.id)
        return key
    }

    /// Deletes whole chains, oldest first, so that `chains` are left. A chain is a full backup and what builds on it;
    /// running backups write to the newest only, which always stays.
    /// - Returns: ids of the backups that went.
    package func prune(keeping chains: Int) async throws -> [String] {
        var byChain: [String: [String]] = [:]
        for id in try await ids() { byChain[try await manifest(id).chain, default: []].append(id) }
        var gone: [String] = []
        for chain in byChain.keys.sorted().dropLast(max(chains, 1)) {
            // Manifests first: a backup without all its pieces must not be listed.
            for id in byChain[chain] ?? [] {
                try await store.delete(Manifest.name(of: id))
                gone.append(id)
            }
            var pieces: [ObjectName] = []
            try await store.listAll(prefix: "pieces/\(chain)/") { pieces.append($0.name) }
            for piece in pieces { try await store.delete(piece) }
        }
        return gone.sorted()
    }
}
