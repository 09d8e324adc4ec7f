internal import Detect
internal import Hummingbird
internal import ProgramDesk
internal import Tenancy

/// `GET /v1/programs`: how the tenant's own detectors, enrichers and providers of intelligence do.
struct ProgramRoutes {
    /// Nil: there are none.
    let desk: ProgramDesk?

    func add(to router: PolicedRoutes) {
        router.get("/v1/programs") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let statuses = desk?.statuses(of: principal.tenant) ?? []
            return try jsonResponse(["items": statuses.map(ProgramBody.init)])
        }
    }
}

/// A program as JSON: what is not known is left out.
private struct ProgramBody: Encodable {
    struct End: Encodable {
        let reason: String, detail: String, at: String
    }
    let name: String, kind: String, running: Bool, problem: String?, version: String?, rules: [String]?
    let starts: UInt64, batchesAnswered: UInt64, recordsSent: UInt64, answers: UInt64, logsDropped: UInt64
    let lost: [String: UInt64], ends: [String: UInt64], refused: [String: UInt64], lastEnd: End?

    init(_ status: ProgramStatus) {
        (name, kind, running, problem) = (status.name, status.kind, status.running, status.problem)
        (version, rules, starts) = (status.version, status.rules, status.starts)
        (batchesAnswered, recordsSent, answers) = (status.batchesAnswered, status.recordsSent, status.answers)
        (logsDropped, lost, ends, refused) = (status.logsDropped, status.lost, status.ends, status.refused)
        lastEnd = status.lastEnd.map { end in
            End(reason: end.reason, detail: end.detail, at: EventTime(end.time).description)
        }
    }
}
