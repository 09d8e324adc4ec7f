import Delivery
import FlowModel
import HTTP2Client
import Platform
import Ship
import Spool
import TestKit

/// A sensor of the simulation: the real spool on a simulated disk, the real `ShipCore`, and what it has promised.
final class SimSensor {
    struct Violation: Error, CustomStringConvertible {
        let description: String
    }
    let name: Int
    let disk = SimDisk()
    private let clock: ManualTime
    private let epochs: Locked<SeededGenerator>
    /// Nil while the process is down.
    private(set) var spool: Spool?
    var core: ShipCore
    /// The connection that is open or being made, by a number that is never used again.
    var connection: Int?, isOpen = false
    var onTheWay: Set<BatchKey> = []

    /// Batches whose append returned well, for ever.
    private(set) var promised: [BatchKey: BatchDigest] = [:]
    /// Bodies whose append returned badly: they must never be heard of again.
    private(set) var refused: Set<BatchDigest> = []
    /// Batches that bit flips, or the disk's own damage, have hit.
    private(set) var hit: Set<BatchKey> = []
    /// What the spool counted as damaged, over all runs.
    var damagedBatches: Int { before.damagedBatches + (spool?.usage.damagedBatches ?? 0) }
    /// Files that had no end when they were opened: of damage to the last batches nothing else tells.
    var tornFiles: Int { before.tornFiles + (spool?.usage.tornFiles ?? 0) }
    private var before = (damagedBatches: 0, tornFiles: 0)
    static let togetherMax = 3
    private(set) var failedOpenings = 0
    private var serial = 0

    init(_ name: Int, clock: ManualTime, seed: UInt64) throws {
        self.name = name
        self.clock = clock
        epochs = Locked(SeededGenerator(seed: seed))
        core = ShipCore(settings: ShipWorld.settings(), seed: seed)
        try start(seed: seed)
    }

    // MARK: The process

    /// - Throws: what kept the spool from opening, but for faults of the disk, after which another try may follow.
    func start(seed: UInt64) throws {
        core = ShipCore(settings: ShipWorld.settings(), seed: seed)
        (connection, isOpen, onTheWay) = (nil, false, [])
        // What can't be read at the start is set aside and counted, as damage is: that is another test's.
        disk.state.with { $0.fault = nil }
        let epochs = epochs
        do throws(SpoolError) {
            spool = try Spool(
                directory: "spool", bytesMax: 1 << 20, tail: SpoolTail(age: .seconds(86_400), bytesMax: 1 << 20),
                time: clock, disk: disk
            ) { epochs.with { Epoch(using: &$0) } }
        } catch {
            failedOpenings += 1
            guard case .directory = error else { throw Violation(description: "the spool doesn't open: \(error)") }
        }
    }
    /// The process ends at once; with `cut` the power goes as well, and what was not synced may be torn.
    func crash(cut: Bool, _ generator: inout SeededGenerator) {
        before = (damagedBatches, tornFiles)
        spool = nil
        if cut { disk.cutPower(&generator, keeping: Bool.random(using: &generator)) } else { disk.killProcess() }
        (connection, isOpen, onTheWay) = (nil, false, [])
    }

    /// The disk as it was when it was last looked at, or a look at it for the next time. What was promised since and
    /// had not arrived is gone with the disk; all that waited then waits again.
    func takeBack(stored: Set<BatchKey>) {
        guard let image else {
            image = (disk.image(), Set(promised.keys))
            return
        }
        disk.restore(image.disk)
        lostWithDisk.formUnion(Set(promised.keys).subtracting(image.promised).subtracting(stored))
        promised = promised.filter { image.promised.contains($0.key) || stored.contains($0.key) }
        self.image = nil
        rollbacks += 1
    }
    private var image: (disk: SimDisk.Image, promised: Set<BatchKey>)?
    private(set) var rollbacks = 0
    /// Keys that were given out and are known to nobody: they must not come again for other batches.
    private var lostWithDisk: Set<BatchKey> = []

    // MARK: The spool

    func append(_ generator: inout SeededGenerator) throws {
        guard let spool else { return }
        let batches = (0..<Int.random(in: 1...Self.togetherMax, using: &generator)).map { _ in
            serial += 1
            let count = Int.random(in: 16...3_000, using: &generator)
            return SpoolAppend(
                body: word(UInt64(name)) + word(UInt64(serial)) + [UInt8](repeating: UInt8(serial & 255), count: count),
                rows: 1, tally: Tally(flows: 1), sealedMilliseconds: clock.wallMilliseconds())
        }
        for (batch, result) in zip(batches, spool.append(batches)) {
            let digest = BatchDigest(of: batch.body)
            switch result {
            case .success(let key):
                guard promised.updateValue(digest, forKey: key) == nil, !lostWithDisk.contains(key) else {
                    throw Violation(description: "\(key) was used twice")
                }
            case .failure:
                // Without room for a new ledger a file that failed can't be told from others after a power cut.
                if spool.usage.ledgerFailures == 0 { refused.insert(digest) }
            }
        }
    }
    private func word(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

    /// Turns a bit in a file of the spool while the process is down, in a body: which batch it was is found by looking.
    func flipBit(_ generator: inout SeededGenerator) {
        let names = disk.allNames().filter { $0.hasSuffix(".spool") && $0.hasPrefix("spool/segment-") }
        guard let name = names.randomElement(using: &generator), let bytes = disk.bytes(name), bytes.count > 192 else {
            return
        }
        let place = Int.random(in: 64..<bytes.count, using: &generator),
            bit = UInt8(1) << UInt8.random(in: 0...7, using: &generator)
        disk.change(name) { $0[place] ^= bit }
        // Any batch of the file may be the one: which one is not worth knowing here, that others are whole is.
        for (key, digest) in promised where holds(bytes, digest) { hit.insert(key) }
    }
    private func holds(_ bytes: [UInt8], _ digest: BatchDigest) -> Bool {
        let wanted = digest.octets
        guard let first = wanted.first else { return false }
        return bytes.indices.contains { index in
            bytes[index] == first && index + 32 <= bytes.count && bytes[index..<(index + 32)].elementsEqual(wanted)
        }
    }
}
