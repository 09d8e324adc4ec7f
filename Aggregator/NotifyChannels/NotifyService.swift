/// The running part: follows the feed of incidents' events, routes them, sends, and keeps the clocks of promises.
///
/// Invariants: an event leaves the feed only after what it gives is saved; taken in again after a crash it gives
/// messages of the same ids; a part that fails here (a store, a channel) is logged and counted and stops nothing else.
internal import Detect
package import Identity
package import Incidents
package import Logging
package import Notify
package import Platform
internal import ServiceLifecycle
package import Telemetry

package final class NotifyService: Service {
    /// A look at the feed is one row of an index.
    private static let lookInterval = Duration.milliseconds(500), entriesAtOnce = 256

    private let notifier: Notifier, incidents: IncidentLog, settings: NotifySettings
    private let time: any TimeSource, logger: Logger, metrics: NotifyMetrics

    /// Opens or makes `notify` in `folder`, which must exist.
    package init(
        _ settings: NotifySettings, incidents: IncidentLog, folder: String,
        resolver: any NameResolver = SystemResolver(), time: any TimeSource, registry: MetricRegistry, logger: Logger
    ) throws {
        let metrics = NotifyMetrics(registry)
        let store = try FolderOutboxStore(folder: "\(folder)/notify/outbox")
        notifier = try Notifier(
            routes: settings.routes, owners: settings.owners, store: store,
            states: FileNotifierState(path: "\(folder)/notify/state.json"), senders: settings.senders(resolver),
            time: time, random: SystemRandomNumberGenerator(),
            notice: { notice in
                metrics.note(notice)
                Self.log(notice, logger)
            })
        (self.settings, self.incidents, self.time, self.logger) = (settings, incidents, time, logger)
        self.metrics = metrics
    }

    package func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [notifier] in await notifier.run() }
            group.addTask { await self.follow() }
            try? await gracefulShutdown()
            group.cancelAll()
        }
    }

    /// Gives up what waits for a tenant: it is to be forgotten.
    package func forget(_ tenant: TenantID) async { await notifier.forget(tenant) }

    // MARK: The feed

    private func follow() async {
        var looks = 0
        while !Task.isCancelled {
            do {
                // Some clocks are in minutes: once in ten looks is often enough.
                if looks % 10 == 0 { while try incidents.noteBreaches(at: time.wallMilliseconds()) == 1_000 {} }
                if try await !takeSome() {
                    await note()
                    try await Task.sleep(for: Self.lookInterval)
                }
            } catch is CancellationError {
                return
            } catch {
                metrics.failures.add()
                logger.error("News of incidents can't be read.", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(5))
            }
            looks &+= 1
        }
    }

    /// - Returns: whether there may be more.
    private func takeSome() async throws -> Bool {
        let head = try incidents.feedHead()
        var position = await notifier.position
        // The incidents' file is another than the state knew: all that its feed has is to be told.
        if position > head { position = 0 }
        guard head > position else { return false }
        let page = try incidents.feed(after: position, limit: Self.entriesAtOnce)
        // No rows up to the head: they were of incidents that are not there any more.
        let next = page.through ?? head
        await notifier.take(page.entries.map(Self.news), upTo: next)
        metrics.events.add(page.entries.count)
        try incidents.trimFeed(through: next)
        return next < head
    }

    private static func news(_ entry: FeedEntry) -> (news: News, channel: String?) {
        var channel: String?
        if case .taskChanged(let id, .approved) = entry.event.change {
            channel = entry.incident.work.tasks.first { $0.id == id }?.channel
        }
        let news = News(
            tenant: entry.tenant, incident: IncidentBrief(entry.incident, after: entry.event.change),
            change: Change(entry.event.change), tags: Set(entry.incident.work.tags), at: entry.event.at)
        return (news, channel)
    }

    private func note() async {
        metrics.note(await notifier.counts)
        for (channel, count) in await notifier.waitingByChannel { metrics.waiting(channel).set(count) }
    }

    // MARK: What operators and tenants see

    private static func log(_ notice: Notifier.Notice, _ logger: Logger) {
        switch notice {
        case .untold(.muted), .untold(.unrouted): break
        case .untold(let outcome):
            logger.warning("Nobody hears of an incident.", metadata: ["outcome": "\(outcome)"])
        case .lost(let ids, let channel, let loss):
            logger.error(
                "A message was not delivered, and won't be.",
                metadata: [
                    "channel": "\(channel)", "reason": "\(loss.rawValue)",
                    "incidents": "\(ids.prefix(10).joined(separator: " "))",
                ])
        case .paused(let channel, let until):
            logger.warning(
                "A channel does not answer: it is left alone for a while.",
                metadata: ["channel": "\(channel)", "until": "\(EventTime(until))"])
        case .delivered: break
        case .resumed(let channel): logger.notice("A channel answers again.", metadata: ["channel": "\(channel)"])
        case .notSaved(let id):
            logger.error("A message is in memory only: the disk did not take it.", metadata: ["id": "\(id)"])
        }
    }

    /// What the API answers from.
    package var desk: NotifyDesk {
        NotifyDesk(
            policy: settings.mitigation,
            channels: { [settings] tenant in
                settings.channels.filter { $0.tenant == tenant }.map(\.name).sorted()
            },
            outbox: { [notifier] tenant in await notifier.entries(of: tenant) },
            test: { [notifier, settings, time] tenant, channel in
                guard settings.channels.contains(where: { $0.name == channel && $0.tenant == tenant }) else {
                    return nil
                }
                let now = time.wallMilliseconds()
                return await notifier.test(channel, .test(of: tenant, at: now))
            })
    }
}

