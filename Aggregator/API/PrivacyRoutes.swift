internal import Detect
internal import FlowModel
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Incidents
internal import Platform
internal import Query
internal import QueryEngine
internal import Tenancy

/// `POST /v1/privacy/report` and `/v1/privacy/erasure`: what is known of an address, or of a member, and what of that
/// goes; each thing that stays is named, with the reason and its end. `/v1/retention`: how long the tenant keeps what.
struct PrivacyRoutes {
    let sources: APISources

    private static let bodyBytesMax = 16 << 10
    private var now: Int64 { sources.time.wallMilliseconds() }

    func add(to router: PolicedRoutes) {
        router.post("/v1/privacy/report") { request, context in
            let caller = try context.caller, subject = try await subject(request, caller)
            try note("privacyReported", subject, caller)
            return try jsonResponse(try await report(subject, caller.tenant))
        }
        router.post("/v1/privacy/erasure") { request, context in
            let caller = try context.caller, subject = try await subject(request, caller)
            let items = try await erase(subject, caller)
            try note("privacyErased", subject, caller)
            return try jsonResponse(ErasureBody(subject: subject.name, items: items))
        }
        router.get("/v1/retention") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            return try jsonResponse(["items": try retention(caller.tenant)])
        }
        router.put("/v1/retention/{name}") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            guard let kind = KeptKind(rawValue: try context.parameters.require("name")) else { throw Problem.notFound }
            let asked = try await jsonBody(SetRetention.self, of: request, bytesMax: Self.bodyBytesMax)
            guard asked.days.map(ControlLog.retentionDays.contains) ?? true else {
                throw Problem.badBody("days: 1...36500, or null for what the node does")
            }
            try sources.control.setRetention(
                kind, days: asked.days, of: caller.tenant, by: caller.keyID, at: now)
            return try jsonResponse(["items": try retention(caller.tenant)])
        }
    }

    // MARK: Subjects

    private enum Subject {
        case address(IPAddress)
        case member(Person, Standing)

        var name: String {
            switch self {
            case .address(let address): "\(address)"
            case .member(let person, _): person.id
            }
        }
    }

    /// A member of another tenant is as one that there is not.
    private func subject(_ request: Request, _ caller: Principal) async throws -> Subject {
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(SubjectBody.self, of: request, bytesMax: Self.bodyBytesMax)
        switch (asked.address, asked.person) {
        case (let text?, nil):
            guard let address = IPAddress(text) else { throw Problem.badBody("address: not an IPv4 or IPv6 address") }
            return .address(address)
        case (nil, let text?):
            let directory = try sources.control.directory()
            guard let person = directory.people[text] ?? directory.person(email: text),
                let standing = directory.members[caller.tenant]?[person.id]
            else { throw Problem.notFound }
            return .member(person, standing)
        default: throw Problem.badBody("address or person: one of them")
        }
    }

    /// An address would stay for ever in a log that can't be changed: it is not written there.
    private func note(_ kind: String, _ subject: Subject, _ caller: Principal) throws {
        let name = if case .member(let person, _) = subject { person.id } else { "an address" }
        try sources.control.notePrivacy(kind, of: name, tenant: caller.tenant, by: caller.keyID, at: now)
    }

    // MARK: What is known

    private func report(_ subject: Subject, _ tenant: TenantID) async throws -> ReportBody {
        var body = ReportBody(subject: subject.name, at: EventTime(now))
        switch subject {
        case .address(let address):
            body.flows = try await flows(of: address, tenant)
            let traces = try sources.incidents.traces(of: "\(address)", tenant: tenant)
            body.incidents = try (traces.open + traces.closed).map {
                try sources.incidents.get(tenant: tenant, id: $0)
            }
            body.networks = try sources.control.names(of: tenant, holding: address)
            body.auditEvents = try sources.control.eventCount(naming: "\(address)", of: tenant)
        case .member(let person, let standing):
            body.person = PersonBody(
                id: person.id, email: person.email, name: person.name, standing: StandingBody(standing),
                sessions: try sources.control.sessions(of: person.id, at: now).map(SessionTrace.init),
                hasFactor: try sources.control.factor(of: person.id) != nil)
            body.auditEvents = try sources.control.eventCount(naming: person.id, of: tenant)
            body.incidentEvents = try sources.incidents.work(of: person.id, tenant: tenant).values.reduce(0, +)
        }
        return body
    }
    private func flows(of address: IPAddress, _ tenant: TenantID) async throws -> FlowTraces {
        var filter = FlowFilter()
        filter.networks = [IPNetwork("\(address)")].compactMap { $0 }
        let asked = filter
        let answer = try await asking {
            try await sources.query.top(tenant: tenant, filter: asked, by: [], measure: .flows, limit: 1)
        }
        return FlowTraces(
            flows: answer.total.flows, octets: answer.total.octets, isWhole: answer.effort.isComplete,
            records: "/v1/flows/export?ip=\(address)")
    }

    // MARK: What goes

    private func erase(_ subject: Subject, _ caller: Principal) async throws -> [Erasure] {
        switch subject {
        case .address(let address): try await erase(address, caller)
        case .member(let person, _): try erase(person, caller)
        }
    }
    private func erase(_ address: IPAddress, _ caller: Principal) async throws -> [Erasure] {
        let tenant = caller.tenant, traces = try sources.incidents.traces(of: "\(address)", tenant: tenant)
        let erased = try sources.incidents.erase(traces.closed, tenant: tenant)
        let flows = try await flows(of: address, tenant), kept = try retention(tenant)
        func end(_ kind: KeptKind) -> String {
            kept.first { $0.kind == kind.rawValue }?.inForce.map { "after \($0) days" } ?? "never by itself"
        }
        let names = try sources.control.names(of: tenant, holding: address)
        let events = try sources.control.eventCount(naming: "\(address)", of: tenant)
        return [
            Erasure("closed incidents", .erased, erased, "with their findings and history"),
            Erasure(
                "open incidents", .kept, traces.open.count, "an attack is being dealt with (GDPR Art. 17(3)(e))",
                until: "they are closed: ask again"),
            Erasure(
                "flow records", .kept, Int(clamping: flows.flows),
                "a day's records are sealed together and can't be changed", until: end(.records)),
            Erasure("sums by time", .kept, nil, "the busiest hosts of each hour are named in them", until: end(.sums)),
            Erasure("named networks", .kept, names.count, "they are settings: \(names.joined(separator: ", "))"),
            Erasure(
                "audit log", .kept, events, "its events are links of a chain (GDPR Art. 17(3)(b))",
                until: "the tenant's end"),
            Erasure("backups", .kept, nil, "copies of before are not changed", until: "they are replaced"),
        ]
    }
    private func erase(_ person: Person, _ caller: Principal) throws -> [Erasure] {
        let gone = try deciding { () throws(ControlError) in
            try sources.control.erase(person: person.id, in: caller.tenant, by: caller.granter, at: now)
        }
        let work = try sources.incidents.work(of: person.id, tenant: caller.tenant)
        let events = try sources.control.eventCount(naming: person.id, of: caller.tenant)
        let tables: [(String, String)] = [
            ("session", "sessions"), ("password", "password"), ("secondFactor", "authenticator"),
            ("recoveryCode", "recovery codes"), ("passwordReset", "links for passwords"),
            ("subject", "links to providers"),
        ]
        var items = [Erasure("membership", .erased, 1, "nobody signs in by that name again")]
        for (table, name) in tables { items.append(Erasure(name, .erased, gone[table] ?? 0, "")) }
        items.append(
            Erasure(
                "name and address, work on incidents", .kept, work.values.reduce(0, +),
                "who did what to an incident is evidence (GDPR Art. 17(3)(e))", until: "the incidents are erased"))
        items.append(
            Erasure(
                "audit log", .kept, events,
                "its events, the person's name and address among them, are links of a chain (GDPR Art. 17(3)(b))",
                until: "the tenant's end"))
        return items
    }

    private func retention(_ tenant: TenantID) throws -> [RetentionBody] {
        let own = try sources.control.retention(of: tenant), facts = sources.facts
        let node: [KeptKind: Int?] = [.records: facts.recordDays, .sums: facts.sumDays, .incidents: nil]
        return KeptKind.allCases.map { RetentionBody(kind: $0.rawValue, own: own[$0], node: node[$0] ?? nil) }
    }
}

