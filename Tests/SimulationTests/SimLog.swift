import Delivery
import Platform

/// The aggregator's end as its contract has it (`FlowLog`, `BatchIngest`): batches wait for a commit that makes them
/// durable together with their keys; an answer comes after it. A power cut takes what was not committed.
struct SimLog {
    struct Key: Hashable {
        let sensor: Int
        let key: BatchKey
    }
    /// A batch that waits for the next commit, and where its answer goes.
    struct Waiting {
        let key: Key
        let digest: BatchDigest
        let connection: Int
    }
    struct Answer {
        let waiting: Waiting
        let status: Int
        let digest: BatchDigest?
    }
    /// What is promised to sensors.
    private(set) var durable: [Key: BatchDigest] = [:]
    /// How often each batch was stored, whatever the keys say: more than once is a duplicate.
    private(set) var times: [BatchDigest: Int] = [:]
    private(set) var waiting: [Waiting] = []
    private(set) var repeats = 0

    mutating func take(_ batch: Waiting) { waiting.append(batch) }

    /// Commits what waits.
    mutating func commit() -> [Answer] {
        defer { waiting = [] }
        return waiting.map { batch in
            if let stored = durable[batch.key] {
                repeats += 1
                return Answer(waiting: batch, status: stored == batch.digest ? 200 : 409, digest: stored)
            }
            durable[batch.key] = batch.digest
            times[batch.digest, default: 0] += 1
            return Answer(waiting: batch, status: 200, digest: batch.digest)
        }
    }
    /// A sync failed, or the process or the power went: nobody hears of what waited.
    mutating func crash() { waiting = [] }
    /// The data disk is destroyed: an empty one takes its place.
    mutating func loseDisk() { (durable, times, waiting) = ([:], [:], []) }
}
