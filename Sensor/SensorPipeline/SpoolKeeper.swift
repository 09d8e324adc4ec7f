internal import Delivery
internal import Platform
internal import Ship
internal import Spool

/// The spool as both its sides see it: sealing keeps batches in it, shipping takes them out.
struct SpoolKeeper: BatchKeeper, BatchSource {
    let spool: Spool
    let time: any TimeSource
    let state: SensorState

    func keep(_ batch: SealedBatch) -> KeepOutcome {
        do throws(SpoolError) {
            let key = try spool.append(
                batch.body, rows: batch.rows, tally: batch.tally, sealedMilliseconds: time.wallMilliseconds())
            return .kept(key)
        } catch {
            switch error {
            case .full, .diskFull: return .full
            case .locked, .directory, .failed: return .failed(reason: "\(error)")
            }
        }
    }
    var fillFraction: Double {
        let usage = spool.usage
        return Double(usage.bytes) / Double(max(usage.bytesMax, 1))
    }

    func waiting(limit: Int, excluding: Set<BatchKey>) throws -> [WaitingBatch] {
        try spool.waiting(limit: limit, excluding: excluding).map {
            WaitingBatch(key: $0.key, digest: $0.digest, byteCount: $0.byteCount)
        }
    }
    func body(of key: BatchKey) throws -> [UInt8]? { try spool.body(of: key) }
    func acknowledge(_ keys: [BatchKey]) throws { try spool.acknowledge(keys) }
    func deadLetter(_ key: BatchKey, reason: String) throws {
        guard let tally = try spool.deadLetter(key, reason: reason) else { return }
        state.noteDeadLetter(tally)
    }
}
