/// The log of one group of shards, in a JetStream stream (Handbook, "The cluster's log").
///
/// Invariants: an append is answered after a majority of the replicas has the message on disk; what is not known to be
/// kept is `.unavailable`, never an answer; a body that a repeat may still ask for outlives `trim` by the stream's
/// window, hidden from readers.
/// Not here: the index of all keys (`KeyIndex`, kept by the group's owner), who reads (`GroupOwner`).
internal import Delivery
package import FlowLog
package import Identity
package import JetStream
package import Platform
internal import Synchronization

package final class JetStreamFlowLog: FlowLog {
    /// A group's stream.
    package struct Place: Sendable {
        package var group: Int
        /// 1 or 3.
        package var replicas: Int
        /// Of the stream on each replica, in octets; -1: as much as the server has. Full takes nothing new.
        package var bytesMax: Int64 = -1
        /// How long the stream knows keys.
        package var window = Duration.seconds(120)
        /// Bodies of appends that wait for their answers; beyond it `append` throws `.busy`.
        package var waitingBytesMax = 128 << 20

        package init(group: Int, replicas: Int) {
            self.group = group
            self.replicas = replicas
        }
        package var stream: String { Self.stream(of: group) }
        package static func stream(of group: Int) -> String { "WEIR_LOG_\(group)" }
    }
    private struct State {
        var waitingBytes = 0
        /// The largest offset that this node has appended.
        var appended: Int64 = 0
        /// What readers no longer see.
        var hidden: Int64 = 0
        /// Trims whose bodies are still kept, with when they were asked for.
        var trims: [(offset: Int64, at: Duration)] = []
        var foreign = 0
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: AsyncStream<Void>.Continuation] = [:]
        /// A read that gave nothing: the next wait is not over at once.
        var emptyAfter: Int64 = -1
    }
    private let api: JetStreamAPI, place: Place, sealing: TenantSealing, time: any TimeSource
    /// The first offset that this stream can have.
    private let born: Int64
    private let state = Mutex(State())

    /// The largest body that Weir's ingest takes, with room for fields.
    private static let messageBytesMax = IngestWire.bodyBytesMax + (16 << 10)

    /// Makes the stream if there is none, and checks that it is as it must be.
    /// - Throws: `.storage` when a server or a stream can't be used, `.unavailable` when nobody answers.
    package init(
        _ api: JetStreamAPI, at place: Place, sealing: TenantSealing = .none, time: any TimeSource
    ) async throws(FlowLogError) {
        (self.api, self.place, self.sealing, self.time) = (api, place, sealing, time)
        // Offsets are spread over time as in a file, so that a stream made anew gives none twice.
        let second = UInt64(clamping: time.wallMilliseconds() / 1_000)
        let settings = StreamSettings(
            name: place.stream, subjects: ["weir.log.\(place.group).>"], replicas: place.replicas, discard: .new,
            bytesMax: place.bytesMax, duplicateWindow: place.window, firstSequence: max(second << 22, 1))
        do throws(JetStreamError) {
            if let largest = api.client.payloadBytesMax, largest < Self.messageBytesMax {
                throw JetStreamError.differs(stream: place.stream, setting: "max_payload (\(largest) octets)")
            }
            born = Int64(clamping: try await api.ensure(settings).bornSequence)
        } catch {
            throw Self.fault(error)
        }
    }

    private static func fault(_ error: JetStreamError) -> FlowLogError {
        switch error {
        case .full: .full
        case .nats(.busy): .busy
        case .nats(.cancelled): .cancelled
        case .nats(.tooOld), .nats(.invalid), .nats(.closed), .differs, .otherSettings, .refused, .notFound:
            .storage("\(error)")
        case .nats, .inProgress, .wrongLastSequence, .unavailable: .unavailable("\(error)")
        }
    }

    /// In ms since 1970 UTC.
    package var bornMilliseconds: Int64 { (born >> 22) * 1_000 }
    /// Messages that no aggregator wrote, passed over.
    package var foreignMessages: Int { state.withLock { $0.foreign } }

    // MARK: Appending

    package func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult {
        let size = batch.body.count
        let isTaken = state.withLock { state in
            guard state.waitingBytes == 0 || state.waitingBytes + size <= place.waitingBytesMax else { return false }
            state.waitingBytes += size
            return true
        }
        guard isTaken else { throw .busy }
        defer { state.withLock { $0.waitingBytes -= size } }
        let answer: PublishAnswer
        do throws(JetStreamError) {
            answer = try await publish(batch, try sealed(batch))
        } catch {
            throw Self.fault(error)
        }
        let offset = Int64(clamping: answer.sequence)
        if answer.isDuplicate { return try await compare(batch, with: answer.sequence) }
        state.withLock { state in
            state.appended = max(state.appended, offset)
            for waiter in state.waiters.values { waiter.yield() }
        }
        return .appended(offset: offset)
    }
    private func sealed(_ batch: LogAppend) throws(JetStreamError) -> [UInt8] {
        do throws(TenantSealing.Fault) {
            return try sealing.seal(batch.body, batch.sensor.tenant, BatchMessage.id(batch.sensor, batch.key))
        } catch {
            if case .unavailable(let reason) = error { throw .unavailable(reason) }
            throw .nats(.invalid("a batch of \(batch.sensor.tenant), by its data key (\(error)),"))
        }
    }

    /// Tries to wait for another copy of the same batch that is on its way to the replicas.
    private static let looksMax = 20
    private func publish(_ batch: LogAppend, _ body: [UInt8]) async throws(JetStreamError) -> PublishAnswer {
        var looks = 0
        while true {
            do throws(JetStreamError) {
                return try await api.publish(
                    BatchMessage.subject(group: place.group, batch), id: BatchMessage.id(batch.sensor, batch.key),
                    headers: BatchMessage.headers(batch), payload: body)
            } catch {
                looks += 1
                guard error == .inProgress, looks < Self.looksMax else { throw error }
                do { try await Task.sleep(for: .milliseconds(100)) } catch { throw .nats(.cancelled) }
            }
        }
    }
    /// The stream says that it knows the key, and nothing of the bytes.
    private func compare(_ batch: LogAppend, with sequence: UInt64) async throws(FlowLogError) -> LogAppendResult {
        let kept: StoredMessage?
        do throws(JetStreamError) { kept = try await api.message(place.stream, sequence) } catch {
            throw Self.fault(error)
        }
        guard let digest = kept?.headers["Weir-Digest"].flatMap({ BatchDigest($0) }) else {
            throw .unavailable("the message of a known key is gone")
        }
        return digest == batch.digest
            ? .repeated(offset: Int64(clamping: sequence), digest: digest) : .conflict(stored: digest)
    }

    // MARK: Reading

    package func read(
        after offset: Int64, limit: Int, bytesMax: Int
    ) async throws(FlowLogError) -> [LoggedBatch] {
        var next = max(offset, state.withLock { $0.hidden }) + 1
        while true {  // ends: each page begins after the last
            let page: [StoredMessage]
            do throws(JetStreamError) {
                page = try await api.read(
                    place.stream, from: UInt64(clamping: next), count: limit, bytesMax: bytesMax)
            } catch {
                throw Self.fault(error)
            }
            guard let last = page.last else {
                state.withLock { $0.emptyAfter = offset }
                return []
            }
            var found: [LoggedBatch] = [], bytes = 0
            for message in page {
                guard let batch = try BatchMessage.batch(message, sealing: sealing) else {
                    state.withLock { $0.foreign += 1 }
                    continue
                }
                bytes += batch.body.count
                guard found.isEmpty || bytes <= bytesMax else { return found }
                found.append(batch)
            }
            if !found.isEmpty { return found }
            next = Int64(clamping: last.sequence) + 1
        }
    }

    package func headOffset() async throws(FlowLogError) -> Int64 {
        do throws(JetStreamError) {
            let last = Int64(clamping: try await api.state(of: place.stream).lastSequence)
            return last < born ? 0 : max(last, state.withLock { $0.appended })
        } catch {
            throw Self.fault(error)
        }
    }
    /// A stream made anew begins beyond all that the one before it can have given; a new leader that says less for a
    /// moment is no such thing.
    package func isOlder(than offset: Int64) async throws(FlowLogError) -> Bool { false }

    /// How often others' appends are looked for.
    private static let lookEvery = Duration.milliseconds(250)

    package func waitForBatch(after offset: Int64) async throws(FlowLogError) {
        let (news, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let (id, wasEmpty) = state.withLock { state in
            state.nextWaiter += 1
            state.waiters[state.nextWaiter] = continuation
            defer { state.emptyAfter = -1 }
            return (state.nextWaiter, state.emptyAfter == offset)
        }
        defer { state.withLock { $0.waiters[id] = nil } }
        // The replica that was read from is behind: it gets a moment.
        if wasEmpty { try? await Task.sleep(for: .milliseconds(20)) }
        while !Task.isCancelled {
            if state.withLock({ $0.appended > offset }) { return }
            do throws(FlowLogError) {
                if try await headOffset() > offset { return }
            } catch {
                if case .storage = error { throw error }
            }
            await Self.first(of: news, or: Self.lookEvery)
        }
        throw .cancelled
    }
    private static func first(of news: AsyncStream<Void>, or wait: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in news { return } }
            group.addTask { try? await Task.sleep(for: wait) }
            await group.next()
            group.cancelAll()
        }
    }

    // MARK: Trimming

    package func trim(through offset: Int64) async throws(FlowLogError) {
        let now = time.monotonic(), window = place.window + .seconds(1)
        let due: Int64? = state.withLock { state in
            state.hidden = max(state.hidden, offset)
            // A bounded list: what comes in quick succession waits for the last of it.
            if state.trims.count >= 256 { state.trims.removeLast() }
            state.trims.append((offset, now))
            let past = state.trims.prefix { now - $0.at > window }
            state.trims.removeFirst(past.count)
            return past.map(\.offset).max()
        }
        guard let due else { return }
        do throws(JetStreamError) {
            try await api.purge(place.stream, before: UInt64(clamping: due) + 1)
        } catch {
            throw Self.fault(error)
        }
    }
}
