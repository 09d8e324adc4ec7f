internal import Detect
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Platform
internal import Query
package import Sigma
internal import SigmaBacktest
package import Tenancy

/// `/v1/sigma/rules`: a tenant's Sigma rules, what is wrong with them, what they would find.
struct SigmaRoutes {
    let register: SigmaRegister, control: ControlLog, query: any FlowHistory, time: any TimeSource

    private static let bodyBytesMax = 4 << 20

    func add(to router: PolicedRoutes) {
        router.get("/v1/sigma/rules") { try list($0, $1) }
        router.get("/v1/sigma/rules/{key}") { try show($0, $1) }
        router.get("/v1/sigma/rules/{key}/versions") { try versions($0, $1) }
        router.get("/v1/sigma/export") { try export($0, $1) }
        router.put("/v1/sigma/rules/{key}") { try await put($0, $1) }
        router.delete("/v1/sigma/rules/{key}") { try remove($0, $1) }
        router.post("/v1/sigma/rules/check") { try await check($0, $1) }
        router.post("/v1/sigma/rules/test") { try await test($0, $1) }
        router.post("/v1/sigma/rules/backtest") { try await backtest($0, $1) }
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        let pages = try Pages(request)
        let plan = try register.plan(of: principal.tenant), counts = register.counts(of: principal.tenant)
        return try pages.answer(plan.lines, by: \.key) { SigmaLineBody($0, counts[$0.key], version: nil, text: nil) }
    }

    private func show(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        return try jsonResponse(line(key(context), of: principal.tenant))
    }
    private func line(_ key: String, of tenant: TenantID) throws -> SigmaLineBody {
        guard let line = try register.plan(of: tenant).lines.first(where: { $0.key == key }) else {
            throw Problem.notFound
        }
        return SigmaLineBody(
            line, register.counts(of: tenant)[key],
            version: try control.sigmaVersions(key, of: tenant).last?.version, text: line.document.yaml)
    }
    /// What the tenant has said about a rule, newest first.
    private func versions(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        let versions = try control.sigmaVersions(key(context), of: principal.tenant)
        guard !versions.isEmpty else { throw Problem.notFound }
        return try jsonResponse(["items": versions.reversed().map { SigmaVersionBody($0) }])
    }

