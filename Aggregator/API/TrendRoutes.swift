internal import Detect
internal import FlowModel
internal import FlowStore
internal import Hummingbird
internal import Identity
internal import Platform
internal import Query
internal import QueryEngine
internal import Tenancy
internal import Trends

/// `GET /v1/trends`: where the traffic of the tenant, a host or a service comes from and goes, and what that rests on.
struct TrendRoutes {
    let sources: FlowSources, time: any TimeSource

    /// A step counts as complete so long after its end; a record that reached its sensor later is late.
    static let closedAfterMilliseconds: Int64 = 900_000
    static let daysMax = 400

    func add(to router: PolicedRoutes) {
        router.get("/v1/trends") { request, context in
            let asked = try TrendRequest(request, context, sources)
            let now = try asked.parameters.time("to") ?? time.wallMilliseconds()
            let period = asked.step.rawValue
            // Of a step that still grows the value is too small.
            let closed =
                min(max(now, Self.closedAfterMilliseconds), EventTime.range.upperBound) - Self.closedAfterMilliseconds
            let to = closed / period * period
            let from = max(to - Int64(asked.days) * 86_400_000, 0)
            guard from < to else {
                throw Problem.badParameter("to", String(now), allowed: "a time after the first complete step")
            }
            let history = try await asking {
                try await sources.query.history(
                    tenant: asked.tenant, of: asked.subject, from: from, to: to, step: asked.step,
                    lateAfterMilliseconds: Self.closedAfterMilliseconds)
            }
            return try jsonResponse(try TrendBody(asked, history))
        }
    }
}

/// What is asked of a trend.
private struct TrendRequest {
    let tenant: TenantID, parameters: Parameters
    /// As the caller wrote it.
    let entity: String
    let subject: TrendSubject, measure: FlowMeasure, step: RollupPeriod, days: Int
    var options = TrendOptions()

    private static let measures: [FlowMeasure] = [.bitsPerSecond, .packetsPerSecond, .octets, .packets, .flows]

    init(_ request: Request, _ context: APIContext, _ sources: FlowSources) throws {
        let principal = try context.caller
        let veil = try Veil(of: principal, secret: sources.pseudonymSecret)
        tenant = principal.tenant
        parameters = try Parameters(
            request, allowed: ["entity", "measure", "step", "days", "to", "horizon", "season", "limit"])
        entity = parameters.text("entity") ?? "tenant"
        subject = try Self.subject(entity, veil.drawn())
        measure =
            try parameters.choice("measure", Self.measures.map(\.rawValue)).flatMap { FlowMeasure(rawValue: $0) }
            ?? .bitsPerSecond
        step = try parameters.choice("step", ["hour", "day"]) == "day" ? .day : .hour
        days = try parameters.integer("days", in: 1...TrendRoutes.daysMax) ?? 35
        options.horizon = try parameters.integer("horizon", in: 1...TrendReport.horizonMax) ?? (step == .day ? 28 : 168)
        options.season =
            try parameters.choice("season", TrendOptions.Season.allCases.map(\.rawValue)).flatMap {
                TrendOptions.Season(rawValue: $0)
            } ?? .automatic
        options.limit = try parameters.integer("limit", in: 1...1_000_000_000_000_000).map { Double($0) }
    }

    private static func subject(_ entity: String, _ veil: DrawnVeil) throws(Problem) -> TrendSubject {
        if entity == "tenant" { return .tenant }
        let parts = entity.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.first == "host", parts.count == 2, let network = IPNetwork(String(parts[1])) {
            return .host(veil.real(network))
        }
        if parts.first == "service", parts.count == 2, let service = service(parts[1]) { return .service(service) }
        throw .badParameter(
            "entity", entity, allowed: "tenant, host:192.0.2.1, host:2001:db8::/32, service:tcp/443 or service:17/53")
    }
    private static func service(_ text: Substring) -> FlowService? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), let transport = Parameters.protocolNumber(parts[0])
        else { return nil }
        return FlowService(protocolIdentifier: transport, port: port)
    }
}

/// A trend as JSON: what was asked, the series, and the report's members.
private struct TrendBody: Encodable {
    /// What a limit is about to do; a field of the answer and no incident: it depends on who asks with which limit.
    enum Warning: String, Encodable {
        case limitPassed = "limit-passed", limitExpected = "limit-expected", limitPossible = "limit-possible"
    }
    private let asked: TrendRequest, history: TrendHistory, report: TrendReport, values: [Double?]

    init(_ asked: TrendRequest, _ history: TrendHistory) throws {
        (self.asked, self.history) = (asked, history)
        let points = history.steps.map { step in
            let value = step.tally.map { Self.value(of: $0, asked.measure, Double(history.period)) }
            return TrendPoint(
                value: value, records: step.records, late: step.late, samplingInterval: step.samplingInterval)
        }
        values = points.map(\.value)
        report = TrendReport(
            try TrendSeries(start: history.from, step: history.period, points: points), asked.options)
    }
    /// Rates with their fractions, which a trend of little traffic needs.
    private static func value(of tally: Tally, _ measure: FlowMeasure, _ milliseconds: Double) -> Double {
        switch measure {
        case .bitsPerSecond: Double(tally.octets) * 8_000 / milliseconds
        case .packetsPerSecond: Double(tally.packets) * 1_000 / milliseconds
        case .packets: Double(tally.packets)
        case .flows: Double(tally.flows)
        case .octets, .octetsPerPacket: Double(tally.octets)
        }
    }
    private var warnings: [Warning] {
        guard let capacity = report.capacity else { return [] }
        if capacity.isPassed { return [.limitPassed] }
        if capacity.expected != nil { return [.limitExpected] }
        return capacity.earliest == nil ? [] : [.limitPossible]
    }

    private enum Name: CodingKey {
        case entity, measure, from, period, values, warnings, recordsFrom, complete
    }
    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var container = encoder.container(keyedBy: Name.self)
        try container.encode(asked.entity, forKey: .entity)
        try container.encode(asked.measure.rawValue, forKey: .measure)
        try container.encode(history.from, forKey: .from)
        try container.encode(history.period, forKey: .period)
        try container.encode(values, forKey: .values)
        try container.encode(warnings, forKey: .warnings)
        try container.encodeIfPresent(history.recordsFrom, forKey: .recordsFrom)
        try container.encode(history.isComplete, forKey: .complete)
    }
}
