package import Identity

/// Decides who is told what: a fold over news and time.
///
/// Invariants: the same news and times in the same order give the same outcomes, whatever was snapshot and restored in
/// between; every pair of news and fitting channel ends as delivered alone or gathered in one later message; each
/// change that nobody hears of is an outcome with its incident's id. At most `streamsMax` gatherings of at most
/// `Gathering.membersMax` incidents are open.
package struct NewsRouter: Sendable {
    /// What became of a piece of news.
    package enum Outcome: Equatable, Sendable {
        /// To be sent.
        case deliver(Delivery)
        /// Waits in a gathering: the message that names it follows.
        case gathered(incident: String, channel: String)
        /// A route says that nobody is to be told.
        case muted(incident: String, route: String)
        /// No route fits.
        case unrouted(incident: String)
        /// The route names a channel that there is none of, or that is another tenant's.
        case unknownChannel(incident: String, channel: String)
    }

    /// How often each happened, for metrics; from the beginning, across restarts.
    package struct Counts: Equatable, Sendable, Codable {
        package var news: UInt64 = 0, messages: UInt64 = 0, gathered: UInt64 = 0, muted: UInt64 = 0
        package var unrouted: UInt64 = 0, unknownChannel: UInt64 = 0
        /// Gatherings sent before their time, for want of room.
        package var early: UInt64 = 0
    }

    /// All that a router remembers.
    package struct State: Equatable, Sendable, Codable {
        package internal(set) var now: Int64 = .min
        package internal(set) var counts = Counts()
        var streams: [String: RouteStream] = [:]
        package init() {}
    }

    package static let streamsMax = 4_096
    package private(set) var state: State
    private let routes: [Route]
    /// A channel's owner; nil inside is the operator's, for news of every tenant.
    private let owners: [String: TenantID?]

    /// - Parameters:
    ///   - routes: in the order in which they are asked.
    ///   - owners: every channel there is, and whose it is.
    ///   - state: what an earlier router had, perhaps with other routes: what is open is sent when it is due.
    package init(routes: [Route], owners: [String: TenantID?], state: State = .init()) {
        self.routes = routes
        self.owners = owners
        self.state = state
    }

    /// When `advance` has something to do; nil: not before more news.
    package var nextDue: Int64? { state.streams.values.lazy.filter { !$0.members.isEmpty }.map(\.closesAt).min() }

    /// Takes in news. Its time, if later than any before, is the time from now on.
    package mutating func take(_ news: News) -> [Outcome] {
        var outcomes = advance(to: news.at)
        state.counts.news &+= 1
        var isRouted = false
        var told: Set<String> = []
        for route in routes where route.fits(news) {
            isRouted = true
            switch route.action {
            case .mute:
                state.counts.muted &+= 1
                outcomes.append(.muted(incident: news.incident.id, route: route.name))
            case .deliver(let channels, let pace):
                for channel in channels where told.insert(channel).inserted {
                    outcomes += tell(news, route, channel, pace)
                }
            }
            if route.isLast { break }
        }
        if !isRouted {
            state.counts.unrouted &+= 1
            outcomes.append(.unrouted(incident: news.incident.id))
        }
        return outcomes
    }

    /// Tells one channel, whatever the routes say: for actions that a person approved.
    package mutating func direct(_ news: News, to channel: String) -> [Outcome] {
        let outcomes = advance(to: news.at)
        state.counts.news &+= 1
        return outcomes + tell(news, Route("", action: .mute), channel, .atOnce)
    }

    /// Lets time pass: sends what is due, in the order of its due times.
    package mutating func advance(to time: Int64) -> [Outcome] {
        guard time > state.now else { return [] }
        state.now = time
        let due = state.streams.filter { $0.value.closesAt <= time }
            .sorted { ($0.value.closesAt, $0.key) < ($1.value.closesAt, $1.key) }
        return due.flatMap { key, _ in close(key) }
    }

    /// Drops what is gathered of a tenant.
    /// - Returns: whether there was anything.
    package mutating func forget(_ tenant: TenantID) -> Bool {
        let count = state.streams.count
        state.streams = state.streams.filter { $0.value.tenant != tenant }
        return state.streams.count < count
    }

    // MARK: One channel

    private mutating func tell(_ news: News, _ route: Route, _ channel: String, _ pace: Pace) -> [Outcome] {
        guard let owner = owners[channel], owner == nil || owner == news.tenant else {
            state.counts.unknownChannel &+= 1
            return [.unknownChannel(incident: news.incident.id, channel: channel)]
        }
        switch pace {
        case .atOnce: return [alone(news, route.name, channel)]
        case .folding(let messagesMax, let seconds):
            let key = RouteStream.key(news.tenant, route.name, channel)
            let length = max(1, min(seconds, RouteStream.secondsMax)) * 1_000
            var outcomes = makeRoom(for: key)
            var stream =
                state.streams[key]
                ?? RouteStream(news.tenant, route.name, channel, .storm, from: state.now, to: state.now &+ length)
            if stream.sent < messagesMax {
                stream.sent += 1
                state.streams[key] = stream
                return outcomes + [alone(news, route.name, channel)]
            }
            state.streams[key] = stream
            outcomes += gather(news, key)
            return outcomes
        case .digest(let minutes):
            let key = RouteStream.key(news.tenant, route.name, channel)
            let length = max(1, min(minutes, RouteStream.secondsMax / 60)) * 60_000
            let outcomes = makeRoom(for: key)
            if state.streams[key] == nil {
                let end = (state.now &- state.now % length) &+ length
                state.streams[key] = RouteStream(
                    news.tenant, route.name, channel, .digest, from: state.now, to: end)
            }
            return outcomes + gather(news, key)
        }
    }

    private mutating func alone(_ news: News, _ route: String, _ channel: String) -> Outcome {
        state.counts.messages &+= 1
        // Not the route: told by another after a change of settings it is the same message.
        let id = digest128([
            "single", news.tenant.rawValue, channel, news.incident.id, String(news.incident.revision),
            news.change.rawValue,
        ])
        let message = Message(
            id: "msg_\(id)", tenant: news.tenant, at: news.at, body: .single(news.incident, news.change))
        return .deliver(Delivery(channel: channel, message: message))
    }

    private mutating func gather(_ news: News, _ key: String) -> [Outcome] {
        guard var stream = state.streams[key] else { return [] }
        state.counts.gathered &+= 1
        stream.add(news.incident)
        state.streams[key] = stream
        let outcome = Outcome.gathered(incident: news.incident.id, channel: stream.channel)
        guard stream.members.count >= Gathering.membersMax else { return [outcome] }
        state.counts.early &+= 1
        // The window goes on: what follows is gathered too.
        return [outcome] + send(key, isOver: false)
    }

    private mutating func close(_ key: String) -> [Outcome] { send(key, isOver: true) }

    private mutating func send(_ key: String, isOver: Bool) -> [Outcome] {
        guard var stream = state.streams[key] else { return [] }
        let message = stream.message(at: state.now)
        stream.members = []
        stream.part += 1
        state.streams[key] = isOver ? nil : stream
        guard let message else { return [] }
        state.counts.messages &+= 1
        return [.deliver(Delivery(channel: stream.channel, message: message))]
    }

    private mutating func makeRoom(for key: String) -> [Outcome] {
        guard state.streams[key] == nil, state.streams.count >= Self.streamsMax else { return [] }
        let first = state.streams.min { ($0.value.closesAt, $0.key) < ($1.value.closesAt, $1.key) }
        guard let first else { return [] }
        state.counts.early &+= 1
        return close(first.key)
    }
}