    /// All rules as one text of YAML documents, for other programs and other tenants.
    private func export(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        let parameters = try Parameters(request, allowed: ["origin", "state"])
        let origin = try parameters.choice("origin", SigmaPlan.Origin.allCases.map(\.rawValue))
        let state = try parameters.choice("state", SigmaState.allCases.map(\.rawValue))
        let lines = try register.plan(of: principal.tenant).lines.filter { line in
            (origin == nil || line.origin.rawValue == origin) && (state == nil || line.state.rawValue == state)
        }
        let text = SigmaDocument.yaml(lines.map(\.document))
        return Response(
            status: .ok, headers: [.contentType: "application/yaml"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private func key(_ context: APIContext) -> String {
        context.parameters.get("key") ?? ""
    }

    // MARK: Changing

    private func put(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let key = self.key(context), asked: SigmaPutBody = try await body(of: request)
        // Of a rule of its own a tenant may say the state alone: the text stays.
        let isOwn = try register.plan(of: principal.tenant).lines.contains { $0.key == key && $0.origin == .own }
        let last = isOwn ? try control.sigmaVersions(key, of: principal.tenant).last : nil
        let text = asked.text ?? last?.text
        let decision = SigmaDecision(
            key: key, text: text, state: try asked.known("state", asked.state),
            level: try asked.known("level", asked.level))
        if let text = asked.text { try Self.checkDocument(text, key) }
        let plan = try register.plan(of: principal.tenant, with: decision)
        guard let line = plan.lines.first(where: { $0.key == key }) else { throw Problem.notFound }
        guard line.issues.isEmpty || line.state == .draft || line.state == .disabled else {
            throw Self.refused(line.issues)
        }
        _ = try control.setSigmaRule(
            key, text: text, state: asked.state, level: asked.level, of: principal.tenant, by: principal.keyID,
            at: time.wallMilliseconds())
        register.changed(principal.tenant)
        return try jsonResponse(self.line(key, of: principal.tenant))
    }
    private static func checkDocument(_ text: String, _ key: String) throws {
        let parse = SigmaParse(text)
        if let refusal = parse.refusals.first { throw refused(refusal.issues) }
        guard parse.documents.count == 1, parse.documents[0].metadata.key == key else {
            throw Problem(
                .badRequest, "bad-rule", "The rule can't be taken",
                detail: "The text should be one document whose id (or name, or title) is that of the path")
        }
    }
    private static func refused(_ issues: [SigmaIssue]) -> Problem {
        Problem(
            .badRequest, "bad-rule", "The rule can't be honoured",
            detail: issues.map(\.description).joined(separator: "; "))
    }

    private func remove(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        guard
            try control.removeSigmaRule(
                key(context), of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
        else { throw Problem.notFound }
        register.changed(principal.tenant)
        return Response(status: .noContent)
    }

    // MARK: Trying

    private func check(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let asked: SigmaTextBody = try await body(of: request)
        let (parse, set) = try rules(asked.text, principal.tenant)
        return try jsonResponse(SigmaCheckBody(parse, set))
    }

    /// The rules of a text, with those of the tenant that they refer to.
    private func rules(_ text: String, _ tenant: TenantID) throws -> (SigmaParse, SigmaRuleSet) {
        let parse = SigmaParse(text)
        return (parse, SigmaRuleSet(try withReferred(parse.documents, tenant)))
    }
    private func withReferred(_ documents: [SigmaDocument], _ tenant: TenantID) throws -> [SigmaDocument] {
        let own = Set(documents.map(\.metadata.key))
        var referred: Set<String> = []
        for case .correlation(let correlation) in documents { referred.formUnion(correlation.rules.map(\.key)) }
        let others = try register.plan(of: tenant).documents(for: referred.subtracting(documents.flatMap(\.names)))
        return documents + others.filter { !own.contains($0.metadata.key) }
    }

    private func test(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let asked: SigmaTestBody = try await body(of: request)
        let (parse, set) = try rules(asked.text, principal.tenant)
        let columns = try SigmaFlows.columns(asked.flows)
        let keys = Set(parse.documents.map(\.metadata.key))
        let outcome = try await asking { try SigmaBacktest.outcome(set, keys, columns, principal.tenant) }
        return try jsonResponse(SigmaTestAnswer(SigmaCheckBody(parse, set), SigmaOutcomeBody(outcome)))
    }

    private func backtest(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let parameters = try Parameters(request, allowed: ["from", "to", "explain"])
        let from = try parameters.time("from") ?? .min, to = try parameters.time("to") ?? .max
        let explains = try parameters.choice("explain", ["true", "false"]) == "true"
        let asked: SigmaTextBody = try await body(of: request)
        let (parse, set) = try rules(asked.text, principal.tenant)
        if let refusal = parse.refusals.first ?? set.refusals.first { throw Self.refused(refusal.issues) }
        let keys = Set(parse.documents.map(\.metadata.key))
        let plan = try register.plan(of: principal.tenant)
        let inUse = plan.lines.filter { $0.state == .enabled || $0.state == .test }
        let isKnown = inUse.contains { keys.contains($0.key) }
        let current = isKnown ? SigmaRuleSet(plan.documents(for: keys)) : nil
        let answer = try await asking {
            try await SigmaBacktest.run(
                set, keys: keys, against: current, tenant: principal.tenant, from: from, to: to, in: query)
        }
        return try jsonResponse(SigmaBacktestBody(answer, explains: explains))
    }

    private func body<Body: Decodable>(of request: Request) async throws -> Body {
        let octets = try await request.body.collect(upTo: Self.bodyBytesMax)
        do {
            return try JSONDecoder().decode(Body.self, from: Data(octets.readableBytesView))
        } catch {
            throw Problem(
                .badRequest, "bad-body", "The body is wrong",
                detail: #"It should be a JSON object such as {"text":"title: …"}; see openapi.json"#)
        }
    }
}

extension SigmaRegister {
    /// With a tenant's decisions from where they are kept.
    package convenience init(files: SigmaFiles = SigmaFiles(), usual: SigmaState = .enabled, control: ControlLog) {
        self.init(files: files, usual: usual) { tenant in
            try control.sigmaRules(of: tenant).map { rule in
                SigmaDecision(
                    key: rule.key, text: rule.text, state: rule.state.flatMap { SigmaState(rawValue: $0) },
                    level: rule.level.flatMap { SigmaLevel(rawValue: $0) })
            }
        }
    }
}
