internal import Synchronization

/// Does what takes seconds of a processor on a thread of its own: tasks' threads are few, and others wait for them.
package func onThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
    let started = Mutex<SystemThread?>(nil)
    let value = await withCheckedContinuation { continuation in
        do throws(SystemThread.Unavailable) {
            let thread = try SystemThread { continuation.resume(returning: work()) }
            started.withLock { $0 = thread }
        } catch {
            continuation.resume(returning: work())
        }
    }
    started.withLock { $0 }?.join()
    return value
}