/// What is counted of notification.
struct NotifyMetrics: Sendable {
    let events, failures, messages, gathered, muted, unrouted: Counter
    private let registry: MetricRegistry

    init(_ registry: MetricRegistry) {
        self.registry = registry
        events = registry.counter("weir_notify_events_total", help: "Events of incidents taken from the feed.")
        failures = registry.counter("weir_notify_feed_failures_total", help: "Looks at the feed that failed.")
        messages = registry.counter("weir_notify_messages_total", help: "Messages made for channels.")
        gathered = registry.counter("weir_notify_gathered_total", help: "Changes told together with others.")
        muted = registry.counter("weir_notify_muted_total", help: "Changes that a route muted.")
        unrouted = registry.counter("weir_notify_unrouted_total", help: "Changes that no route fits.")
    }

    func note(_ counts: NewsRouter.Counts) {
        messages.follow(counts.messages)
        gathered.follow(counts.gathered)
        muted.follow(counts.muted)
        unrouted.follow(counts.unrouted)
    }
    func waiting(_ channel: String) -> Gauge {
        registry.gauge(
            "weir_notify_waiting", help: "Messages that wait or are under way.", labels: ["channel": channel])
    }
    func note(_ notice: Notifier.Notice) {
        switch notice {
        case .lost(_, let channel, let loss):
            registry.counter(
                "weir_notify_lost_total", help: "Messages that ended unsent.",
                labels: ["channel": channel, "reason": loss.rawValue]
            ).add()
        case .paused(let channel, _):
            registry.counter(
                "weir_notify_pauses_total", help: "Times a channel was left alone for not answering.",
                labels: ["channel": channel]
            ).add()
        case .notSaved:
            registry.counter("weir_notify_unsaved_total", help: "Messages that are in memory only.").add()
        case .untold(.unknownChannel(_, let channel)):
            registry.counter(
                "weir_notify_unknown_channel_total", help: "Changes for a channel that there is none of.",
                labels: ["channel": channel]
            ).add()
        case .delivered(let channel):
            registry.counter(
                "weir_notify_delivered_total", help: "Messages that their target took.", labels: ["channel": channel]
            ).add()
        case .untold, .resumed: break
        }
    }
}