/// What is open for one tenant, route and channel: a storm's window or a digest's period.
struct RouteStream: Equatable, Sendable, Codable {
    static let secondsMax: Int64 = 7 * 86_400
    let tenant: TenantID, route: String, channel: String, reason: Gathering.Reason
    let opensAt: Int64, closesAt: Int64
    /// Told one by one in this window.
    var sent = 0
    /// How many messages this window has had already.
    var part = 0
    var members: [Gathering.Member] = []

    init(_ tenant: TenantID, _ route: String, _ channel: String, _ reason: Gathering.Reason, from: Int64, to: Int64) {
        (self.tenant, self.route, self.channel, self.reason) = (tenant, route, channel, reason)
        (opensAt, closesAt) = (from, to)
    }

    static func key(_ tenant: TenantID, _ route: String, _ channel: String) -> String {
        "\(tenant.rawValue)\u{0}\(route)\u{0}\(channel)"
    }

    /// The latest view of an incident, and one more change.
    mutating func add(_ brief: IncidentBrief) {
        if let index = members.firstIndex(where: { $0.id == brief.id }) {
            members[index] = Gathering.Member(brief, changes: members[index].changes + 1)
        } else {
            members.append(Gathering.Member(brief, changes: 1))
        }
    }

    /// Nil when there is nothing to tell.
    func message(at now: Int64) -> Message? {
        guard !members.isEmpty else { return nil }
        let id = digest128(
            [reason.rawValue, tenant.rawValue, route, channel, String(opensAt), String(part)]
                + members.flatMap { [$0.id, String($0.revision), String($0.changes)] })
        let to = min(now, closesAt)
        let gathering = Gathering(reason: reason, from: opensAt, to: to, members: members)
        return Message(id: "msg_\(id)", tenant: tenant, at: to, body: .gathered(gathering))
    }
}
