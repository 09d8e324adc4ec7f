internal import FlowModel
internal import FlowText
internal import Foundation
internal import Hummingbird
internal import Query
internal import QueryEngine
internal import Tenancy

/// `GET /v1/flows`, `/v1/flows/top`, `/v1/flows/series`, `/v1/flows/percentiles`, `/v1/flows/distinct`,
/// `/v1/flows/conversations` and `/v1/flows/plan`: questions about the flow records of the key's tenant.
struct FlowRoutes {
    private struct Asked: Hashable {
        let caller: Principal, target: String
    }
    let sources: FlowSources, knowledge: KnowledgeSources
    private let answers = SharedAnswers<Asked, Response>()

    init(sources: FlowSources, knowledge: KnowledgeSources) {
        (self.sources, self.knowledge) = (sources, knowledge)
    }

    func add(to router: PolicedRoutes) {
        router.get("/v1/flows") { try await inTurn($0, $1, list) }
        router.get("/v1/flows/top") { try await inTurn($0, $1, top) }
        router.get("/v1/flows/series") { try await inTurn($0, $1, series) }
        router.get("/v1/flows/percentiles") { try await inTurn($0, $1, percentiles) }
        router.get("/v1/flows/distinct") { try await inTurn($0, $1, distinct) }
        router.get("/v1/flows/conversations") { try await inTurn($0, $1, conversations) }
        router.get("/v1/flows/plan") { request, context in
            let asked = try FlowQuestion(request, context, sources, allowed: [])
            let effort = try await asking {
                try await sources.query.plan(tenant: asked.tenant, filter: asked.filter)
            }
            return try jsonResponse(["plan": EffortBody(effort)])
        }
    }

    /// The answer is written in the same turn: that of a heavy question takes its time, too. Who asks the same with the
    /// same rights meanwhile gets the same.
    private func inTurn(
        _ request: Request, _ context: APIContext, _ handler: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let caller = try context.caller
        return try await answers.answer(Asked(caller: caller, target: request.head.path ?? "")) {
            try await asking {
                try await sources.query.inTurn(of: caller.tenant) { try await handler(request, context) }
            }
        }
    }

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let asked = try FlowQuestion(
            request, context, sources, allowed: ["limit", "cursor", "explain"])
        let limit = try asked.limit(or: 100)
        let explains = try asked.explains
        var after: RecordPosition?
        if let text = asked.parameters.text("cursor") {
            guard let position = RecordPosition(text) else {
                throw Problem.badParameter("cursor", text, allowed: "the `next` of a page before")
            }
            after = position
        }
        let answer = try await asking {
            try await sources.query.records(
                tenant: asked.tenant, filter: asked.filter, limit: limit, after: after)
        }
        var body = Array(#"{"items":["#.utf8)
        let columns = asked.veil.drawn().shown(answer.columns)
        for row in columns.rows {
            if row > 0 { body.append(UInt8(ascii: ",")) }
            FlowTextWriter.json(columns, row: row, into: &body)
        }
        let next = answer.next.map { "\"\($0)\"" } ?? "null"
        body += #"],"next":\#(next),"complete":\#(answer.effort.isComplete)"#.utf8
        if explains {
            body += #","plan":"#.utf8 + (try JSONEncoder().encode(EffortBody(answer.effort)))
        }
        body.append(UInt8(ascii: "}"))
        return jsonResponse(body)
    }

    private func top(_ request: Request, _ context: APIContext) async throws -> Response {
        let asked = try FlowQuestion(
            request, context, sources, allowed: ["by", "measure", "limit", "names", "explain"])
        let keys = try asked.keys("by", or: [.sourceAddress])
        let isNamed = try asked.parameters.choice("names", ["true", "false"]) == "true"
        // A name would tell whose pseudonym one is.
        guard !isNamed || asked.veil.key == nil else { throw Problem.behindVeil }
        let measure = try asked.measure
        let limit = try asked.limit(or: 10)
        let explains = try asked.explains
        let answer = try await asking {
            try await sources.query.top(
                tenant: asked.tenant, filter: asked.filter, by: keys, measure: measure, limit: limit)
        }
        let names = await isNamed ? knowledge.names(of: answer.groups.flatMap(\.key.addresses)) : [:]
        let veil = asked.veil.drawn()
        return try jsonResponse(
            TopBody(
                items: answer.groups.map { GroupBody($0, keys, measure, veil) }, total: Sums(answer.total),
                groupCount: answer.groupCount, other: Sums(answer.other),
                complete: answer.effort.isComplete,
                plan: explains ? EffortBody(answer.effort) : nil, names: NamesBody(names)))
    }

    private func series(_ request: Request, _ context: APIContext) async throws -> Response {
        let asked = try FlowQuestion(
            request, context, sources,
            allowed: ["by", "measure", "limit", "period", "rollups", "explain"])
        let keys = try asked.keys("by", or: [])
        let measure = try asked.measure
        let limit = try asked.limit(or: 10)
        let period = try asked.period(or: 60)
        let explains = try asked.explains
        let mayUseRollups = try asked.parameters.choice("rollups", ["true", "false"]) == "true"
        let answer = try await asking {
            try await sources.query.series(
                tenant: asked.tenant, filter: asked.filter, by: keys, measure: measure, limit: limit,
                period: period,
                mayUseRollups: mayUseRollups)
        }
        return try jsonResponse(SeriesBody(answer, keys, asked.veil.drawn(), explains: explains))
    }

    private func percentiles(_ request: Request, _ context: APIContext) async throws -> Response {
        let asked = try FlowQuestion(
            request, context, sources, allowed: ["by", "limit", "period", "percent", "explain"])
        let keys = try asked.keys("by", or: [.exporter, .ingressInterface])
        let limit = try asked.limit(or: 10)
        let period = try asked.period(or: 300)
        let explains = try asked.explains
        let percent = try asked.parameters.integer("percent", in: 1...100) ?? 95
        let answer = try await asking {
            try await sources.query.percentiles(
                tenant: asked.tenant, filter: asked.filter, by: keys, percent: Double(percent),
                limit: limit,
                period: period)
        }
        return try jsonResponse(PercentilesBody(answer, keys, asked.veil.drawn(), explains: explains))
    }

    private func distinct(_ request: Request, _ context: APIContext) async throws -> Response {
        let asked = try FlowQuestion(
            request, context, sources, allowed: ["of", "by", "limit", "explain"])
        let keys = try asked.keys("of", or: [.sourceAddress])
        let groups = try asked.keys("by", or: [])
        let limit = try asked.limit(or: 10)
        let explains = try asked.explains
        let answer = try await asking {
            try await sources.query.distinct(
                tenant: asked.tenant, filter: asked.filter, of: keys, groupedBy: groups, limit: limit)
        }
        return try jsonResponse(DistinctBody(answer, groups, asked.veil.drawn(), explains: explains))
    }

    private func conversations(_ request: Request, _ context: APIContext) async throws -> Response {
        let asked = try FlowQuestion(
            request, context, sources, allowed: ["measure", "limit", "explain"])
        let measure = try asked.measure
        let limit = try asked.limit(or: 10)
        let explains = try asked.explains
        let answer = try await asking {
            try await sources.query.conversations(
                tenant: asked.tenant, filter: asked.filter, measure: measure, limit: limit)
        }
        return try jsonResponse(ConversationsBody(answer, asked.veil.drawn(), explains: explains))
    }
}

extension FlowGroupKey {
    fileprivate var addresses: [IPAddress] {
        [sourceAddress, destinationAddress, nextHop, exporter?.address].compactMap { $0 }
    }
}
