import Delivery
import HTTP2Client
import Platform
import Ship

/// The real `ShipCore` in a made-up world: a spool, a lossy network, aggregators that crash. One thread, one random
/// generator: a seed is a whole history. The world plays the shell's part and checks each step.
struct ShipWorld {
    /// Faults in percent of the occasions for each.
    struct Faults {
        var refusedConnections = 20, lostRequests = 10, lostAnswers = 10, doubledAnswers = 10, goAway = 3
        var failedRequests = 5, aggregatorCrashes = 4, sensorCrashes = 1, busy = 10, broken = 5, hollow = 4, strange = 2
        static let none = Faults(
            refusedConnections: 0, lostRequests: 0, lostAnswers: 0, doubledAnswers: 0, goAway: 0, failedRequests: 0,
            aggregatorCrashes: 0, sensorCrashes: 0, busy: 0, broken: 0, hollow: 0, strange: 0)
    }
    /// What a careless shell could do. The suite must notice each.
    enum PlantedBug: CaseIterable { case none, releaseOnAnySuccess, releaseOnTimeout, ignoreHold, forgetOnLoss }

    struct Violation: Error, CustomStringConvertible {
        let description: String
    }
    private enum Event {
        case connectResult(connection: Int, isFine: Bool)
        case request(connection: Int, WaitingBatch)
        case answer(BatchKey, status: Int, digest: String?, retryAfter: String?)
        case requestFailed(BatchKey)
        case connectionLost(Int)
        case goAway(Int)
        case spooled(WaitingBatch)
    }

    private let bug: PlantedBug
    private var faults = Faults()
    private var generator: SeededGenerator
    private var core: ShipCore
    private var now = Duration.zero
    private var events: [(at: Duration, order: Int, event: Event)] = [], eventCount = 0
    private var connection: Int?, connectionCount = 0, isOpen = false
    private var holdUntil = Duration.zero
    private var onTheWay: Set<BatchKey> = []

    private var spool: [BatchKey: WaitingBatch] = [:], spoolOrder: [BatchKey] = []
    private(set) var spooled: Set<BatchKey> = [], released: Set<BatchKey> = [], deadLetters: Set<BatchKey> = []
    /// What aggregators hold durably, in the order it was stored, repeats included.
    private(set) var log: [BatchKey] = []
    private var stored: [BatchKey: BatchDigest] = [:]
    private var strangeAnswers: [BatchKey: Int] = [:]
    private static let bytesMax = 8 << 20

    static func settings() -> ShipSettings {
        ShipSettings(
            endpoints: [HTTP2Endpoint(host: "a", port: 1), HTTP2Endpoint(host: "b", port: 1)], trustDomain: "weir.test",
            files: TLSFiles(certificate: "", key: "", trust: ""))
    }

    init(seed: UInt64, batches: Int, bug: PlantedBug = .none) {
        self.bug = bug
        generator = SeededGenerator(seed: seed)
        core = ShipCore(settings: Self.settings(), seed: seed)
        let epoch = Epoch(using: &generator)
        for sequence in 0..<batches {
            let digest = BatchDigest(of: [UInt8(truncatingIfNeeded: sequence), UInt8(truncatingIfNeeded: seed)])
            let batch = WaitingBatch(
                key: BatchKey(epoch: epoch, sequence: UInt64(sequence)), digest: digest,
                byteCount: Int.random(in: 1_000...5_000_000, using: &generator))
            schedule(.spooled(batch), after: .milliseconds(Int.random(in: 0...60_000, using: &generator)))
        }
    }

    // MARK: Running

    /// - Throws: `Violation` at the first step that breaks a promise.
    mutating func run(steps: Int) throws {
        for _ in 0..<steps { guard try step() else { return } }
    }
    mutating func heal() { faults = .none }
    var isSettled: Bool { events.isEmpty && spool.isEmpty }
    /// Refused by every aggregator, as a sensor of another version's batch would be.
    static func isPoison(_ key: BatchKey) -> Bool { key.sequence % 17 == 3 }

