package import Identity

/// What is to be sent until it has been: tries, pauses, circuits, and giving up by name.
///
/// Invariants: a delivery is handed out only after a `save` of it, and forgotten only with a `remove`, so whoever
/// obeys in order delivers at least once, whatever crash comes between; each delivery ends delivered or lost, and a
/// loss names its incidents; at most `Limits.entriesMax` wait and at most `inFlightMax` to one channel are under way.
/// Time is the wall's, in ms since 1970 UTC, as entries outlive the process: a clock that jumps can shorten or lengthen
/// a pause, never beyond the longest one. Not here: rendering, sending, saving.
package struct Outbox: Sendable {
    package struct Limits: Equatable, Sendable {
        package var entriesMax = 10_000, entriesPerChannelMax = 2_000, inFlightMax = 4
        /// Ids remembered after delivery, so that news told again is not sent again.
        package var deliveredMax = 4_096
        package init() {}
    }

    package struct Entry: Equatable, Sendable, Codable {
        package var delivery: Delivery
        package var addedAt: Int64
        /// Those that failed.
        package var tries: Int
        package var notBefore: Int64
        package var id: String { delivery.message.id }
    }

    /// Why a delivery ended unsent; the raw value is the metric's label.
    package enum Loss: String, Error, Sendable, CaseIterable {
        /// Too many wait already.
        case outboxFull = "outbox_full"
        /// All tries failed.
        case gaveUp = "gave_up"
        /// The target will not take it: what it says can't get better.
        case refused
        /// The target said that it is gone for good (410): nothing more is sent to it.
        case gone
        /// Waited for a channel that the settings don't have any more.
        case unknownChannel = "unknown_channel"
    }

    /// What to do, in this order.
    package enum Directive: Equatable, Sendable {
        case save(Entry)
        case remove(id: String)
        case lost(Delivery, Loss)
        /// The channel's circuit opened, until then, or closed.
        case paused(channel: String, until: Int64)
        case resumed(channel: String)
    }

    /// How a try ended.
    package enum Result: Equatable, Sendable {
        case delivered
        /// - Parameter retryAfter: seconds, as the target asked for.
        case failed(retryAfter: Int64?)
        case refused
        case gone
    }

    /// Pauses before the second and each further try, in ms: those that Standard Webhooks suggests.
    package static let pauses: [Int64] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map {
        $0 * 1_000
    }
    package static let triesMax = pauses.count + 1
    private static let pauseMax: Int64 = 86_400_000 * 6 / 5

    private let limits: Limits
    private var entries: [String: Entry] = [:]
    private var waiting: [String: Int] = [:]
    private var inFlight: [String: Set<String>] = [:]
    private var circuits: [String: Circuit] = [:]
    private var goneChannels: Set<String> = []
    private var delivered: [String] = [], deliveredIDs: Set<String> = []

    /// - Parameter entries: what was saved and not removed, at the last start.
    package init(limits: Limits = .init(), restoring entries: [Entry] = [], at now: Int64 = 0) {
        self.limits = limits
        for var entry in entries {
            // A clock that was ahead must not hold it back for years.
            entry.notBefore = min(entry.notBefore, now &+ Self.pauseMax)
            guard self.entries.updateValue(entry, forKey: entry.id) == nil else { continue }
            waiting[entry.delivery.channel, default: 0] += 1
        }
    }

    /// Waiting and under way.
    package var count: Int { entries.count }
    package func count(of channel: String) -> Int { waiting[channel] ?? 0 }

    /// Oldest first.
    package var all: [Entry] { entries.values.sorted { ($0.addedAt, $0.id) < ($1.addedAt, $1.id) } }

    /// Removes all that waits for a tenant: nobody is to hear of it any more.
    package mutating func forget(_ tenant: TenantID) -> [Directive] {
        all.filter { $0.delivery.message.tenant == tenant }.flatMap { entry in
            inFlight[entry.delivery.channel]?.remove(entry.id)
            return forget(entry)
        }
    }

    /// Takes a delivery in. One whose id is here, or was delivered lately, is the same one.
    package mutating func add(_ delivery: Delivery, at now: Int64) -> [Directive] {
        let id = delivery.message.id
        guard entries[id] == nil, !deliveredIDs.contains(id) else { return [] }
        guard !goneChannels.contains(delivery.channel) else { return [.lost(delivery, .gone)] }
        guard entries.count < limits.entriesMax, count(of: delivery.channel) < limits.entriesPerChannelMax else {
            return [.lost(delivery, .outboxFull)]
        }
        let entry = Entry(delivery: delivery, addedAt: now, tries: 0, notBefore: now)
        entries[id] = entry
        waiting[delivery.channel, default: 0] += 1
        return [.save(entry)]
    }

    /// What to send now, oldest first: each is under way until `finished`.
    package mutating func due(at now: Int64) -> [Delivery] {
        let ready = entries.values.filter { $0.notBefore <= now && !isInFlight($0) }
            .sorted { ($0.notBefore, $0.addedAt, $0.id) < ($1.notBefore, $1.addedAt, $1.id) }
        var chosen: [Delivery] = []
        for entry in ready {
            let channel = entry.delivery.channel, underWay = inFlight[channel]?.count ?? 0
            guard underWay < (circuits[channel]?.inFlightMax(limits.inFlightMax, at: now) ?? limits.inFlightMax) else {
                continue
            }
            inFlight[channel, default: []].insert(entry.id)
            chosen.append(entry.delivery)
        }
        return chosen
    }
    private func isInFlight(_ entry: Entry) -> Bool { inFlight[entry.delivery.channel]?.contains(entry.id) ?? false }

    /// When `due` may have something that it has not now; nil: not before an `add` or a `finished`.
    package func nextDue(after now: Int64) -> Int64? {
        entries.values.lazy.filter { !isInFlight($0) }.map { entry in
            max(entry.notBefore, circuits[entry.delivery.channel]?.openUntil ?? .min)
        }.filter { $0 > now }.min()
    }

    /// A try has ended.
    /// - Parameter random: for the pauses' jitter.
    package mutating func finished(
        _ id: String, _ result: Result, at now: Int64, using random: inout some RandomNumberGenerator
    ) -> [Directive] {
        guard let entry = entries[id], inFlight[entry.delivery.channel]?.remove(id) != nil else { return [] }
        let channel = entry.delivery.channel
        switch result {
        case .delivered:
            remember(id)
            return forget(entry) + succeeded(channel)
        case .refused:
            // It answered: there is nothing wrong with the way there.
            return [.lost(entry.delivery, .refused)] + forget(entry) + succeeded(channel)
        case .gone:
            goneChannels.insert(channel)
            return drop(channel, .gone)
        case .failed(let retryAfter):
            return failed(entry, retryAfter, now, &random) + failed(channel, now, &random)
        }
    }

    /// A try was given up on this side: it does not count.
    package mutating func abandoned(_ id: String) {
        guard let entry = entries[id] else { return }
        inFlight[entry.delivery.channel]?.remove(id)
    }

    /// Ends all that waits for channels that there are none of any more.
    package mutating func keep(channels: Set<String>) -> [Directive] {
        goneChannels.formIntersection(channels)
        circuits = circuits.filter { channels.contains($0.key) }
        return waiting.keys.filter { !channels.contains($0) }.sorted().flatMap { drop($0, .unknownChannel) }
    }

    // MARK: Parts

    private mutating func failed(
        _ entry: Entry, _ retryAfter: Int64?, _ now: Int64, _ random: inout some RandomNumberGenerator
    ) -> [Directive] {
        var entry = entry
        entry.tries += 1
        guard entry.tries < Self.triesMax else { return [.lost(entry.delivery, .gaveUp)] + forget(entry) }
        let pause = jittered(Self.pauses[entry.tries - 1], &random)
        let asked = min(max(retryAfter ?? 0, 0), Self.pauseMax / 1_000) * 1_000
        entry.notBefore = now &+ max(pause, asked)
        entries[entry.id] = entry
        return [.save(entry)]
    }
    private mutating func failed(
        _ channel: String, _ now: Int64, _ random: inout some RandomNumberGenerator
    ) -> [Directive] {
        var circuit = circuits[channel] ?? Circuit()
        // Tries that were under way when it opened say nothing new.
        guard (circuit.openUntil ?? .min) <= now else { return [] }
        defer { circuits[channel] = circuit }
        circuit.failures += 1
        guard circuit.failures >= Circuit.failuresMax else { return [] }
        let until = now &+ jittered(circuit.nextPause, &random)
        circuit.openUntil = until
        return [.paused(channel: channel, until: until)]
    }
    private mutating func succeeded(_ channel: String) -> [Directive] {
        circuits.removeValue(forKey: channel)?.openUntil == nil ? [] : [.resumed(channel: channel)]
    }
    private func jittered(_ pause: Int64, _ random: inout some RandomNumberGenerator) -> Int64 {
        Int64(Double(pause) * Double.random(in: 0.8...1.2, using: &random))
    }

    private mutating func drop(_ channel: String, _ loss: Loss) -> [Directive] {
        let ending = entries.values.filter { $0.delivery.channel == channel }
            .sorted { ($0.addedAt, $0.id) < ($1.addedAt, $1.id) }
        inFlight[channel] = nil
        return ending.flatMap { [.lost($0.delivery, loss)] + forget($0) }
    }
    private mutating func forget(_ entry: Entry) -> [Directive] {
        entries[entry.id] = nil
        let left = count(of: entry.delivery.channel) - 1
        waiting[entry.delivery.channel] = left > 0 ? left : nil
        return [.remove(id: entry.id)]
    }
    private mutating func remember(_ id: String) {
        delivered.append(id)
        deliveredIDs.insert(id)
        guard delivered.count > limits.deliveredMax else { return }
        let old = delivered.count - limits.deliveredMax / 2
        deliveredIDs.subtract(delivered.prefix(old))
        delivered.removeFirst(old)
    }
}

/// Keeps tries away from a target that doesn't answer.
struct Circuit: Equatable, Sendable {
    static let failuresMax = 5
    var failures = 0
    /// Not nil: open; once that has passed one try at a time goes through, until one succeeds.
    var openUntil: Int64?

    /// 30 s, and twice that with each further failure up to an hour.
    var nextPause: Int64 { min(30_000 << Int64(min(max(failures - Self.failuresMax, 0), 16)), 3_600_000) }

    func inFlightMax(_ usual: Int, at now: Int64) -> Int {
        guard let openUntil else { return usual }
        return now < openUntil ? 0 : 1
    }
}

/// Where entries survive a restart.
package protocol OutboxStore: Sendable {
    /// What was saved and not removed. Damaged entries are left out, set aside and counted.
    func load() throws -> (entries: [Outbox.Entry], damaged: Int)
    /// Durable on return.
    func save(_ entry: Outbox.Entry) throws
    /// One that is not there is no error.
    func remove(id: String) throws
}
