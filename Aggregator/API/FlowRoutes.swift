internal import FlowModel
internal import FlowText
internal import Hummingbird
internal import Query
internal import Tenancy

/// `GET /v1/flows` and `GET /v1/flows/top`: questions about the flow records of the key's tenant.
struct FlowRoutes {
    let query: FlowQuery

    private static let filterNames: Set = ["from", "to", "ip", "source", "destination", "port", "protocol"]

    func add(to router: Router<APIContext>) {
        router.get("/v1/flows") { try await list($0, $1) }
        router.get("/v1/flows/top") { try await top($0, $1) }
    }

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.authorize(.readFlows)
        let parameters = try Parameters(request, allowed: Self.filterNames.union(["limit", "cursor"]))
        let filter = try filter(parameters), limit = try parameters.integer("limit", in: 1...1_000) ?? 100
        var after: RecordPosition?
        if let text = parameters.text("cursor") {
            guard let position = RecordPosition(text) else {
                throw Problem.badParameter("cursor", text, allowed: "the `next` of a page before")
            }
            after = position
        }
        let answer = try await asking {
            try await query.records(tenant: principal.tenant, filter: filter, limit: limit, after: after)
        }
        var body = Array(#"{"items":["#.utf8)
        for row in answer.columns.rows {
            if row > 0 { body.append(UInt8(ascii: ",")) }
            FlowTextWriter.json(answer.columns, row: row, into: &body)
        }
        let next = answer.next.map { "\"\($0)\"" } ?? "null"
        body += #"],"next":\#(next),"complete":\#(answer.effort.isComplete)}"#.utf8
        return jsonResponse(body)
    }

    private func top(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.authorize(.readFlows)
        let parameters = try Parameters(request, allowed: Self.filterNames.union(["by", "measure", "limit"]))
        let filter = try filter(parameters), limit = try parameters.integer("limit", in: 1...1_000) ?? 10
        let keyName = try parameters.choice("by", FlowKey.allCases.map(\.rawValue)) ?? FlowKey.sourceAddress.rawValue
        let measureName = try parameters.choice("measure", FlowMeasure.allCases.map(\.rawValue))
        guard let key = FlowKey(rawValue: keyName) else { throw Problem.internalError }
        let measure = measureName.flatMap { FlowMeasure(rawValue: $0) } ?? .octets
        let answer = try await asking {
            try await query.top(tenant: principal.tenant, filter: filter, by: [key], measure: measure, limit: limit)
        }
        return try jsonResponse(
            TopBody(
                items: answer.groups.map { TopBody.Item(key: text(of: $0.key), sums: Sums($0.tally)) },
                total: Sums(answer.total), groupCount: answer.groupCount, other: Sums(answer.other),
                complete: answer.effort.isComplete))
    }

    private func filter(_ parameters: Parameters) throws(Problem) -> FlowFilter {
        var filter = FlowFilter(from: try parameters.time("from") ?? .min, to: try parameters.time("to") ?? .max)
        filter.networks = try parameters.network("ip").map { [$0] } ?? []
        filter.sourceNetworks = try parameters.network("source").map { [$0] } ?? []
        filter.destinationNetworks = try parameters.network("destination").map { [$0] } ?? []
        filter.ports = try parameters.integer("port", in: 0...65_535).map { [UInt16($0)...UInt16($0)] } ?? []
        filter.protocols = try parameters.ipProtocol("protocol").map { [$0] } ?? []
        return filter
    }

    /// Says why a question was not answered in the caller's terms.
    private func asking<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
        do {
            return try await body()
        } catch QueryError.busy {
            throw Problem(
                .serviceUnavailable, "busy", "Too many questions are being answered", headers: [.retryAfter: "2"])
        } catch QueryError.tooMuch(let rows) {
            throw Problem(
                .serviceUnavailable, "too-much", "The question is too large",
                detail: "No answer after \(rows) records: ask for less time with from and to")
        }
    }

    private func text(of key: FlowGroupKey) -> String {
        let address = key.sourceAddress ?? key.destinationAddress
        let number =
            key.sourceTransportPort.map(Int.init) ?? key.destinationTransportPort.map(Int.init)
            ?? key.protocolIdentifier.map(Int.init)
        let exporter = key.exporter.map { "\($0.address) \($0.exportProtocol.name) \($0.observationDomain)" }
        return address?.description ?? number.map(String.init) ?? exporter ?? ""
    }
}

extension QueryEffort {
    fileprivate var isComplete: Bool { !isCutShort && unreadable == 0 }
}

private struct Sums: Encodable {
    let octetDeltaCount: UInt64, packetDeltaCount: UInt64, deltaFlowCount: UInt64
    init(_ tally: Tally) {
        (octetDeltaCount, packetDeltaCount, deltaFlowCount) = (tally.octets, tally.packets, tally.flows)
    }
}

private struct TopBody: Encodable {
    struct Item: Encodable {
        let key: String, sums: Sums
        func encode(to encoder: any Encoder) throws {
            try sums.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(key, forKey: .key)
        }
        private enum Key: CodingKey { case key }
    }
    let items: [Item], total: Sums, groupCount: Int, other: Sums, complete: Bool
}
