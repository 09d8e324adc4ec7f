internal import Detect
internal import Hummingbird
internal import Notify
internal import Tenancy

/// What waits to be told of a tenant's incidents, and a test of its own channels.
struct NotifyRoutes {
    let desk: NotifyDesk

    private static let entriesMax = 1_000

    func add(to router: PolicedRoutes) {
        router.get("/v1/notify/outbox") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let all = await desk.outbox(principal.tenant)
            return try jsonResponse(
                OutboxBody(items: all.prefix(Self.entriesMax).map(EntryBody.init), waiting: all.count))
        }
        router.get("/v1/notify/channels") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            return try jsonResponse(["items": await desk.channels(principal.tenant).map { ["name": $0] }])
        }
        router.post("/v1/notify/channels/{name}/test") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let name = try context.parameters.require("name")
            guard let result = await desk.test(principal.tenant, name) else { throw Problem.notFound }
            return try jsonResponse(["channel": name, "result": result.word])
        }
    }
}

extension Outbox.Result {
    fileprivate var word: String {
        switch self {
        case .delivered: "delivered"
        case .failed: "failed"
        case .refused: "refused"
        case .gone: "gone"
        }
    }
}

private struct OutboxBody: Encodable {
    let items: [EntryBody], waiting: Int
}
private struct EntryBody: Encodable {
    let id: String, channel: String, incidents: [String], addedAt: EventTime, tries: Int, nextTry: EventTime
    init(_ entry: Outbox.Entry) {
        (id, channel, tries) = (entry.id, entry.delivery.channel, entry.tries)
        incidents = entry.delivery.message.incidents
        (addedAt, nextTry) = (EventTime(entry.addedAt), EventTime(entry.notBefore))
    }
}
