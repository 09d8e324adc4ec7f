internal import Delivery
internal import Foundation
internal import Identity
internal import Synchronization

/// Keeps batches that were refused because their key was taken by other bytes: evidence of a cloned sensor, a
/// rolled-back disk, or worse. A file each, `<tenant>/<site>.<name>.<epoch>.<sequence>.<digest>.batch`.
///
/// Bounded: when `bytesMax` is reached the newest are not kept (only counted), so that what began the trouble stays.
package final class Quarantine: Sendable {
    private let folder: URL, bytesMax: Int
    private let bytes: Mutex<Int>

    /// - Parameter folder: is made when it is first needed.
    package init(folder: String, bytesMax: Int = 256 << 20) {
        self.folder = URL(fileURLWithPath: folder)
        self.bytesMax = bytesMax
        bytes = Mutex(Self.bytes(in: self.folder))
    }

    /// - Returns: whether the body is kept, now or from before.
    func keep(_ body: [UInt8], sensor: SensorIdentity, key: BatchKey, digest: BatchDigest) -> Bool {
        let name = "\(sensor.site).\(sensor.name).\(key.epoch).\(key.sequence).\(digest).batch"
        let own = folder.appendingPathComponent(sensor.tenant.rawValue), file = own.appendingPathComponent(name)
        return bytes.withLock { bytes in
            if FileManager.default.fileExists(atPath: file.path) { return true }
            guard body.count <= bytesMax - bytes else { return false }
            do {
                try FileManager.default.createDirectory(
                    at: own, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                try Data(body).write(to: file, options: .atomic)
            } catch {
                return false
            }
            bytes += body.count
            return true
        }
    }

    private static func bytes(in folder: URL) -> Int {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.fileSizeKey])
        var sum = 0
        while let file = files?.nextObject() as? URL {
            sum += (try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize ?? 0
        }
        return sum
    }
}
