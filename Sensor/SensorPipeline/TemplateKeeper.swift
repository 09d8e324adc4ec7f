internal import Logging
internal import Platform
internal import Synchronization

/// The templates of all receivers on disk, saved while the sensor runs, so that a restart costs no minutes of data sets
/// without a template. One file a receiver, `templates-N.weir` beside the spool, replaced as a whole; its content is
/// checked by who reads it (`DatagramDecoder.restore`).
///
/// Saving has a thread of its own: a slow disk must not hold up a receiver.
final class TemplateKeeper: Sendable {
    private struct State {
        var drafts: [Int: [UInt8]] = [:]
        var isEnded = false
    }
    private let state = Mutex(State())
    private let waker: Waker
    private let folder: String
    private let logger: Logger

    static let filesMax = 64
    private static let bytesMax = 256 << 20

    init(folder: String, logger: Logger) throws(SensorError) {
        (self.folder, self.logger) = (folder, logger)
        waker = try Waker.make()
    }

    private func path(_ receiver: Int) -> String { "\(folder)/templates-\(receiver).weir" }

    /// What all receivers of the last run saved: an exporter may come to another one now.
    func saved() -> [[UInt8]] {
        (0..<Self.filesMax).compactMap { try? readFile(path($0), bytesMax: Self.bytesMax) }
    }
    /// To be written soon; a newer one takes its place.
    func save(_ snapshot: [UInt8], of receiver: Int) {
        guard receiver < Self.filesMax else { return }
        state.withLock { $0.drafts[receiver] = snapshot }
        waker.wake()
    }
    /// What is still to be written is, and then `run` returns.
    func end() {
        state.withLock { $0.isEnded = true }
        waker.wake()
    }

    func run() {
        while true {  // ends: once ended and nothing is left
            let (drafts, isEnded) = state.withLock { state in
                defer { state.drafts = [:] }
                return (state.drafts, state.isEnded)
            }
            for (receiver, snapshot) in drafts { write(snapshot, receiver) }
            if drafts.isEmpty && isEnded { return }
            if drafts.isEmpty { waker.wait(atMost: .seconds(1)) }
        }
    }
    private func write(_ snapshot: [UInt8], _ receiver: Int) {
        do throws(SystemError) {
            try replaceFile(path(receiver), with: snapshot)
        } catch {
            logger.error("Templates could not be saved.", metadata: ["file": "\(path(receiver))", "error": "\(error)"])
        }
    }
}
