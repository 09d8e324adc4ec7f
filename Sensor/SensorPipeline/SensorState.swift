internal import FlowModel
internal import Forward
internal import Synchronization

/// What the sensor's threads tell each other and whoever asks: copies of ledgers, and a few flags.
final class SensorState: Sendable {
    /// What each receiver's thread has told last.
    private struct Received {
        var ledger = LedgerBook()
        var decoded = DecodeTotals()
        var interfaces = InterfaceTotals()
        var entriesLeftOut: UInt64 = 0
    }
    private let received = Mutex<[Received]>([])
    private let sealed = Mutex(LedgerBook())
    private let deadLettered = Mutex(Tally())
    private let fidelityNumber = Atomic<UInt8>(Fidelity.full.rawValue)
    let isStopping = Atomic(false)
    /// Batches and bytes that went into the spool since the start.
    let keptBatches = Atomic<UInt64>(0), keptBytes = Atomic<UInt64>(0)
    /// Copies sent to other collectors, by receiver: targets and counts.
    let forwarded = Mutex<[Int: [(target: String, counts: ForwardCounts)]]>([:])
    /// Why a receiver's thread has ended before its time.
    let intakeFailure = Mutex<String?>(nil)
    /// Connections closed because their last messages were malformed.
    let sessionsClosedAsMalformed = Atomic<UInt64>(0)

    /// To be called by the intake before it hands a window on, so that nothing is seen sealed before it was decoded.
    func publish(_ worker: borrowing SensorWorker, number: Int = 0) {
        let news = Received(
            ledger: worker.ledger, decoded: worker.decodeTotals, interfaces: worker.interfaces,
            entriesLeftOut: worker.entriesLeftOut)
        received.withLock { received in
            while received.count <= number { received.append(Received()) }
            received[number] = news
        }
    }
    var decoded: DecodeTotals { received.withLock { $0.reduce(into: DecodeTotals()) { $0.add($1.decoded) } } }
    /// Rows sealed without their further elements.
    var entriesLeftOut: UInt64 { received.withLock { $0.reduce(0) { $0 &+ $1.entriesLeftOut } } }
    /// An exporter's interfaces are one receiver's.
    var interfaces: [InterfaceTotals] { received.withLock { $0.map(\.interfaces) } }
    /// Of exporters whose clocks are off by `milliseconds` at least: how far they are ahead, in ms.
    func clockSkews(ofAtLeast milliseconds: UInt64) -> [ExporterKey: Int64] {
        var skews: [ExporterKey: Int64] = [:]
        for each in received.withLock({ $0 }) {
            for entry in each.ledger.entries {
                guard let skew = entry.health.skew.milliseconds, skew.magnitude >= milliseconds else { continue }
                skews[entry.key] = skew
            }
        }
        return skews
    }
    func publish(sealed ledger: LedgerBook) { sealed.withLock { $0 = ledger } }

    /// A sealed batch is lost after the ledgers' last line, and the spool no longer knows its exporters: one sum for
    /// all.
    func noteDeadLetter(_ tally: Tally) { deadLettered.withLock { $0 += tally } }
    var deadLetters: Tally { deadLettered.withLock { $0 } }

    /// The sealed part first: what it has, the received part, read later, has too.
    var ledger: LedgerBook {
        var sum = sealed.withLock { $0 }
        for each in received.withLock({ $0 }) { sum.add(each.ledger) }
        return sum
    }
    var fidelity: Fidelity {
        get { Fidelity(rawValue: fidelityNumber.load(ordering: .relaxed)) ?? .full }
        set { fidelityNumber.store(newValue.rawValue, ordering: .relaxed) }
    }
}