    private mutating func step() throws -> Bool {
        let wake = core.wake(after: now)
        if let next = events.first, next.at <= wake ?? next.at {
            events.removeFirst()
            now = max(now, next.at)
            try take(next.event)
        } else if let wake {
            now = max(now, wake)
        } else {
            return false
        }
        if chance(faults.sensorCrashes) { crashSensor() }
        let known = core.known, fresh = spoolOrder.filter { !known.contains($0) }.prefix(core.appetite)
        core.offer(fresh.compactMap { spool[$0] })
        try perform(core.step(at: now))
        try check()
        return true
    }

    private func check() throws {
        for key in released where stored[key] == nil {
            throw Violation(description: "\(key) was released, not stored")
        }
        guard core.inFlight <= 4 else { throw Violation(description: "\(core.inFlight) batches in flight") }
        let bytes = onTheWay.reduce(0) { $0 + (spool[$1]?.byteCount ?? 0) }
        guard onTheWay.count <= 1 || bytes <= Self.bytesMax else {
            throw Violation(description: "\(bytes) B in flight")
        }
    }

    /// What must hold once the faults have ended and everything has come to rest.
    func checkSettled() throws {
        guard released.union(deadLetters) == spooled else {
            let lost = spooled.subtracting(released).subtracting(deadLetters)
            throw Violation(description: "\(lost.count) batches were neither released nor set aside")
        }
        guard released.isDisjoint(with: deadLetters) else { throw Violation(description: "released and set aside") }
        guard Set(log).count == log.count else { throw Violation(description: "a batch was stored twice") }
        for key in deadLetters where !Self.isPoison(key) && strangeAnswers[key, default: 0] < 5 {
            throw Violation(description: "\(key) was set aside without cause")
        }
        guard !released.contains(where: Self.isPoison) else { throw Violation(description: "poison was released") }
    }

    // MARK: Events

    private mutating func take(_ event: Event) throws {
        switch event {
        case .spooled(let batch):
            spool[batch.key] = batch
            spoolOrder.append(batch.key)
            spooled.insert(batch.key)
        case .connectResult(let id, let isFine):
            guard id == connection else { return }
            isOpen = isFine
            if !isFine { connection = nil }
            if isFine { try perform(core.connected(at: now)) } else { core.connectFailed(at: now) }
        case .connectionLost(let id): lose(id)
        case .goAway(let id): if id == connection, isOpen { try perform(core.retire(at: now)) }
        case .request(let id, let batch): receive(batch, on: id)
        case .requestFailed(let key):
            onTheWay.remove(key)
            if bug == .releaseOnTimeout { try perform([.release(key)]) }
            try perform(core.failed(key, at: now))
        case .answer(let key, let status, let digest, let retryAfter):
            try answer(key, status, digest, retryAfter)
        }
    }

    private mutating func lose(_ id: Int) {
        guard id == connection else { return }
        connection = nil
        isOpen = false
        if bug == .forgetOnLoss { for key in onTheWay { forget(key) } }
        onTheWay = []
        core.connectionLost(at: now)
    }

    private mutating func answer(_ key: BatchKey, _ status: Int, _ digest: String?, _ retryAfter: String?) throws {
        let isExpected = onTheWay.remove(key) != nil
        var answer = IngestAnswer(status: status, digest: digest, retryAfter: retryAfter, reason: "poison")
        if bug == .releaseOnAnySuccess, status == 200, let own = spool[key]?.digest { answer = .stored(own) }
        if case .busy(503, let after) = answer, isExpected { holdUntil = max(holdUntil, now + (after ?? .zero)) }
        if bug == .ignoreHold, case .busy(503, _) = answer { answer = .busy(status: 503, after: nil) }
        try perform(core.answered(key, answer, at: now))
    }

    // MARK: The aggregators: one memory, as their log is replicated

