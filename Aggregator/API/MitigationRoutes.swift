internal import Detect
internal import FlowModel
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Incidents
internal import NIOCore
internal import Notify
internal import Platform
internal import Query
internal import QueryEngine
internal import Tenancy

/// What might be done about an incident, a person's yes or no to it, and the lists that firewalls and BGP speakers
/// fetch. Weir itself does nothing: what was accepted is in the lists until its time is over.
struct MitigationRoutes {
    let incidents: IncidentLog, query: any FlowHistory, desk: NotifyDesk, time: any TimeSource

    private static let measuredMax = 16, measuredMilliseconds: Int64 = 86_400_000

    func add(to router: PolicedRoutes) {
        router.get("/v1/incidents/{id}/proposals") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let incident = try found(try context.parameters.require("id"), principal)
            let result = await proposals(for: incident, principal.tenant)
            var response = try jsonResponse(
                ProposalsBody(
                    items: result.proposals.map { ProposalBody($0, incident.work) },
                    omitted: result.omitted.mapValues(\.rawValue)))
            response.headers[.eTag] = "\"\(incident.revision)\""
            return response
        }
        router.post("/v1/incidents/{id}/proposals/{proposal}/accept") { try await accept($0, $1) }
        router.post("/v1/incidents/{id}/proposals/{proposal}/withdraw") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let (id, proposal) = (try context.parameters.require("id"), try context.parameters.require("proposal"))
            return try edit(id, .withdraw(mitigation: proposal), principal, try ifMatch(request))
        }
        router.get("/v1/mitigation/list") { try list($0, $1) }
    }

    private func found(_ id: String, _ principal: Principal) throws -> Incident {
        try finding { () throws(IncidentError) in try incidents.get(tenant: principal.tenant, id: id) }
    }
    private func edit(_ id: String, _ edit: IncidentEdit, _ principal: Principal, _ revision: Int) throws -> Response {
        try incidentAnswer(
            try finding { () throws(IncidentError) in
                try incidents.edit(
                    id, [edit], tenant: principal.tenant, expecting: revision, by: principal.keyID,
                    at: time.wallMilliseconds())
            })
    }

    private func accept(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let seconds = try Parameters(request, allowed: ["seconds"]).integer(
            "seconds", in: 60...Int(MitigationPolicy.lifetimeSecondsMax))
        let incident = try found(try context.parameters.require("id"), principal)
        let id = try context.parameters.require("proposal"), revision = try ifMatch(request)
        guard let proposal = await proposals(for: incident, principal.tenant).proposals.first(where: { $0.id == id })
        else { throw Problem.notFound }
        let now = time.wallMilliseconds()
        let expires = seconds.map { now + Int64($0) * 1_000 } ?? proposal.expiresAt
        return try edit(
            incident.id, .accept(AcceptedMitigation(proposal, by: principal.keyID, at: now, until: expires)), principal,
            revision)
    }

    // MARK: Proposals

    private func proposals(for incident: Incident, _ tenant: TenantID) async -> Mitigation.Result {
        let mitigation = Mitigation(desk.policy), brief = IncidentBrief(incident), now = time.wallMilliseconds()
        let drafts = mitigation.proposals(for: brief, tenant: tenant, at: now) { _ in .unknown }
        var measured: [TrafficMatch: Collateral] = [:]
        for draft in drafts.proposals where measured[draft.traffic] == nil && measured.count < Self.measuredMax {
            measured[draft.traffic] = await collateral(of: draft.traffic, incident, tenant, now)
        }
        return mitigation.proposals(for: brief, tenant: tenant, at: now) { measured[$0] ?? .unknown }
    }

    /// What the traffic of the last day had beside the attack; unknown when that can't be told in full.
    private func collateral(
        of traffic: TrafficMatch, _ incident: Incident, _ tenant: TenantID, _ now: Int64
    ) async -> Collateral {
        let from = now - Self.measuredMilliseconds
        guard incident.start >= from else { return .unknown }
        var filter = FlowFilter(from: from, to: now)
        filter.sourceNetworks = [traffic.source].compactMap { $0 }
        filter.destinationNetworks = [traffic.destination].compactMap { $0 }
        filter.sourcePorts = traffic.sourcePorts.map { $0...$0 }
        filter.destinationPorts = traffic.destinationPorts.map { $0...$0 }
        if let transport = traffic.transport { filter.protocols = [transport] }
        let answer = try? await query.top(
            tenant: tenant, filter: filter, by: [.protocolIdentifier], measure: .octets, limit: 1)
        guard let answer, answer.effort.isComplete else { return .unknown }
        let attack = incident.findings.reduce(UInt64(0)) { $0 &+ $1.evidence.octets }
        return Collateral(octets: answer.total.octets, attackOctets: attack)
    }

    // MARK: Lists

    private func list(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        let parameters = try Parameters(request, allowed: ["format", "nextHop"])
        let format = try parameters.choice("format", ["networks", "exabgp", "gobgp", "json"]) ?? "networks"
        let hop = try parameters.network("nextHop")?.address
        let now = time.wallMilliseconds()
        let standing = try incidents.mitigations(tenant: principal.tenant, at: now)
        let proposals = standing.compactMap { Proposal($0.accepted, incident: $0.incident, tenant: principal.tenant) }
        switch format {
        case "json": return try jsonResponse(["items": proposals.map { ProposalBody($0, IncidentWork()) }])
        case "exabgp":
            return text(proposals.compactMap { ExaBGP.announce($0, nextHop: hop?.description ?? "self") })
        case "gobgp": return text(proposals.compactMap { GoBGP.announce($0, nextHop: hop) })
        default:
            let list = FirewallList.render(proposals, tenant: principal.tenant, at: now)
            return text(list.split(separator: "\n").map(String.init))
        }
    }
    private func text(_ lines: [String]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: lines.map { $0 + "\n" }.joined())))
    }
}

