package import Detect
internal import HTTPTypes
internal import Hummingbird
package import Identity
internal import ModelHistory
package import ModelRegister
internal import Models
internal import Platform
internal import Query
internal import Tenancy

/// What the routes about models answer from.
package final class ModelDesk: Sendable {
    let register: ModelRegister
    /// Which hosts are a tenant's own.
    let parameters: @Sendable (TenantID) -> DetectorParameters
    private let turn = OneAtATime(busy: "Another model is being made or evaluated")

    package init(
        _ register: ModelRegister,
        parameters: @escaping @Sendable (TenantID) -> DetectorParameters = { _ in DetectorParameters() }
    ) {
        (self.register, self.parameters) = (register, parameters)
    }

    /// One model is made or evaluated at a time.
    func alone<Answer>(_ work: () async throws -> Answer) async throws -> Answer {
        try await turn.run(work)
    }
}

/// `/v1/models`: a tenant's anomaly models, made from its history, evaluated on it, promoted and taken back.
struct ModelRoutes {
    let desk: ModelDesk?, query: any FlowHistory, time: any TimeSource

    /// What a model is made of unless it is said: the last four weeks.
    private static let usualStretch: Int64 = 28 * 86_400_000

    func add(to router: PolicedRoutes) {
        router.get("/v1/models") { try list($0, $1) }
        router.post("/v1/models") { try await train($0, $1) }
        router.post("/v1/models/rollback") { try rollBack($0, $1) }
        router.get("/v1/models/{version}") { try show($0, $1) }
        router.post("/v1/models/{version}/evaluate") { try await evaluate($0, $1) }
        router.post("/v1/models/{version}/promote") { try promote($0, $1) }
    }

    private func kept() throws(Problem) -> ModelRegister {
        guard let desk else { throw .unavailable }
        return desk.register
    }
    private func version(_ context: APIContext) throws(Problem) -> Int {
        guard let number = context.parameters.get("version").flatMap({ Int($0) }) else { throw .notFound }
        return number
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: APIContext) throws -> Response {
        let tenant = try context.caller.tenant
        _ = try Parameters(request, allowed: [])
        let register = try kept()
        return try answering {
            try jsonResponse(
                ModelListBody(
                    register.versions(of: tenant), register.work(of: tenant), register.events(of: tenant)))
        }
    }
    private func show(_ request: Request, _ context: APIContext) throws -> Response {
        let tenant = try context.caller.tenant
        _ = try Parameters(request, allowed: [])
        let (register, number) = (try kept(), try version(context))
        return try answering { try jsonResponse(ModelBody(register.version(number, of: tenant))) }
    }

    // MARK: Changing

    private func promote(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        let (register, number) = (try kept(), try version(context))
        return try answering {
            try register.promote(
                number, of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
            return try jsonResponse(ModelBody(register.version(number, of: principal.tenant)))
        }
    }
    private func rollBack(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        let register = try kept()
        return try answering {
            let now = try register.rollBack(
                of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
            return try jsonResponse(["promoted": now])
        }
    }

    // MARK: Making and evaluating

    private func train(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller, tenant = principal.tenant
        let parameters = try Parameters(request, allowed: ["from", "to", "seed", "windowMinutes"])
        var settings = ModelSettings()
        settings.seed = UInt64(try parameters.integer("seed", in: 0...Int(Int32.max)) ?? 1)
        if let minutes = try parameters.choice("windowMinutes", ["5", "10"]) {
            settings.windowMilliseconds = minutes == "5" ? 300_000 : 600_000
        }
        let to = try parameters.time("to") ?? time.wallMilliseconds()
        let from = try parameters.time("from") ?? (to - min(max(to, 0), Self.usualStretch))
        try Self.check(from, to)
        guard let desk else { throw Problem.unavailable }
        let made = settings
        return try await desk.alone {
            let history = try await self.history(tenant, from, to, made, desk)
            return try answering {
                let model = try AnomalyModel.train(
                    history.samples, from: from, to: to, hostsLeftOut: history.hostsLeftOut, settings: made)
                let version = try desk.register.add(
                    model, of: tenant, by: principal.keyID, at: time.wallMilliseconds())
                return try jsonResponse(
                    ModelTrainingBody(
                        desk.register.version(version, of: tenant), records: history.records,
                        isComplete: history.effort.isComplete))
            }
        }
    }

    private func evaluate(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller, tenant = principal.tenant
        let parameters = try Parameters(request, allowed: ["from", "to", "seed"])
        let seed = UInt64(try parameters.integer("seed", in: 0...Int(Int32.max)) ?? 1)
        guard let desk else { throw Problem.unavailable }
        let number = try version(context)
        let model = try answering { try desk.register.model(number, of: tenant) }
        // What came after it was made, unless it is said.
        let from = try parameters.time("from") ?? model.card.to
        let to = try parameters.time("to") ?? max(time.wallMilliseconds(), from)
        try Self.check(from, to)
        return try await desk.alone {
            let history = try await self.history(tenant, from, to, model.card.settings, desk)
            return try answering {
                let kept = KeptEvaluation(
                    try model.evaluate(history.samples, from: from, to: to, seed: seed), by: principal.keyID,
                    at: time.wallMilliseconds())
                try desk.register.add(kept, to: number, of: tenant)
                return try jsonResponse(
                    ModelTestBody(kept, records: history.records, isComplete: history.effort.isComplete))
            }
        }
    }

    private func history(
        _ tenant: TenantID, _ from: Int64, _ to: Int64, _ settings: ModelSettings, _ desk: ModelDesk
    ) async throws -> ModelHistory {
        let cut = WindowCut(width: settings.windowMilliseconds, parameters: desk.parameters(tenant))
        return try await asking {
            try await ModelHistory.gather(
                of: tenant, from: from, to: to, cut: cut, seed: settings.seed, in: query)
        }
    }
    private static func check(_ from: Int64, _ to: Int64) throws(Problem) {
        guard from >= 0, to > from, to - from <= ModelSettings.stretchMax else {
            throw .badParameter(
                "from", EventTime(from).description, allowed: "before to, by at most 13 weeks, and after 1970")
        }
    }

    /// Turns what goes wrong with models into problems.
    private func answering<Answer>(_ body: () throws -> Answer) throws -> Answer {
        do {
            return try body()
        } catch let error as TrainingError {
            guard case .tooFewWindows(let found, let least) = error else { throw Problem.internalError }
            throw Problem(
                .unprocessableContent, "too-little-history", "There is too little history for that",
                detail: "It has \(found) windows of own hosts; \(least) are needed, a tenth of them in the last fifth")
        } catch let error as ModelRegisterError {
            switch error {
            case .unknownVersion: throw Problem.notFound
            case .nothingToRollBack:
                throw Problem(.conflict, "nothing-promoted", "There is no promotion to take back")
            case .keyDestroyed, .keyUnavailable, .full: throw Problem.unavailable
            case .tooLarge, .damaged, .storage: throw error
            }
        }
    }
}