    private mutating func receive(_ batch: WaitingBatch, on id: Int) {
        if chance(faults.aggregatorCrashes) { return schedule(.connectionLost(id), after: .milliseconds(1)) }
        if Self.isPoison(batch.key) { return say(batch.key, 422) }
        if chance(faults.busy) { return say(batch.key, 503, retryAfter: "\(Int.random(in: 0...5, using: &generator))") }
        if chance(faults.broken) { return say(batch.key, 500) }
        if chance(faults.hollow) { return say(batch.key, 200) }
        if chance(faults.strange) {
            strangeAnswers[batch.key, default: 0] += 1
            return say(batch.key, 200, digest: BatchDigest(of: [1, 2, 3]).description)
        }
        if stored[batch.key] == nil {
            stored[batch.key] = batch.digest
            log.append(batch.key)
        }
        if chance(faults.aggregatorCrashes) { return schedule(.connectionLost(id), after: .milliseconds(1)) }
        guard stored[batch.key] == batch.digest else { return say(batch.key, 409) }
        say(batch.key, 200, digest: batch.digest.description)
    }

    private mutating func say(_ key: BatchKey, _ status: Int, digest: String? = nil, retryAfter: String? = nil) {
        let answer = Event.answer(key, status: status, digest: digest, retryAfter: retryAfter)
        if chance(faults.doubledAnswers) { schedule(answer, after: delay(5_000)) }
        if chance(faults.lostAnswers) { return schedule(.requestFailed(key), after: .seconds(30)) }
        schedule(answer, after: delay(300))
    }

    // MARK: The shell

    private mutating func perform(_ directives: [ShipCore.Directive]) throws {
        for directive in directives {
            switch directive {
            case .connect:
                connectionCount += 1
                connection = connectionCount
                isOpen = false
                let isFine = !chance(faults.refusedConnections)
                schedule(.connectResult(connection: connectionCount, isFine: isFine), after: delay(50))
            case .disconnect:
                guard onTheWay.isEmpty else { throw Violation(description: "disconnected with requests open") }
                connection = nil
                isOpen = false
            case .send(let key): try send(key)
            case .release(let key):
                released.insert(key)
                forget(key)
            case .deadLetter(let key, _):
                deadLetters.insert(key)
                forget(key)
            }
        }
    }

    private mutating func send(_ key: BatchKey) throws {
        guard let connection, isOpen else { throw Violation(description: "sent without a connection") }
        guard now >= holdUntil else { throw Violation(description: "sent at \(now), asked to wait until \(holdUntil)") }
        guard let batch = spool[key] else {
            core.dropped(key)
            return
        }
        onTheWay.insert(key)
        if chance(faults.goAway) { schedule(.goAway(connection), after: delay(100)) }
        if chance(faults.lostRequests) { return schedule(.connectionLost(connection), after: .seconds(3)) }
        if chance(faults.failedRequests) { return schedule(.requestFailed(key), after: delay(1_000)) }
        schedule(.request(connection: connection, batch), after: delay(300))
    }

    /// The process dies; the spool and what is on the network stay. Answers find nobody.
    private mutating func crashSensor() {
        core = ShipCore(settings: Self.settings(), seed: generator.next())
        connection = nil
        isOpen = false
        onTheWay = []
        holdUntil = .zero
        events.removeAll { event in
            switch event.event {
            case .answer, .requestFailed: true
            default: false
            }
        }
    }

    private mutating func forget(_ key: BatchKey) {
        spool[key] = nil
        spoolOrder.removeAll { $0 == key }
        onTheWay.remove(key)
    }

    // MARK: Chance and time

    private mutating func chance(_ percent: Int) -> Bool {
        percent > 0 && Int.random(in: 0..<100, using: &generator) < percent
    }
    private mutating func delay(_ milliseconds: Int) -> Duration {
        .milliseconds(Int.random(in: 1...milliseconds, using: &generator))
    }
    private mutating func schedule(_ event: Event, after delay: Duration) {
        let at = now + delay
        eventCount += 1
        let place = events.firstIndex { $0.at > at } ?? events.endIndex
        events.insert((at, eventCount, event), at: place)
    }
}
