internal import Delivery
internal import Foundation
internal import Identity
internal import Platform
internal import Synchronization

/// Keeps batches that were refused because their key was taken by other bytes: evidence of a cloned sensor, a
/// rolled-back disk, or worse. A file each, `<tenant>/<site>.<name>.<epoch>.<sequence>.<digest>.batch`.
///
/// Bounded by bytes and by files: for a new one the oldest go, and are counted.
package final class Quarantine: Sendable {
    private struct Files {
        /// Oldest first.
        var all: [(path: String, bytes: Int)] = []
        var bytes = 0
    }
    private let folder: URL, bytesMax: Int, filesMax: Int
    private let files: Mutex<Files>

    /// What became of a batch.
    struct Outcome: Equatable {
        /// It is there, now or from before.
        let isKept: Bool
        /// Older ones that had to go.
        var dropped = 0
    }

    /// - Parameter folder: is made when it is first needed.
    package init(folder: String, bytesMax: Int = 256 << 20, filesMax: Int = 1_000) {
        self.folder = URL(fileURLWithPath: folder)
        self.bytesMax = bytesMax
        self.filesMax = filesMax
        files = Mutex(Self.files(in: self.folder))
    }

    func keep(_ body: [UInt8], sensor: SensorIdentity, key: BatchKey, digest: BatchDigest) -> Outcome {
        let name = "\(sensor.site).\(sensor.name).\(key.epoch).\(key.sequence).\(digest).batch"
        let own = folder.appendingPathComponent(sensor.tenant.rawValue), file = own.appendingPathComponent(name)
        return files.withLock { files in
            if FileManager.default.fileExists(atPath: file.path) { return Outcome(isKept: true) }
            guard body.count <= bytesMax else { return Outcome(isKept: false) }
            let dropped = makeRoom(for: body.count, in: &files)
            do {
                try FileManager.default.createDirectory(
                    at: own, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                try replaceFile(file.path, with: body)
            } catch {
                return Outcome(isKept: false, dropped: dropped)
            }
            files.all.append((file.path, body.count))
            files.bytes += body.count
            return Outcome(isKept: true, dropped: dropped)
        }
    }
    private func makeRoom(for bytes: Int, in files: inout Files) -> Int {
        var dropped = 0
        while let oldest = files.all.first, files.all.count >= filesMax || files.bytes + bytes > bytesMax {
            try? FileManager.default.removeItem(atPath: oldest.path)
            files.all.removeFirst()
            files.bytes -= oldest.bytes
            dropped += 1
        }
        return dropped
    }

    private static func files(in folder: URL) -> Files {
        let keys: Set<URLResourceKey> = [.fileSizeKey, .contentModificationDateKey, .isRegularFileKey]
        let found = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: Array(keys))
        var all: [(path: String, bytes: Int, changed: Date)] = []
        while let file = found?.nextObject() as? URL {
            guard let values = try? file.resourceValues(forKeys: keys), values.isRegularFile == true else { continue }
            all.append((file.path, values.fileSize ?? 0, values.contentModificationDate ?? .distantPast))
        }
        all.sort { ($0.changed, $0.path) < ($1.changed, $1.path) }
        return Files(all: all.map { ($0.path, $0.bytes) }, bytes: all.reduce(0) { $0 + $1.bytes })
    }
}
