package import DataKeys
internal import ObjectStore
package import Platform

/// Reads backups back and compares every octet with what their manifests say.
package struct VerifyRun: Sendable {
    /// What came of it.
    package struct Report: Codable, Equatable, Sendable {
        package var backups: Int
        package var files: Int
        package var pieces: Int
        package var bytes: Int
        /// Whether pieces were opened and the files' own hashes compared too.
        package var isDeep: Bool
        /// What is damaged or missing, by name; empty: all is as it was.
        package var problems: [String]
        package var seconds: Double
    }
    private let target: BackupTarget
    private let wrapper: (any KeyWrapper)?
    private let time: any TimeSource

    /// - Parameter wrapper: opens the pieces and checks the manifests' signatures; without it only what is stored is
    ///   compared, which needs no key.
    package init(target: BackupTarget, wrapper: (any KeyWrapper)?, time: any TimeSource) {
        self.target = target
        self.wrapper = wrapper
        self.time = time
    }

    /// - Parameter id: nil: all backups, each piece once.
    package func run(id: String? = nil, progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> Report {
        let start = time.monotonic(), ids = try await target.ids()
        guard !ids.isEmpty else { throw BackupError.noBackup("\(target.store) has no backup") }
        var report = Report(
            backups: 0, files: 0, pieces: 0, bytes: 0, isDeep: wrapper != nil, problems: [], seconds: 0)
        var seen: Set<String> = [], keys: (rows: [KeyFile.Row], destroyed: [String]) = ([], [])
        do {
            keys = try await KeyEscrow(target.store).load()
        } catch let error as BackupError {
            report.problems.append("\(error)")
        }
        for each in id.map({ [$0] }) ?? ids {
            do {
                let manifest = try await check(each, &report, &seen, progress)
                report.problems += KeyEscrow.problems(manifest, keys)
            } catch let error as BackupError {
                report.problems.append("\(error)")
            } catch DataKeyError.wrappingKey(let reason) {
                report.problems.append("\(each): \(reason)")
            }
        }
        report.seconds = (time.monotonic() - start).seconds
        return report
    }

    private func check(
        _ id: String, _ report: inout Report, _ seen: inout Set<String>, _ progress: @Sendable (Int) -> Void
    ) async throws -> Manifest {
        let (manifest, octets) = try await target.read(id)
        let key = try wrapper.map { try target.key(manifest, octets, wrapper: $0) }
        report.backups += 1
        if let previous = manifest.previous { try await checkLink(previous, of: id, &report) }
        for file in manifest.files {
            report.files += 1
            // The same pieces in the same order are the same file.
            let mark = manifest.chain + file.sha256.hex + file.pieces.map(\.name).joined()
            guard seen.insert(ObjectDigest(of: Array(mark.utf8)).hex).inserted else { continue }
            try await check(file, of: manifest, key, &report, &seen)
            progress(report.bytes)
        }
        return manifest
    }

    private func checkLink(_ previous: Manifest.Previous, of id: String, _ report: inout Report) async throws {
        do {
            let (_, octets) = try await target.read(previous.id)
            if ObjectDigest(of: octets) != previous.sha256 {
                report.problems.append("\(id): the former backup \(previous.id) is not the one it was built on")
            }
        } catch ObjectStoreError.notFound {
            report.problems.append("\(id): the former backup \(previous.id) is missing")
        }
    }

    private func check(
        _ file: Manifest.File, of manifest: Manifest, _ key: DataKey?, _ report: inout Report, _ seen: inout Set<String>
    ) async throws {
        let store = target.store, pieces = key.map { PieceStore(store: store, chain: manifest.chain, key: $0) }
        var hash = ObjectDigest.Running(), isSound = true
        for first in stride(from: 0, to: file.pieces.count, by: Backup.piecesAtOnce) {
            let some = Array(file.pieces[first..<min(first + Backup.piecesAtOnce, file.pieces.count)])
            // Without a key a piece that was seen needs no second look; with one the file's hash needs them all.
            let wanted = some.filter { pieces != nil || !seen.contains(manifest.chain + $0.name) }
            let results = try await inOrder(wanted.count, atOnce: Backup.piecesAtOnce) { index in
                try await Self.content(wanted[index], of: file.path, manifest, pieces, store)
            }
            for (piece, result) in zip(wanted, results) {
                if seen.insert(manifest.chain + piece.name).inserted {
                    report.pieces += 1
                    report.bytes += piece.bytes
                    if case .failure(let error) = result { report.problems.append("\(error)") }
                }
                if case .success(let content) = result { hash.add(content) } else { isSound = false }
            }
        }
        if key != nil, isSound, hash.finish() != file.sha256 {
            report.problems.append("\(manifest.id): \(BackupError.damagedFile(file.path))")
        }
    }

    private static func content(
        _ piece: Manifest.Piece, of file: String, _ manifest: Manifest, _ pieces: PieceStore?, _ store: any ObjectStore
    ) async throws -> Result<[UInt8], BackupError> {
        do {
            if let pieces { return .success(try await pieces.get(piece, of: file)) }
            return .success(
                try await PieceStore.fetch(piece, of: file, name: manifest.name(of: piece), from: store))
        } catch let error as BackupError {
            return .failure(error)
        }
    }
}