extension AcceptedMitigation {
    fileprivate init(_ proposal: Proposal, by actor: String, at now: Int64, until expires: Int64) {
        self.init(
            id: proposal.id, kind: proposal.kind.rawValue, source: proposal.traffic.source?.description,
            destination: proposal.traffic.destination?.description, transport: proposal.traffic.transport,
            sourcePorts: proposal.traffic.sourcePorts, destinationPorts: proposal.traffic.destinationPorts,
            acceptedAt: EventTime(now), expiresAt: EventTime(expires), by: actor)
    }
}

extension Proposal {
    /// Nil for what this version can't read.
    fileprivate init?(_ accepted: AcceptedMitigation, incident: String, tenant: TenantID) {
        guard let kind = Kind(rawValue: accepted.kind) else { return nil }
        var traffic = TrafficMatch(
            source: accepted.source.flatMap { IPNetwork($0) },
            destination: accepted.destination.flatMap { IPNetwork($0) })
        traffic.transport = accepted.transport
        (traffic.sourcePorts, traffic.destinationPorts) = (accepted.sourcePorts, accepted.destinationPorts)
        self.init(
            id: accepted.id, tenant: tenant, incident: incident, kind: kind, traffic: traffic, collateral: .unknown,
            createdAt: accepted.acceptedAt.milliseconds, expiresAt: accepted.expiresAt.milliseconds,
            approval: .given(by: accepted.by, at: accepted.acceptedAt.milliseconds))
    }
}

private struct ProposalsBody: Encodable {
    let items: [ProposalBody]
    /// Addresses without a proposal, and why.
    let omitted: [String: String]
}

private struct ProposalBody: Encodable {
    struct Text: Encodable { let announce: String?, withdraw: String? }
    let id: String, incident: String, kind: Proposal.Kind
    let source: String?, destination: String?, protocolIdentifier: UInt8?, sourcePorts: [UInt16]
    let destinationPorts: [UInt16], expiresAt: EventTime
    /// The share of the last day's octets that were not of the attack; absent when unknown.
    let collateral: Double?, collateralOctets: UInt64?
    let exabgp: Text, gobgp: Text
    let accepted: AcceptedMitigation?

    init(_ proposal: Proposal, _ work: IncidentWork) {
        (id, incident, kind) = (proposal.id, proposal.incident, proposal.kind)
        (source, destination) = (proposal.traffic.source?.description, proposal.traffic.destination?.description)
        protocolIdentifier = proposal.traffic.transport
        (sourcePorts, destinationPorts) = (proposal.traffic.sourcePorts, proposal.traffic.destinationPorts)
        expiresAt = EventTime(proposal.expiresAt)
        if case .share(let share, let octets) = proposal.collateral {
            (collateral, collateralOctets) = ((share * 1_000).rounded() / 1_000, octets)
        } else {
            (collateral, collateralOctets) = (nil, nil)
        }
        exabgp = Text(announce: ExaBGP.announce(proposal), withdraw: ExaBGP.withdraw(proposal))
        gobgp = Text(announce: GoBGP.announce(proposal), withdraw: GoBGP.withdraw(proposal))
        accepted = work.mitigations.first { $0.id == proposal.id }
    }
}
