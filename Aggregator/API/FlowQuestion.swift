internal import Enrichment
internal import FilterLanguage
internal import FlowModel
internal import Hummingbird
internal import Identity
internal import Query
internal import QueryEngine
internal import Tenancy

/// What questions about flows are answered from.
struct FlowSources: Sendable {
    let query: any FlowHistory, control: ControlLog
    /// What pseudonyms are made of; nil: there are none, and requests for them are refused.
    let pseudonymSecret: [UInt8]?
    /// For countries in filters and in answers.
    let enrichment: CurrentEnrichment
}

extension FlowSources {
    /// What `@name` and `country` stand for in a tenant's filters.
    fileprivate func names(of tenant: TenantID) throws -> NamedNetworks {
        var names = try control.names(of: tenant)
        let now = enrichment.value
        guard now.hasRanges else { return names }
        names.country = { text in
            CountryCode(text).flatMap { now.ranges(of: $0) }
        }
        return names
    }
}

/// What all questions about flows have in common: whose, which records, and the parameters that say what is wanted.
struct FlowQuestion: Sendable {
    let principal: Principal
    var tenant: TenantID { principal.tenant }
    let parameters: Parameters
    /// About addresses as they are.
    let filter: FlowFilter
    let veil: Veil
    private let enrichment: CurrentEnrichment

    static let limitMax = 1_000, keysMax = 8

    /// - Parameter allowed: parameters beside those of `FlowScope`.
    init(_ request: Request, _ context: APIContext, _ sources: FlowSources, allowed: Set<String>) throws {
        principal = try context.caller
        veil = try Veil(of: principal, secret: sources.pseudonymSecret)
        enrichment = sources.enrichment
        parameters = try Parameters(request, allowed: FlowScope.names.union(allowed))
        // Who sees pseudonyms may not ask for names and countries.
        let names = veil.key == nil ? try sources.names(of: principal.tenant) : NamedNetworks()
        let scope = try FlowScope(parameters, names: names)
        let conditions = [try veil.real(scope.filter)] + (try principal.reach.conditions())
        filter = FlowFilter(.conjunction(of: conditions.filter { $0 != .any }), from: scope.from, to: scope.to)
    }

    func limit(or usual: Int) throws(Problem) -> Int {
        try parameters.integer("limit", in: 1...Self.limitMax) ?? usual
    }
    var explains: Bool {
        get throws(Problem) {
            let isWanted = try parameters.choice("explain", ["true", "false"]) == "true"
            // What was read to answer is more than the caller's part.
            guard !isWanted || principal.reach.isWhole else { throw .outOfReach }
            return isWanted
        }
    }
    var measure: FlowMeasure {
        get throws(Problem) {
            try parameters.choice("measure", FlowMeasure.allCases.map(\.rawValue)).flatMap {
                FlowMeasure(rawValue: $0)
            }
                ?? .octets
        }
    }
    /// In ms, from a parameter in s.
    func period(or usual: Int) throws(Problem) -> Int64 {
        Int64(try parameters.integer("period", in: 1...2_678_400) ?? usual) * 1_000
    }
    /// Keys with commas between.
    func keys(_ name: String, or usual: [FlowKey]) throws(Problem) -> [FlowKey] {
        guard let text = parameters.text(name) else { return usual }
        let words = text.split(separator: ",", omittingEmptySubsequences: false)
        let keys = words.compactMap { FlowKey(name: $0) }
        guard keys.count == words.count, keys.count <= Self.keysMax, Set(keys).count == keys.count
        else {
            throw .badParameter(
                name, text,
                allowed: "1 to \(Self.keysMax) different keys with commas between; there are: "
                    + FlowKey.allCases.map(\.rawValue).joined(separator: ", ")
                    + ", sourceAddress/24, destinationAddress/24")
        }
        guard keys.contains(where: \.needsPlaces) else { return keys }
        guard veil.key == nil else { throw .behindVeil }
        let now = enrichment.value
        guard !now.isEmpty else {
            throw .badParameter(name, text, allowed: "known here: no table of countries and systems is loaded")
        }
        let table = PlaceTable { address in
            let place = now.place(of: address)
            return PlaceTable.Place(country: place.country.rawValue, system: place.systemNumber)
        }
        return keys.map { $0.asked(of: table) }
    }
}

