package import Detect
internal import DetectorBacktest
internal import Enrichment
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Intelligence
internal import Platform
internal import Query
internal import Synchronization
internal import Tenancy

/// What the routes about the built-in detectors answer from.
package final class DetectorDesk: Sendable {
    let limits: LiveParameters
    private let turn = OneAtATime(busy: "Another backtest of detectors is being made")
    private let setting = Mutex(())

    package init(_ limits: LiveParameters) { self.limits = limits }
    package convenience init(_ parameters: TenantParameters = TenantParameters()) {
        self.init(LiveParameters(parameters))
    }

    /// Has no two set limits at once.
    func inTurn(_ work: () throws -> Void) throws { try setting.withLock { _ in try work() } }

    /// One backtest at a time.
    func alone<Answer>(_ work: () async throws -> Answer) async throws -> Answer {
        try await turn.run(work)
    }
}

/// `/v1/detectors`: the built-in rules with a tenant's limits, and what they would have found under others.
struct DetectorRoutes {
    let desk: DetectorDesk, knowledge: KnowledgeSources, query: any FlowHistory
    let control: ControlLog, time: any TimeSource

    private static let bodyBytesMax = 64 << 10
    private static let day: Int64 = 86_400_000, daysMax: Int64 = 92

    func add(to router: PolicedRoutes) {
        router.get("/v1/detectors") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            return try jsonResponse(
                DetectorListBody(
                    desk.limits[principal.tenant], settled: desk.limits.settled(principal.tenant),
                    own: OwnLimitsBody(of: principal.tenant, in: control)))
        }
        DetectorLimitRoutes(desk: desk, control: control, time: time).add(to: router)
        router.post("/v1/detectors/backtest") { try await backtest($0, $1) }
    }

    private func backtest(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let parameters = try Parameters(request, allowed: ["from", "to", "learnFrom", "explain"])
        let explains = try parameters.choice("explain", ["true", "false"]) == "true"
        let body = try await request.body.collect(upTo: Self.bodyBytesMax)
        let asked = try DetectorTrialBody(Array(body.readableBytesView))
        let current = desk.limits[principal.tenant]
        var question = DetectorBacktest.Question(
            tenant: principal.tenant, learnFrom: 0, from: 0, to: 0, rules: try asked.ruleIDs,
            parameters: try asked.tuning.applied(to: current), current: current)
        try setPeriod(of: &question, parameters)
        // What is off live is what one may want to know of.
        question.parameters.off = []
        question.intelligence = knowledge.intelligence.edition[principal.tenant]
        question.places = PlaceLookup { [enrichment = knowledge.enrichment] address in
            let place = enrichment.value.place(of: address)
            return (place.country.rawValue, place.systemNumber)
        }
        let answer = try await desk.alone {
            try await asking { [question] in try await DetectorBacktest.run(question, in: query, time: time) }
        }
        return try jsonResponse(DetectorBacktestBody(answer, question, explains: explains))
    }

    /// The day before now, with the day before that to learn from, unless it is said.
    private func setPeriod(of question: inout DetectorBacktest.Question, _ parameters: Parameters) throws(Problem) {
        let range = EventTime.range
        question.to = min(max(try parameters.time("to") ?? time.wallMilliseconds(), 0), range.upperBound)
        question.from = max(try parameters.time("from") ?? (question.to - Self.day), 0)
        question.learnFrom = max(min(try parameters.time("learnFrom") ?? (question.from - Self.day), question.from), 0)
        guard question.from < question.to, question.to - question.learnFrom <= Self.daysMax * Self.day else {
            throw .badParameter(
                "from", parameters.text("from") ?? "", allowed: "before to, and learnFrom at most \(Self.daysMax) days")
        }
    }
}

/// `{"limits":{"scanPortsMin":12},"rules":["port-scan-*"]}`.
private struct DetectorTrialBody {
    private struct Text: Decodable { let limits: [String: Double]?, rules: [String]? }
    private let text: Text

    init(_ octets: [UInt8]) throws(Problem) {
        guard let text = try? JSONDecoder().decode(Text.self, from: Data(octets)) else {
            throw Problem(
                .badRequest, "bad-body", "The body is wrong",
                detail: #"It should be {"limits":{"scanPortsMin":12},"rules":["port-scan-*"]}; either may be left out"#)
        }
        self.text = text
    }

    var tuning: DetectorTuning {
        get throws(Problem) {
            var tuning = DetectorTuning()
            for (name, value) in (text.limits ?? [:]).sorted(by: { $0.key < $1.key }) {
                if let problem = tuning.set(name, value) {
                    throw Problem(.badRequest, "bad-body", "The body is wrong", detail: "limits.\(name): \(problem)")
                }
            }
            return tuning
        }
    }
    /// Those that were asked for; else those that the limits concern; else all.
    var ruleIDs: Set<String> {
        get throws(Problem) {
            if let patterns = text.rules, !patterns.isEmpty {
                var all: Set<String> = []
                for pattern in patterns {
                    let known = DetectorTuning.rules(pattern)
                    guard !known.isEmpty else {
                        throw Problem(
                            .badRequest, "bad-body", "The body is wrong",
                            detail: "rules: \"\(pattern)\" is no built-in rule; GET /v1/detectors lists them")
                    }
                    all.formUnion(known)
                }
                return all
            }
            let limits = (text.limits ?? [:]).keys.compactMap { DetectorLimit.named($0) }
            let detectors = Set(limits.flatMap(\.detectors))
            let all = DetectorSet.rulesByDetector.filter { detectors.isEmpty || detectors.contains($0.detector) }
            return Set(all.flatMap(\.rules).map(\.id))
        }
    }
}
