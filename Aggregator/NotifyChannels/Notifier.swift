package import Identity
package import Notify
package import Platform

/// NewsRouter, outbox, store and senders put together: takes news in, sends what is due, until its task ends.
///
/// Invariants: what `take` returned from is saved or named as untold; tries run as children of `run`; a store that
/// fails keeps the entry in memory, counts it, and goes on: telling late is better than not.
package actor Notifier {
    /// What an operator should know of; each once, with names.
    package enum Notice: Equatable, Sendable {
        case untold(NewsRouter.Outcome)
        case lost(incidents: [String], channel: String, Outbox.Loss)
        case paused(channel: String, until: Int64)
        case resumed(channel: String)
        /// The entry is in memory only.
        case notSaved(id: String)
        case delivered(channel: String)
    }

    private var router: NewsRouter, outbox: Outbox
    private var random: any RandomNumberGenerator & Sendable
    private let store: any OutboxStore, states: any NotifierStateStore, senders: [String: any ChannelSender],
        time: any TimeSource
    private let notice: @Sendable (Notice) -> Void
    /// Whether something happened since `run` last looked; who sleeps until then.
    private var isWoken = false, sleeper: CheckedContinuation<Void, Never>?
    private static let pauseMax: Int64 = 60_000

    /// - Parameters:
    ///   - senders: by channel.
    ///   - notice: is called in order and must not wait.
    /// - Throws: what the store says.
    package init(
        routes: [Route], owners: [String: TenantID?], limits: Outbox.Limits = .init(), store: any OutboxStore,
        states: any NotifierStateStore, senders: [String: any ChannelSender],
        time: any TimeSource, random: some RandomNumberGenerator & Sendable,
        notice: @escaping @Sendable (Notice) -> Void
    ) throws {
        let state = try states.load() ?? NotifierState()
        router = NewsRouter(routes: routes, owners: owners, state: state.router)
        position = state.position
        self.states = states
        self.store = store
        self.senders = senders
        self.time = time
        self.random = random
        self.notice = notice
        outbox = Outbox(limits: limits, restoring: try store.load().entries, at: time.wallMilliseconds())
        // Not by way of `obey`, which is the actor's.
        for directive in outbox.keep(channels: Set(senders.keys)) {
            switch directive {
            case .remove(let id): try store.remove(id: id)
            case .lost(let delivery, let loss):
                notice(.lost(incidents: delivery.message.incidents, channel: delivery.channel, loss))
            case .save, .paused, .resumed: break
            }
        }
    }

    /// Up to where in the history of incidents news was taken.
    package private(set) var position: Int64
    /// Waiting and under way.
    package var waiting: Int { outbox.count }
    /// What waits, and how often each was tried, oldest first; of `tenant` only.
    package func entries(of tenant: TenantID) -> [Outbox.Entry] {
        outbox.all.filter { $0.delivery.message.tenant == tenant }
    }
    /// Waiting and under way by channel.
    package var waitingByChannel: [String: Int] {
        Dictionary(uniqueKeysWithValues: senders.keys.map { ($0, outbox.count(of: $0)) })
    }
    package var counts: NewsRouter.Counts { router.state.counts }

    /// Routes news. When it returns, what is to be sent at once is saved.
    package func take(_ news: News) {
        route(router.take(news))
        wake()
    }

    /// Takes in what happened up to a place in the history: each piece goes by the routes, or to the channel it names.
    /// When it returns, what is to be sent and the place are saved; after a crash before that, the same is taken in
    /// again and has the same ids.
    package func take(_ all: [(news: News, channel: String?)], upTo position: Int64) {
        for (news, channel) in all {
            route(channel.map { router.direct(news, to: $0) } ?? router.take(news))
        }
        self.position = position
        saveState()
        wake()
    }

    /// Sends a message to one channel, outside of all queues, and says how that went.
    package func test(_ channel: String, _ message: Message) async -> Outbox.Result? {
        await senders[channel]?.send(message, at: time.wallMilliseconds())
    }

    /// Gives up what waits for a tenant, and forgets what was gathered of it.
    package func forget(_ tenant: TenantID) {
        obey(outbox.forget(tenant))
        if router.forget(tenant) { saveState() }
    }

    private func saveState() {
        do { try states.save(.init(position: position, router: router.state)) } catch {
            notice(.notSaved(id: "state"))
        }
    }

    /// Sends until its task is cancelled; then tries that are under way are cancelled too, and are made again by the
    /// next one to run.
    package func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let now = time.wallMilliseconds()
                let due = router.advance(to: now)
                route(due)
                // What was told of a gathering is not told again.
                if !due.isEmpty { saveState() }
                for delivery in outbox.due(at: now) {
                    group.addTask { await self.send(delivery) }
                }
                await wait(until: [router.nextDue, outbox.nextDue(after: now)].compactMap { $0 }.min(), now: now)
            }
        }
    }

    private func send(_ delivery: Delivery) async {
        let sender = senders[delivery.channel]
        let result = await sender?.send(delivery.message, at: time.wallMilliseconds()) ?? .refused
        // A try that was cancelled says nothing of its target.
        if Task.isCancelled, result != .delivered { return outbox.abandoned(delivery.message.id) }
        if result == .delivered { notice(.delivered(channel: delivery.channel)) }
        obey(outbox.finished(delivery.message.id, result, at: time.wallMilliseconds(), using: &random))
        wake()
    }

    /// Until then, or something happens. A wall clock may jump, so never for long.
    private func wait(until due: Int64?, now: Int64) async {
        let pause = max(1, min((due ?? .max) &- now, Self.pauseMax))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: .milliseconds(pause))
                await self.wake()
            }
            if !isWoken { await withCheckedContinuation { sleep($0) } }
            group.cancelAll()
        }
        // Whatever came meanwhile is seen now: the caller looks at everything again.
        isWoken = false
    }
    private func sleep(_ continuation: CheckedContinuation<Void, Never>) {
        sleeper?.resume()
        sleeper = continuation
    }
    private func wake() {
        isWoken = true
        sleeper?.resume()
        sleeper = nil
    }

    private func route(_ outcomes: [NewsRouter.Outcome]) {
        for outcome in outcomes {
            switch outcome {
            case .deliver(let delivery): obey(outbox.add(delivery, at: time.wallMilliseconds()))
            case .gathered: break
            case .muted, .unrouted, .unknownChannel: notice(.untold(outcome))
            }
        }
    }

    private func obey(_ directives: [Outbox.Directive]) {
        for directive in directives {
            switch directive {
            case .save(let entry):
                do { try store.save(entry) } catch { notice(.notSaved(id: entry.id)) }
            case .remove(let id):
                // What can't be removed is sent again after a restart, under the same id.
                try? store.remove(id: id)
            case .lost(let delivery, let loss):
                notice(.lost(incidents: delivery.message.incidents, channel: delivery.channel, loss))
            case .paused(let channel, let until): notice(.paused(channel: channel, until: until))
            case .resumed(let channel): notice(.resumed(channel: channel))
            }
        }
    }
}
