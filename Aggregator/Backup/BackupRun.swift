package import DataKeys
internal import Foundation
internal import GRDB
internal import ObjectStore
package import Platform
internal import Settings

/// Makes one backup of a data folder. Beside a running service, in its process or in another.
package struct BackupRun: Sendable {
    /// What came of it.
    package struct Report: Codable, Equatable, Sendable {
        package var id: String
        package var isFull: Bool
        package var takenMilliseconds: Int64
        package var files: Int
        /// Of all files together.
        package var bytes: Int
        /// Files that were as at the former backup and were not read.
        package var filesUnchanged: Int
        /// What this backup brought to the target: pieces that no former one of the chain had.
        package var piecesNew: Int
        package var bytesNew: Int
        /// Files that retention deleted meanwhile.
        package var filesGone: Int
        package var seconds: Double
        /// Why it is full although it was not asked to be.
        package var note: String?
    }
    private struct Chain {
        var pieces: PieceStore
        var key: WrappedKey
        var former: Manifest?
        var formerDigest: ObjectDigest?
        var note: String?
    }

    private let folder: String
    private let target: BackupTarget
    private let keys: KeyFile
    private let wrapper: any KeyWrapper
    private let time: any TimeSource
    private let newKey: @Sendable () -> [UInt8]

    /// - Parameters:
    ///   - folder: the data folder.
    ///   - keys: its wrapped keys.
    ///   - wrapper: wraps the backup's own key.
    ///   - random: makes that key.
    package init(
        folder: String, target: BackupTarget, keys: KeyFile, wrapper: any KeyWrapper, time: any TimeSource,
        random: some RandomNumberGenerator & Sendable
    ) {
        self.folder = folder
        self.target = target
        self.keys = keys
        self.wrapper = wrapper
        self.time = time
        newKey = {
            var random = random
            return (0..<DataKey.keyBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        }
    }

    /// - Parameters:
    ///   - full: builds on no former backup and begins a chain with a key of its own.
    ///   - progress: called with the octets done, from any task.
    package func run(
        full: Bool, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> Report {
        let start = time.monotonic(), taken = time.wallMilliseconds(), id = Manifest.id(taken)
        let chain = try await chain(full: full, id: id)
        var report = Report(
            id: id, isFull: chain.former == nil, takenMilliseconds: taken, files: 0, bytes: 0, filesUnchanged: 0,
            piecesNew: 0, bytesNew: 0, filesGone: 0, seconds: 0, note: chain.note)
        // Keys before what they seal: data without its key would be a loss, a key without data is none.
        let escrow = try await KeyEscrow(target.store).update(
            from: keys, known: chain.former?.keys ?? [], destroyedBefore: chain.former?.destroyed ?? [])
        var files: [Manifest.File] = []
        for path in NodeFiles.all(in: folder) {
            guard let file = try await copy(path, chain, &report) else {
                report.filesGone += 1
                continue
            }
            files.append(file)
            report.files += 1
            report.bytes += file.bytes
            progress(report.bytes)
        }
        let manifest = Manifest(
            id: id, chain: chain.pieces.chain,
            previous: chain.former.flatMap { former in
                chain.formerDigest.map { Manifest.Previous(id: former.id, sha256: $0) }
            }, takenMilliseconds: taken, key: chain.key, files: files, keys: escrow.keys, destroyed: escrow.destroyed)
        let name = try Manifest.name(of: id)
        guard try await target.store.put(name, try manifest.encoded(chain.pieces.key), onlyIfAbsent: true) else {
            throw BackupError.concurrent(name.text)
        }
        report.seconds = (time.monotonic() - start).seconds
        return report
    }

    // MARK: The chain

    private func chain(full: Bool, id: String) async throws -> Chain {
        guard !full else { return try newChain(id, note: nil) }
        let former: String
        do {
            former = try await target.newest()
        } catch BackupError.noBackup {
            return try newChain(id, note: "it is the first here")
        }
        do {
            let (manifest, octets) = try await target.read(former)
            let key = try target.key(manifest, octets, wrapper: wrapper)
            return Chain(
                pieces: PieceStore(store: target.store, chain: manifest.chain, key: key), key: manifest.key,
                former: manifest, formerDigest: ObjectDigest(of: octets))
        } catch let error as BackupError {
            return try newChain(id, note: "the former one can't be built on: \(error)")
        } catch DataKeyError.wrappingKey(let reason) {
            return try newChain(id, note: "the former one was made with another wrapping key: \(reason)")
        }
    }

    private func newChain(_ id: String, note: String?) throws -> Chain {
        let secret = Secret(newKey())
        guard let key = DataKey(secret, version: 1, owner: .backup) else { throw BackupError.storage("no key") }
        return Chain(
            pieces: PieceStore(store: target.store, chain: id, key: key),
            key: try wrapper.wrap(secret, version: 1, owner: .backup), note: note)
    }

    // MARK: A file

    /// Nil when the file is gone meanwhile.
    private func copy(_ path: String, _ chain: Chain, _ report: inout Report) async throws -> Manifest.File? {
        let source = "\(folder)/\(path)"
        guard let mark = FileMark(source) else { return nil }
        let former = chain.former?.files.first { $0.path == path }
        if let former, let taken = chain.former?.takenMilliseconds, former.mark == mark, mark.isSettled(at: taken) {
            report.filesUnchanged += 1
            return former
        }
        let drafts = "\(folder)/\(NodeFiles.draftFolder)"
        try makeFolders(drafts)
        let draft = "\(drafts)/\(UUID().uuidString)"
        defer {
            _ = try? deleteFile(draft)
            _ = try? deleteEmptyFolder(drafts)
        }
        do {
            try NodeFiles.snapshot(source, to: draft)
        } catch  where fileStatus(source) == nil {
            return nil
        } catch {
            throw BackupError.storage("\(path): \(error)")
        }
        return try await cut(draft, as: path, mark, known: former?.pieces ?? [], chain, &report)
    }

    private func cut(
        _ draft: String, as path: String, _ mark: FileMark, known: [Manifest.Piece], _ chain: Chain,
        _ report: inout Report
    ) async throws -> Manifest.File {
        let bytes = fileStatus(draft)?.bytes ?? 0, count = (bytes + Backup.pieceBytes - 1) / Backup.pieceBytes
        let knownByName = Dictionary(known.map { ($0.name, $0) }) { first, _ in first }
        let pieces = chain.pieces
        // Two passes over the draft: the pieces some at a time, the whole file's hash in order.
        let stored = try await inOrder(count, atOnce: Backup.piecesAtOnce) { index in
            let start = index * Backup.pieceBytes
            let content = try readFile(draft, range: start..<min(start + Backup.pieceBytes, bytes))
            if let piece = knownByName[pieces.key.name(of: content)] { return (piece, false) }
            return (try await pieces.put(content), true)
        }
        var hash = ObjectDigest.Running()
        for start in stride(from: 0, to: bytes, by: Backup.pieceBytes) {
            hash.add(try readFile(draft, range: start..<min(start + Backup.pieceBytes, bytes)))
        }
        for (piece, isNew) in stored where isNew {
            report.piecesNew += 1
            report.bytesNew += piece.bytes
        }
        return Manifest.File(path: path, bytes: bytes, sha256: hash.finish(), pieces: stored.map(\.0), mark: mark)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
