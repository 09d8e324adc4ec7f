internal import Detect
package import Enrichment
internal import FlowModel
internal import Hummingbird
package import Identity
package import Intelligence
package import Knowledge
internal import Platform
internal import ProgramDesk
package import ReverseNames
internal import Tenancy

/// What is known about strangers and own networks, for answers to people.
package struct KnowledgeSources: Sendable {
    package var intelligence: CurrentIntelligence
    package var enrichment: CurrentEnrichment
    /// Each tenant's own networks.
    package var assets: [TenantID: AssetNetworks]
    /// Nil: names are not asked for.
    package var names: NameDesk?
    /// The feeds that a tenant may know of.
    package var feeds: @Sendable (TenantID) async -> [FeedState]

    package init(
        intelligence: CurrentIntelligence = CurrentIntelligence(),
        enrichment: CurrentEnrichment = CurrentEnrichment(.none), assets: [TenantID: AssetNetworks] = [:],
        names: NameDesk? = nil,
        feeds: @escaping @Sendable (TenantID) async -> [FeedState] = { _ in [] }
    ) {
        (self.intelligence, self.enrichment) = (intelligence, enrichment)
        (self.assets, self.names, self.feeds) = (assets, names, feeds)
    }

    /// From DNS, where that is switched on, as far as they are known soon.
    func names(of addresses: [IPAddress]) async -> [IPAddress: String] {
        await names?.names(of: addresses) ?? [:]
    }

    /// - Parameters:
    ///   - name: from DNS.
    ///   - said: what the tenant's own enrichers say; what the tables don't know is taken from there.
    func origin(
        of address: IPAddress, tenant: TenantID, name: String? = nil, said: [AddressOrigin.Annotation] = []
    ) -> AddressOrigin? {
        let now = enrichment.value, place = now.place(of: address), asset = assets[tenant]?.asset(holding: address)
        guard place != .unknown || asset != nil || name != nil || !said.isEmpty else {
            return nil
        }
        var origin = AddressOrigin(
            country: place.country.isNone ? nil : "\(place.country)",
            systemNumber: place.systemNumber == 0 ? nil : place.systemNumber,
            systemName: now.systemName(of: address))
        origin.name = name
        if let asset { (origin.network, origin.tags) = (asset.name, asset.tags) }
        if !said.isEmpty { origin.annotations = said }
        origin.country = origin.country ?? said.lazy.compactMap(\.country).first
        origin.systemNumber = origin.systemNumber ?? said.lazy.compactMap(\.systemNumber).first
        return origin
    }
}

/// `GET` and `POST /v1/intel/lookup`: all that is known about addresses, networks and systems; `GET /v1/intel/feeds`:
/// how the feeds do. Sightings are those of the key's tenant, for keys that may read its flows.
struct IntelRoutes {
    let knowledge: KnowledgeSources, sources: FlowSources, programs: ProgramDesk?, time: any TimeSource

    /// How long enrichers are waited for.
    private static let enrichersWait = Duration.milliseconds(500)
    private static let indicatorsMax = 100, bodyBytesMax = 4 << 20

