internal import Detect
internal import Hummingbird
internal import Platform
internal import Tenancy

/// `GET /v1/compliance`: which evidence for which controls the running system gives now.
struct ComplianceRoutes {
    let sources: APISources
    /// The audit log is read from end to end.
    private let reporting = OneAtATime(busy: "Another report is being made")

    init(sources: APISources) { self.sources = sources }

    func add(to router: PolicedRoutes) {
        router.get("/v1/compliance") { request, context in
            let caller = try context.caller
            let names = Control.Framework.allCases.map(\.rawValue)
            let wanted = try Parameters(request, allowed: ["framework"]).choice("framework", names)
            return try await reporting.run {
                let evidence = try await EvidenceReader(sources: sources, tenant: caller.tenant).all()
                let controls = Control.all.filter { wanted == nil || $0.framework.rawValue == wanted }
                return try jsonResponse(
                    Report(
                        at: EventTime(sources.time.wallMilliseconds()), tenant: "\(caller.tenant)",
                        controls: controls.map { ControlBody($0, evidence) }, evidence: evidence))
            }
        }
    }
}

private struct Report: Encodable {
    let at: EventTime, tenant: String, controls: [ControlBody], evidence: [Evidence]
}
private struct ControlBody: Encodable {
    let framework: String, id: String, subject: String
    /// All of its evidence holds.
    let holds: Bool
    let evidence: [String], missing: [String]

    init(_ control: Control, _ all: [Evidence]) {
        (framework, id, subject) = (control.framework.rawValue, control.id, control.subject)
        evidence = control.evidence
        missing = control.evidence.filter { id in !all.contains { $0.id == id && $0.holds } }
        holds = missing.isEmpty
    }
}
