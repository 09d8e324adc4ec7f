internal import Delivery

/// Who waits for what in a `SQLiteFlowLog`: appends for their commit, readers for news. A value without I/O, kept
/// behind a lock.
struct FlowLogState {
    /// An append and the way to answer it, exactly once.
    struct Waiting: Sendable {
        let batch: LogAppend
        let answer: @Sendable (Result<LogAppendResult, FlowLogError>) -> Void
    }
    /// A reader that wants a batch after `offset`; woken exactly once.
    struct Waiter: Sendable {
        let id: UInt64
        let offset: Int64
        let wake: @Sendable (Result<Void, FlowLogError>) -> Void
    }
    enum Enqueued { case startWriter, writerRuns, refused(FlowLogError) }

    /// The largest durable offset.
    var head: Int64 = 0
    var recent = RecentBatches(bytesMax: 0, head: 0)
    /// Set once, by a commit of unknown outcome.
    private(set) var failure: FlowLogError?
    private var waiting: [Waiting] = []
    private var waitingBytes = 0
    private var writerRuns = false
    private var waiters: [Waiter] = []
    private var waiterIDs: UInt64 = 0

    mutating func enqueue(_ append: Waiting, bytesMax: Int) -> Enqueued {
        if let failure { return .refused(failure) }
        let bytes = append.batch.body.count
        guard waiting.isEmpty || waitingBytes + bytes <= bytesMax else { return .refused(.busy) }
        waiting.append(append)
        waitingBytes += bytes
        if writerRuns { return .writerRuns }
        writerRuns = true
        return .startWriter
    }

    /// The appends of the next transaction, oldest first.
    mutating func takeGroup(bytesMax: Int, max: Int) -> [Waiting] {
        var bytes = 0, count = 0
        for append in waiting.prefix(max) {
            bytes += append.batch.body.count
            guard count == 0 || bytes <= bytesMax else { break }
            count += 1
        }
        let group = Array(waiting.prefix(count))
        waiting.removeFirst(count)
        waitingBytes -= group.reduce(0) { $0 + $1.batch.body.count }
        return group
    }

    /// - Returns: what tells the waiting readers (and, after a failure, the waiting appends), to be called without the
    ///   lock; and whether another group waits.
    mutating func finish(_ outcome: GroupOutcome, of group: [Waiting]) -> (tell: @Sendable () -> Void, again: Bool) {
        switch outcome {
        case .committed(let results, let newHead):
            head = newHead
            for case (let append, .appended(let offset)) in zip(group, results) {
                recent.note(append.batch, at: offset)
            }
            let awake = waiters.filter { $0.offset < newHead }
            waiters.removeAll { $0.offset < newHead }
            writerRuns = !waiting.isEmpty
            return ({ for waiter in awake { waiter.wake(.success(())) } }, writerRuns)
        case .failed(.full):
            writerRuns = !waiting.isEmpty
            return ({}, writerRuns)
        case .failed(let error): return (fail(error), false)
        }
    }
    /// Nothing is taken from now on.
    /// - Returns: what tells all that wait, to be called without the lock.
    mutating func fail(_ error: FlowLogError) -> @Sendable () -> Void {
        failure = error
        let refused = waiting, awake = waiters
        (waiting, waiters, waitingBytes, writerRuns) = ([], [], 0, false)
        return {
            for append in refused { append.answer(.failure(error)) }
            for waiter in awake { waiter.wake(.failure(error)) }
        }
    }
    /// Bytes that wait for the disk.
    var backlogBytes: Int { waitingBytes }

    mutating func nextWaiterID() -> UInt64 {
        waiterIDs += 1
        return waiterIDs
    }
    /// - Returns: the answer if there is one already; nil when the waiter waits.
    mutating func wait(_ waiter: Waiter, isCancelled: Bool) -> Result<Void, FlowLogError>? {
        if let failure { return .failure(failure) }
        if head > waiter.offset { return .success(()) }
        if isCancelled { return .failure(.cancelled) }
        waiters.append(waiter)
        return nil
    }
    mutating func removeWaiter(_ id: UInt64) -> Waiter? {
        waiters.firstIndex { $0.id == id }.map { waiters.remove(at: $0) }
    }
}

/// How a group's transaction ended.
enum GroupOutcome {
    /// A result for each append, in order.
    case committed([LogAppendResult], head: Int64)
    case failed(FlowLogError)

    func results(count: Int) -> [Result<LogAppendResult, FlowLogError>] {
        switch self {
        case .committed(let results, _): results.map { .success($0) }
        case .failed(let error): [Result<LogAppendResult, FlowLogError>](repeating: .failure(error), count: count)
        }
    }
}