extension ControlLog {
    /// The tenant's names for networks that are this address alone.
    fileprivate func names(of tenant: TenantID, holding address: IPAddress) throws -> [String] {
        let alone = IPNetwork("\(address)")
        return try namedNetworks(of: tenant).filter { $0.value.contains { IPNetwork($0) == alone } }.keys.sorted()
    }
}

private struct SubjectBody: Decodable { let address: String?, person: String? }
private struct SetRetention: Decodable { let days: Int? }
private struct ReportBody: Encodable {
    let subject: String, at: EventTime
    var flows: FlowTraces?, incidents: [Incident]?, networks: [String]?, person: PersonBody?
    var auditEvents = 0, incidentEvents: Int?
}
private struct FlowTraces: Encodable {
    /// Sums over all that is kept; less when the question was cut short.
    let flows: UInt64, octets: UInt64, isWhole: Bool
    /// Where the records themselves are.
    let records: String
}
private struct PersonBody: Encodable {
    let id: String, email: String, name: String, standing: StandingBody, sessions: [SessionTrace], hasFactor: Bool
}
private struct SessionTrace: Encodable {
    let id: String, address: String, agent: String, createdAt: EventTime

    init(_ session: Session) {
        (id, address, agent) = (session.id, session.address, session.agent)
        createdAt = EventTime(session.createdMilliseconds)
    }
}
private struct ErasureBody: Encodable { let subject: String, items: [Erasure] }
private struct Erasure: Encodable {
    enum Outcome: String, Encodable { case erased, kept }
    let what: String, outcome: Outcome
    /// Nil: not counted.
    let count: Int?
    let reason: String, until: String?

    init(_ what: String, _ outcome: Outcome, _ count: Int?, _ reason: String, until: String? = nil) {
        (self.what, self.outcome, self.count, self.reason, self.until) = (what, outcome, count, reason, until)
    }
}
private struct RetentionBody: Encodable {
    let kind: String
    /// In days: what the tenant said, what the node does, and the shorter of the two.
    let own: Int?, node: Int?, inForce: Int?

    init(kind: String, own: Int?, node: Int?) {
        (self.kind, self.own, self.node) = (kind, own, node)
        inForce = [own, node].compactMap { $0 }.min()
    }
}
