internal import DataKeys
internal import ObjectStore
internal import Platform

/// The pieces of one chain at a target.
///
/// A piece is sealed with a nonce that is taken from its own keyed digest, so the same content is the same object: a
/// backup that is made again, or crashes and begins anew, writes nothing twice and never changes what an earlier
/// manifest names.
struct PieceStore: Sendable {
    let store: any ObjectStore
    let chain: String
    let key: DataKey

    /// Brings `content` there unless it is there.
    func put(_ content: [UInt8]) async throws -> Manifest.Piece {
        let name = key.name(of: content)
        let nonce = Array(hexOctets(name).prefix(DataKey.nonceBytes))
        let sealed = try key.seal(content, nonce: nonce, context: "piece/\(name)")
        let digest = ObjectDigest(of: sealed), object = try objectName(name)
        if try await !store.put(object, sealed, digest: digest, onlyIfAbsent: true) {
            // Damaged at the target: this is what it was.
            try await store.put(object, sealed, digest: digest, onlyIfAbsent: false)
        }
        return Manifest.Piece(name: name, sha256: digest, bytes: sealed.count)
    }

    /// - Throws: `BackupError.damagedPiece`, naming the piece.
    func get(_ piece: Manifest.Piece, of file: String) async throws -> [UInt8] {
        let sealed = try await Self.fetch(piece, of: file, name: objectName(piece.name), from: store)
        do throws(DataKeyError) {
            let content = try key.open(sealed, context: "piece/\(piece.name)")
            guard key.name(of: content) == piece.name else { throw .damaged(context: piece.name) }
            return content
        } catch {
            throw BackupError.damagedPiece(name: piece.name, file: file, "\(error)")
        }
    }

    /// The stored octets, equal to what the manifest says of them.
    static func fetch(
        _ piece: Manifest.Piece, of file: String, name: ObjectName, from store: any ObjectStore
    ) async throws -> [UInt8] {
        let sealed: [UInt8]
        do throws(ObjectStoreError) {
            sealed = try await store.get(name)
        } catch {
            guard case .notFound = error else { throw error }
            throw BackupError.damagedPiece(name: piece.name, file: file, "it is missing")
        }
        guard sealed.count == piece.bytes, ObjectDigest(of: sealed) == piece.sha256 else {
            throw BackupError.damagedPiece(name: piece.name, file: file, "its SHA-256 is not the manifest's")
        }
        return sealed
    }

    private func objectName(_ name: String) throws -> ObjectName {
        try ObjectName("pieces/\(chain)/\(name.prefix(2))/\(name)")
    }
    private func hexOctets(_ text: String) -> [UInt8] {
        let digits = text.utf8.map { $0 > 57 ? $0 - 87 : $0 - 48 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// Calls `body` for 0..<count, some at a time, and gives the results in order.
func inOrder<Value: Sendable>(
    _ count: Int, atOnce: Int, _ body: @escaping @Sendable (Int) async throws -> Value
) async throws -> [Value] {
    try await withThrowingTaskGroup(of: (Int, Value).self) { group in
        var results: [Int: Value] = [:], next = 0
        while next < min(atOnce, count) {
            let index = next
            group.addTask { (index, try await body(index)) }
            next += 1
        }
        while let (index, value) = try await group.next() {
            results[index] = value
            guard next < count else { continue }
            let index = next
            group.addTask { (index, try await body(index)) }
            next += 1
        }
        return (0..<count).compactMap { results[$0] }
    }
}
