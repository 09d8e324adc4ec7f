internal import Delivery
internal import FlowLog
internal import FlowModel
internal import Foundation
package import Identity
internal import Platform
internal import Synchronization

/// Batches of sensors in quarantine: durable, sealed, and in nobody's history until somebody lets them in. A file each,
/// `<tenant>/<site>:<name>/<epoch>.<sequence>.<digest>.<received>`.
///
/// Invariants: what `keep` calls kept is synced; nothing goes but by `remove`; there are never more than `bytesMax`
/// octets and `filesMax` files. Not here: whether a sensor is in quarantine (`SensorGate`).
package final class HeldBatches: Sendable {
    /// One batch that is held.
    struct Entry: Equatable, Sendable {
        let sensor: SensorIdentity, key: BatchKey, digest: BatchDigest
        let receivedMilliseconds: Int64
        let path: String, bytes: Int
    }
    enum Outcome: Equatable {
        case kept(isNew: Bool)
        case conflict(stored: BatchDigest)
        case full
        case failed(String)
    }
    enum Fault: Error {
        /// For ever.
        case damaged(String)
        /// Now.
        case unavailable(String)
    }
    private struct Files {
        var all: [String: Entry] = [:], bytes = 0
    }
    private static let filesMax = 65_536
    private let folder: String, bytesMax: Int, sealing: TenantSealing
    private let files: Mutex<Files>

    /// - Parameter folder: is made when it is first needed.
    package init(folder: String, bytesMax: Int = 1 << 30, sealing: TenantSealing = .none) {
        (self.folder, self.bytesMax, self.sealing) = (folder, bytesMax, sealing)
        var found = Files()
        for entry in Self.entries(in: folder) {
            found.all[Self.name(entry.sensor, entry.key)] = entry
            found.bytes += entry.bytes
        }
        files = Mutex(found)
    }

    func keep(_ batch: LogAppend) -> Outcome {
        let name = Self.name(batch.sensor, batch.key), context = Self.context(batch.key)
        return files.withLock { files in
            if let there = files.all[name] {
                return there.digest == batch.digest ? .kept(isNew: false) : .conflict(stored: there.digest)
            }
            do {
                let sealed = try sealing.seal(batch.body, batch.sensor.tenant, context)
                guard files.bytes + sealed.count <= bytesMax, files.all.count < Self.filesMax else { return .full }
                let own = "\(folder)/\(batch.sensor.tenant)/\(batch.sensor.site):\(batch.sensor.name)"
                let file = "\(batch.key.epoch).\(batch.key.sequence).\(batch.digest).\(batch.receivedMilliseconds)"
                try makeFolders(own)
                try placeFile("\(own)/\(file)", with: sealed, draft: "\(own)/\(file).part", replacing: true)
                files.bytes += sealed.count
                files.all[name] = Entry(
                    sensor: batch.sensor, key: batch.key, digest: batch.digest,
                    receivedMilliseconds: batch.receivedMilliseconds, path: "\(own)/\(file)", bytes: sealed.count)
                return .kept(isNew: true)
            } catch {
                return .failed("\(error)")
            }
        }
    }

    /// Those of sensors that are chosen, in the order they came.
    func entries(where isChosen: (SensorIdentity) -> Bool) -> [Entry] {
        files.withLock { $0.all.values.filter { isChosen($0.sensor) } }
            .sorted { ($0.receivedMilliseconds, $0.key.sequence) < ($1.receivedMilliseconds, $1.key.sequence) }
    }
    /// How many batches and octets are held of a sensor.
    package func held(of sensor: SensorIdentity) -> (batches: Int, bytes: Int) {
        files.withLock { files in
            let own = files.all.values.filter { $0.sensor == sensor }
            return (own.count, own.reduce(0) { $0 + $1.bytes })
        }
    }

    func read(_ entry: Entry) throws(Fault) -> LogAppend {
        let sealed: [UInt8], body: [UInt8]
        do { sealed = try readFile(entry.path, bytesMax: 8 << 20) } catch { throw .unavailable("\(error)") }
        do throws(TenantSealing.Fault) {
            body = try sealing.open(sealed, entry.sensor.tenant, Self.context(entry.key))
        } catch .unavailable(let reason) {
            throw .unavailable(reason)
        } catch {
            throw .damaged("\(error)")
        }
        guard BatchDigest(of: body) == entry.digest else { throw .damaged("its digest is another") }
        return LogAppend(
            sensor: entry.sensor, key: entry.key, digest: entry.digest,
            receivedMilliseconds: entry.receivedMilliseconds, rows: 0, tally: Tally(), body: body)
    }

    func remove(_ entry: Entry) {
        files.withLock { files in
            guard files.all.removeValue(forKey: Self.name(entry.sensor, entry.key)) != nil else { return }
            files.bytes -= entry.bytes
        }
        // A file that stays is offered again at the next start, and is a repeat then.
        _ = try? deleteFile(entry.path)
    }
    func discard(of sensor: SensorIdentity) -> Int {
        let own = files.withLock { $0.all.values.filter { $0.sensor == sensor } }
        for entry in own { remove(entry) }
        return own.count
    }

    // MARK: Names

    private static func name(_ sensor: SensorIdentity, _ key: BatchKey) -> String {
        "\(sensor.tenant)/\(sensor.site):\(sensor.name)/\(key)"
    }
    private static func context(_ key: BatchKey) -> String { "held \(key)" }

    private static func entries(in folder: String) -> [Entry] {
        let root = URL(fileURLWithPath: folder)
        let found = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.fileSizeKey])
        var all: [Entry] = []
        while let file = found?.nextObject() as? URL {  // ends: a folder has so many files
            let steps = file.pathComponents.suffix(3)
            guard steps.count == 3, let tenant = steps.first.flatMap({ TenantID($0) }) else { continue }
            let sensor = steps[steps.startIndex + 1].split(separator: ":", maxSplits: 1).map(String.init)
            let parts = file.lastPathComponent.split(separator: ".")
            guard sensor.count == 2, parts.count == 4, let epoch = Epoch(parts[0]), let sequence = UInt64(parts[1]),
                let digest = BatchDigest(parts[2]), let received = Int64(parts[3])
            else { continue }
            all.append(
                Entry(
                    sensor: SensorIdentity(tenant: tenant, site: sensor[0], name: sensor[1]),
                    key: BatchKey(epoch: epoch, sequence: sequence), digest: digest, receivedMilliseconds: received,
                    path: file.path, bytes: (try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize ?? 0))
        }
        return all
    }
}
