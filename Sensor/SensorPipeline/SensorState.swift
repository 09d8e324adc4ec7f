internal import FlowModel
internal import Synchronization

/// What the sensor's threads tell each other and whoever asks: copies of ledgers, and a few flags.
final class SensorState: Sendable {
    /// One for each intake thread.
    private let received = Mutex<[LedgerBook]>([])
    private let sealed = Mutex(LedgerBook())
    private let deadLettered = Mutex(Tally())
    private let fidelityNumber = Atomic<UInt8>(Fidelity.full.rawValue)
    let isStopping = Atomic(false)
    /// Batches and bytes that went into the spool since the start.
    let keptBatches = Atomic<UInt64>(0), keptBytes = Atomic<UInt64>(0)
    let templatesLearned = Atomic<UInt64>(0)

    /// To be called by the intake before it hands a window on, so that nothing is seen sealed before it was decoded.
    func publish(received ledger: LedgerBook, worker: Int = 0) {
        received.withLock { books in
            while books.count <= worker { books.append(LedgerBook()) }
            books[worker] = ledger
        }
    }
    func publish(sealed ledger: LedgerBook) { sealed.withLock { $0 = ledger } }

    /// A sealed batch is lost after the ledgers' last line, and the spool no longer knows its exporters: one sum for
    /// all.
    func noteDeadLetter(_ tally: Tally) { deadLettered.withLock { $0 += tally } }
    var deadLetters: Tally { deadLettered.withLock { $0 } }

    /// The sealed part first: what it has, the received part, read later, has too.
    var ledger: LedgerBook {
        var sum = sealed.withLock { $0 }
        for book in received.withLock({ $0 }) { sum.add(book) }
        return sum
    }
    var fidelity: Fidelity {
        get { Fidelity(rawValue: fidelityNumber.load(ordering: .relaxed)) ?? .full }
        set { fidelityNumber.store(newValue.rawValue, ordering: .relaxed) }
    }
}
