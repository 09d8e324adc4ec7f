internal import Glibc
internal import Synchronization

/// Threads that tasks can prefer (`withTaskExecutorPreference`) for long work: Swift's own pool has one thread a core,
/// and what is quick would wait behind it. They last as long as the process.
@safe package final class WorkThreads: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    /// Counts jobs that no thread has taken.
    private nonisolated(unsafe) let ready: UnsafeMutablePointer<sem_t>

    /// - Parameter niceness: 0...19, how much they give way to others where there are more threads than cores.
    /// - Throws: when the system has no more threads; those that were begun stay.
    package init(count: Int, niceness: Int32) throws(SystemThread.Unavailable) {
        unsafe ready = .allocate(capacity: 1)
        unsafe sem_init(ready, 0, 0)
        for _ in 0..<max(count, 1) {
            _ = try SystemThread { [self] in
                _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, niceness)  // of this thread alone, on Linux
                run()
            }
        }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        _ = unsafe sem_post(ready)
    }

    private func run() {
        while true {  // ends with the process
            guard unsafe sem_wait(ready) == 0 else { continue }  // interrupted by a signal
            let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            if let job { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }
}
