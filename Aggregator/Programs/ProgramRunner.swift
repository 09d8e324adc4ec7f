/// A program kept running: one thread, one process at a time, restarts. The shell around `ProgramSession`.
///
/// Invariants: no caller waits; each batch that `offer` took comes back once from `takeOutcomes`, in order; what it
/// didn't take is counted as `full`. Waiting batches outlive a restart, those a process had do not.
package import FlowModel
package import Platform
internal import Synchronization

package struct ProgramCounts: Equatable, Sendable {
    package var starts: UInt64 = 0
    package var batchesAnswered: UInt64 = 0, recordsSent: UInt64 = 0, answers: UInt64 = 0
    package var batchesLost: [ProgramFault: UInt64] = [:]
    /// Ends of processes.
    package var faults: [ProgramFault: UInt64] = [:]
    package var refusals: [ProgramRefusal: UInt64] = [:]
    /// Lines of standard error that were over the limit.
    package var logsDropped: UInt64 = 0
    package init() {}
}

package final class ProgramRunner: Sendable {
    struct Shared {
        /// A mark each, oldest first.
        var waiting: [WaitingRecords] = []
        var waitingOctets = 0
        var outcomes: [ProgramOutcome] = []
        var hello: ProgramHello?
        var subscription: ProgramSubscription?
        var state: String?
        var counts = ProgramCounts()
        var isStopping = false
        /// The process of now has said hello.
        var isServing = false
        var lastEnd: ProgramEnd?
    }
    /// Of outcomes that nobody has taken, and of octets that wait.
    package static let outcomesMax = 256, waitingOctetsMax = 16 << 20

    let program: ProgramDescription
    let plan: SandboxPlan
    let time: any TimeSource
    let log: @Sendable (ProgramLog) -> Void
    let waker: Waker
    let shared: Mutex<Shared>
    private let thread = Mutex<SystemThread?>(nil)

    /// - Parameters:
    ///   - state: what it said before a checkpoint.
    ///   - log: called from the program's thread; must not wait.
    /// - Throws: when the process has no descriptors left.
    package init(
        _ program: ProgramDescription, plan: SandboxPlan, state: String? = nil, time: any TimeSource,
        log: @escaping @Sendable (ProgramLog) -> Void
    ) throws(SystemError) {
        (self.program, self.plan, self.time, self.log) = (program, plan, time, log)
        waker = try Waker()
        var first = Shared()
        first.state = state
        shared = Mutex(first)
    }

    /// Its thread holds the runner until `stop`. Call once.
    package func start() throws(SystemThread.Unavailable) {
        for notice in plan.notices { log(ProgramLog(level: .warning, message: notice)) }
        let started = try SystemThread { [self] in keepRunning() }
        thread.withLock { $0 = started }
    }
    /// Ends the program, at the latest after the grace of `ProgramLimit`, and waits for that. What has no answer then
    /// is lost as `ended`.
    package func stop() {
        shared.withLock { $0.isStopping = true }
        waker.wake()
        thread.withLock { held in
            held?.join()
            held = nil
        }
    }

    // MARK: Batches

    /// What the program wants; nil before its first hello.
    package var subscription: ProgramSubscription? { shared.withLock { $0.subscription } }
    package var hello: ProgramHello? { shared.withLock { $0.hello } }

    /// Offers records. They are kept as they are, and encoded by the program's thread when it is their turn; they may
    /// wait for the first hello.
    /// - Returns: false when there was no room: nothing more comes for this mark.
    package func offer(_ columns: FlowColumns, mark: Int64) -> Bool { offer(WaitingRecords(columns, mark: mark)) }
    /// Offers the batches of one mark, all or none, to a program that has said hello.
    package func offer(_ batches: [ProgramBatch]) -> Bool {
        guard let waiting = WaitingRecords(batches) else { return true }
        return offer(waiting)
    }
    private func offer(_ waiting: WaitingRecords) -> Bool {
        let isTaken = shared.withLock { shared in
            guard shared.hasRoom, shared.hello != nil || waiting.columns != nil else {
                shared.counts.batchesLost[.full, default: 0] += 1
                return false
            }
            shared.waiting.append(waiting)
            shared.waitingOctets += waiting.octets
            return true
        }
        if isTaken { waker.wake() }
        return isTaken
    }
    /// Whether an offer would be taken now.
    package var hasRoom: Bool { shared.withLock { $0.hasRoom } }
    package func takeOutcomes() -> [ProgramOutcome] {
        shared.withLock { shared in
            defer { shared.outcomes = [] }
            return shared.outcomes
        }
    }
    package var counts: ProgramCounts { shared.withLock { $0.counts } }
    /// Whether a process runs that has said hello.
    package var isServing: Bool { shared.withLock { $0.isServing } }
    /// Why the last process ended; nil while none has.
    package var lastEnd: ProgramEnd? { shared.withLock { $0.lastEnd } }
}

/// How a process ended, for people.
package struct ProgramEnd: Equatable, Sendable {
    package var fault: ProgramFault
    package var detail: String
    /// ms since 1970 UTC.
    package var time: Int64
}

extension ProgramRunner.Shared {
    var hasRoom: Bool {
        !isStopping && waiting.count < ProgramLimit.batchesWaitingMax
            && waitingOctets < ProgramRunner.waitingOctetsMax && outcomes.count < ProgramRunner.outcomesMax
    }
    /// Gives up all that waits.
    mutating func loseWaiting(_ fault: ProgramFault) {
        for one in waiting { note(ProgramOutcome(one.placeholder, .lost(fault), state: state)) }
        (waiting, waitingOctets) = ([], 0)
    }
    mutating func note(_ outcome: ProgramOutcome) {
        switch outcome.result {
        case .answered(let answers, _):
            counts.batchesAnswered += 1
            counts.recordsSent += UInt64(outcome.records)
            counts.answers += UInt64(answers.count)
        case .lost(let fault): counts.batchesLost[fault, default: 0] += 1
        }
        outcomes.append(outcome)
    }
}
