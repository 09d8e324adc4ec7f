internal import Detect
internal import HTTPTypes
internal import Hummingbird
internal import Platform
internal import Tenancy

/// `GET /v1/features`, `PUT /v1/features/{name}`: which optional features the tenant has. Their routes ask before they
/// answer (`PolicedRoutes`).
struct FeatureRoutes {
    let control: ControlLog, time: any TimeSource

    func add(to router: PolicedRoutes) {
        router.get("/v1/features") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            let set = try control.features(of: caller.tenant)
            return try jsonResponse(
                ["items": Feature.allCases.map { each in FeatureBody(each, set.first { $0.feature == each }) }])
        }
        router.put("/v1/features/{name}") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            guard let feature = Feature(rawValue: try context.parameters.require("name")) else {
                throw Problem.notFound
            }
            let asked = try await jsonBody(SetFeature.self, of: request, bytesMax: 1_024)
            let now = time.wallMilliseconds()
            try control.set(feature, to: asked.on, of: caller.tenant, by: caller.keyID, at: now)
            let set = try control.features(of: caller.tenant)
            return try jsonResponse(FeatureBody(feature, set.first { $0.feature == feature }))
        }
    }
}

extension Problem {
    static func featureOff(_ feature: Feature) -> Problem {
        Problem(
            .forbidden, "feature-off", "The tenant does without that",
            detail: "\(feature.summary): turned off by its administrators (PUT /v1/features/\(feature.rawValue))")
    }
}

private struct SetFeature: Decodable { let on: Bool }
private struct FeatureBody: Encodable {
    let name: String, summary: String, on: Bool
    /// Who said so last, and when; nobody ever without.
    let actor: String?, at: EventTime?

    init(_ feature: Feature, _ set: FeatureSetting?) {
        (name, summary, on, actor) = (feature.rawValue, feature.summary, set?.isOn ?? true, set?.actor)
        at = set.map { EventTime($0.atMilliseconds) }
    }
}