    func add(to router: PolicedRoutes) {
        router.get("/v1/intel/lookup") { request, context in
            let principal = try context.caller
            let parameters = try Parameters(request, allowed: ["indicator", "sightings"])
            let text = parameters.text("indicator") ?? ""
            let asked = text.split(separator: ",").map(String.init)
            guard (1...Self.indicatorsMax).contains(asked.count) else {
                throw Problem.badParameter(
                    "indicator", text,
                    allowed: "1 to \(Self.indicatorsMax) addresses, networks and systems (AS64496) with commas between")
            }
            let lookup = await lookup(for: principal.tenant, asking: asked.compactMap { IndicatorSubject($0)?.host })
            return try await answer(asked.map { lookup.answer($0) }, principal, parameters)
        }
        router.post("/v1/intel/lookup") { request, context in
            let principal = try context.caller
            let parameters = try Parameters(request, allowed: ["sightings"])
            let body = try await request.body.collect(upTo: Self.bodyBytesMax)
            let list = LookupList(Array(body.readableBytesView))
            let answers = await lookup(for: principal.tenant, asking: list.addresses).answers(to: list)
            guard !answers.isEmpty else {
                throw Problem(
                    .badRequest, "bad-body", "The body is wrong",
                    detail: "It should be a CSV file, or a list with an address, a network or a system a line")
            }
            return try await answer(answers, principal, parameters)
        }
        router.get("/v1/intel/feeds") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            return try jsonResponse(["items": await knowledge.feeds(principal.tenant).map(FeedBody.init)])
        }
    }

    private func lookup(for tenant: TenantID, asking addresses: [IPAddress]) async -> IndicatorLookup {
        async let called = knowledge.names(of: addresses)
        let said =
            await programs?.annotations(
                of: addresses.prefix(ProgramDesk.addressesMax), tenant: tenant,
                waitingAtMost: Self.enrichersWait) ?? [:]
        let names = await called
        return IndicatorLookup(
            knowledge.intelligence.edition[tenant], at: time.wallMilliseconds()
        ) { [knowledge] address in
            knowledge.origin(of: address, tenant: tenant, name: names[address], said: said[address] ?? [])
        }
    }

    private func answer(
        _ answers: [LookupAnswer], _ principal: Principal, _ parameters: Parameters
    ) async throws -> Response {
        guard try parameters.choice("sightings", ["true", "false"]) != "false" else {
            return try jsonResponse(["items": answers.map(LookupBody.init)])
        }
        let mayRead = principal.scopes.contains(.readFlows)
        let source = HistorySightings(query: mayRead ? sources.query : nil, tenant: principal.tenant)
        let seen = await IndicatorLookup.addSightings(to: answers, from: source)
        return try jsonResponse(["items": seen.map(LookupBody.init)])
    }
}

/// A feed as JSON. What is not known is left out.
private struct FeedBody: Encodable {
    let name: String, kind: String, shared: Bool, place: String, format: String, indicators: Int
    let refused: [String: Int], examples: [FeedRead.Example]
    let confirmed: String?, asked: String?, failures: Int, problem: String?

    init(_ state: FeedState) {
        (name, kind, shared) = (state.name, state.kind.rawValue, state.isShared)
        (place, format, indicators) = (state.place, state.format, state.indicators)
        (refused, examples) = (state.refused, state.examples)
        (confirmed, asked) = (state.confirmed.map(text), state.asked.map(text))
        (failures, problem) = (state.failures, state.problem)
    }
}

/// An answer as JSON: as it is, with times as text.
private struct LookupBody: Encodable {
    struct Known: Encodable {
        let feed: String, indicator: String, port: UInt16?, confidence: Int
        let firstSeen: String?, lastSeen: String?, expires: String?, expired: Bool
        let labels: [String], malwareFamily: String?, techniques: [String], trafficLight: TrafficLight?

        init(_ known: LookupAnswer.Known) {
            (feed, indicator, port, confidence) = (known.feed, known.indicator, known.port, known.confidence)
            (firstSeen, lastSeen) = (known.firstSeen.map(text), known.lastSeen.map(text))
            (expires, expired) = (known.expires.map(text), known.isExpired)
            (labels, malwareFamily) = (known.labels, known.malwareFamily)
            (techniques, trafficLight) = (known.techniques, known.trafficLight)
        }
    }
    struct Seen: Encodable {
        let firstSeen: String, lastSeen: String, flows: UInt64, octets: UInt64, hosts: Int
    }
    let query: String, place: String?, fault: String?, subject: String?
    let known: [Known], within: Int?, score: Score?, allowedBy: [String], origin: AddressOrigin?
    let sighting: Seen?, sightingsFault: String?

    init(_ answer: LookupAnswer) {
        (query, place, fault, subject) = (answer.query, answer.place, answer.fault, answer.subject)
        (known, within, score) = (answer.known.map(Known.init), answer.within, answer.score)
        (allowedBy, origin) = (answer.allowedBy, answer.origin)
        sighting = answer.sighting.map { seen in
            Seen(
                firstSeen: text(seen.first), lastSeen: text(seen.last), flows: seen.flows, octets: seen.octets,
                hosts: seen.hosts)
        }
        sightingsFault = answer.sightingsFault
    }
}

private func text(_ milliseconds: Int64) -> String { EventTime(milliseconds).description }
