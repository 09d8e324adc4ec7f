package import FlowLog
internal import Hummingbird
package import Identity
internal import Query
internal import Tenancy

/// The logs that batches come into: a node's own, or a cluster's, one for each group of shards.
package struct FollowedLogs: Sendable {
    let logs: [any FlowLog], place: @Sendable (TenantID) -> Int

    /// - Parameter place: which of them a tenant's batches are in.
    package init(_ logs: [any FlowLog], place: @escaping @Sendable (TenantID) -> Int = { _ in 0 }) {
        (self.logs, self.place) = (logs, place)
    }
}

/// `GET /v1/live/flows`: some of the tenant's records as they come in, those that a filter lets through.
struct LiveFlowRoutes {
    let sources: FlowSources, streams: LiveStreams
    /// Of each log.
    private let feeds: [LiveFlowFeed], place: @Sendable (TenantID) -> Int

    init(logs: FollowedLogs, sources: FlowSources, streams: LiveStreams) {
        (self.sources, self.streams, place) = (sources, streams, logs.place)
        feeds = logs.logs.map { LiveFlowFeed($0, streams.time, interval: streams.limits.interval) }
    }

    func add(to router: PolicedRoutes) {
        router.get("/v1/live/flows") { request, context in
            let asked = try FlowQuestion(request, context, sources, allowed: ["after"])
            for name in ["from", "to"] {
                if let text = asked.parameters.text(name) {
                    throw Problem.badParameter(name, text, allowed: "asked here: what comes in is shown")
                }
            }
            let position = try LiveStreams.position(request, asked.parameters)
            let place = place(asked.tenant)
            guard feeds.indices.contains(place) else { throw Problem.notFound }
            let feed = feeds[place]
            let listener = feed.listen(to: asked.tenant, asked.filter.expression, asked.veil)
            let source = LiveFlows(feed: feed, listener: listener, isBack: position != nil)
            return try streams.answer(source, request, asked.principal)
        }
    }
}

/// Records are not kept for who was away: `reset` says so, and `/v1/flows` has them all.
struct LiveFlows: LiveSource {
    let feed: LiveFlowFeed, listener: LiveFlowFeed.Listener
    var isBack: Bool

    mutating func next() async throws -> (messages: [LiveMessage], hasMore: Bool) {
        try await feed.look()
        let window = listener.take(), id = "\(feed.position)"
        var messages: [LiveMessage] = []
        if isBack || window.hasGap { messages.append(LiveMessage("reset", id: id, data: "{}")) }
        isBack = false
        if window.matched > 0 {
            let items = String(decoding: window.items, as: UTF8.self)
            messages.append(
                LiveMessage(
                    "flows", id: id, data: #"{"each":\#(window.each),"items":[\#(items)],"matched":\#(window.matched)}"#
                ))
        }
        return (messages, false)
    }
}