/// Says why a question was not answered in the caller's terms.
func asking<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
    do {
        return try await body()
    } catch let error as QueryError {
        switch error {
        case .busy:
            throw Problem(
                .serviceUnavailable, "busy", "Too many questions are being answered",
                headers: [.retryAfter: "2"])
        case .tooMuch(let rows):
            throw Problem(
                .serviceUnavailable, "too-much", "The question is too large",
                detail: "No answer after \(rows) records: ask for less time with from and to")
        case .tooManyGroups:
            throw Problem(
                .serviceUnavailable, "too-much", "The question is too large",
                detail: "It has more groups than there is room for: ask for less time or fewer keys")
        case .badPeriod:
            throw Problem(
                .badRequest, "bad-parameter", "A query parameter is wrong",
                detail:
                    "from and to are needed here, and at most \(SeriesSums.bucketsMax) periods between them")
        case .keyDestroyed:
            throw Problem(
                .gone, "key-destroyed", "The history is gone",
                detail: "The tenant's data key was destroyed: what was stored can't be read again")
        case .storage, .cancelled: throw error
        }
    }
}

extension QueryEffort {
    var isComplete: Bool { !isCutShort && unreadable == 0 }
}

extension FlowKey {
    /// A group's value of this key as text; empty for what is not in the record.
    func text(of group: FlowGroupKey) -> String {
        switch self {
        case .sourceAddress: Self.text(group.sourceAddress)
        case .destinationAddress: Self.text(group.destinationAddress)
        case .nextHop: Self.text(group.nextHop)
        case .sourceNetwork: group.sourceNetwork?.description ?? ""
        case .destinationNetwork: group.destinationNetwork?.description ?? ""
        case .sourceTransportPort: Self.text(group.sourceTransportPort)
        case .destinationTransportPort: Self.text(group.destinationTransportPort)
        case .protocolIdentifier: Self.text(group.protocolIdentifier)
        case .service: group.service.map { "\($0.protocolIdentifier)/\($0.port)" } ?? ""
        case .sourceAS: Self.text(group.sourceAS)
        case .destinationAS: Self.text(group.destinationAS)
        case .sourceCountry: group.sourceCountry.map(countryText) ?? ""
        case .destinationCountry: group.destinationCountry.map(countryText) ?? ""
        case .sourceSystem: Self.text(group.sourceSystem)
        case .destinationSystem: Self.text(group.destinationSystem)
        case .ingressInterface: Self.text(group.ingressInterface)
        case .egressInterface: Self.text(group.egressInterface)
        case .exporter:
            group.exporter.map { "\($0.address) \($0.exportProtocol.name) \($0.observationDomain)" } ?? ""
        case .site: group.site ?? ""
        case .sensor: group.sensor.map { "\($0.site):\($0.name)" } ?? ""
        case .tcpControlBits: Self.text(group.tcpControlBits)
        case .codePoint: Self.text(group.codePoint)
        case .vlan: Self.text(group.vlan)
        case .direction: group.direction == 255 ? "" : Self.text(group.direction)
        case .family: Self.text(group.family)
        case .time: Self.text(group.time)
        }
    }
    private static func text(_ address: IPAddress?) -> String { address.map(\.description) ?? "" }
    private static func text(_ number: (some BinaryInteger)?) -> String {
        number.map { "\($0)" } ?? ""
    }
}

extension Reach {
    /// What must hold of each record that the caller sees.
    func conditions() throws(Problem) -> [FilterExpression] {
        var conditions: [FilterExpression] = []
        if let sites { conditions.append(sites.isEmpty ? .not(.any) : .test(.label(.site, sites))) }
        if let exporters {
            // One that can't be read is not left out: that might be the only one.
            let networks = try exporters.sorted().map { text throws(Problem) in
                guard let network = IPNetwork(text) else { throw .outOfReach }
                return network
            }
            conditions.append(networks.isEmpty ? .not(.any) : .test(.address(.exporter, AddressSet(networks))))
        }
        return conditions
    }
    func holds(site: String) -> Bool { sites?.contains(site) ?? true }
}
