internal import Detect
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import NIOCore
internal import Platform
internal import Tenancy

/// `/v1/audit`: the tenant's events, page by page or all of them as NDJSON, and whether the chain that they are links
/// of is whole.
struct AuditRoutes {
    let control: ControlLog
    /// Checks read all that ever was; one at a time.
    private let checking = OneAtATime(busy: "Another check of the audit log is being made")

    private static let pageLines = 1_000

    init(control: ControlLog) { self.control = control }

    func add(to router: PolicedRoutes) {
        router.get("/v1/audit") { request, context in
            let caller = try context.caller
            let parameters = try Parameters(
                request, allowed: ["kind", "actor", "subject", "from", "to", "limit", "cursor"])
            var question = try question(parameters)
            question.limit = try parameters.integer("limit", in: 1...1_000) ?? 100
            question.before = try parameters.integer("cursor", in: 1...Int.max).map { Int64($0) }
            let lines = try control.events(of: caller.tenant, question)
            let next = lines.count == question.limit ? lines.last.map { String($0.entry.id) } : nil
            return try jsonResponse(AuditPage(items: lines.map { LineBody($0) }, next: next))
        }
        router.get("/v1/audit/export") { request, context in
            let caller = try context.caller
            var asked = try question(try Parameters(request, allowed: ["kind", "actor", "subject", "from", "to"]))
            (asked.after, asked.limit) = (0, Self.pageLines)
            let first = try control.events(of: caller.tenant, asked), question = asked
            return Response(
                status: .ok,
                headers: [
                    .contentType: "application/x-ndjson",
                    .contentDisposition: "attachment; filename=\"audit.ndjson\"",
                ],
                body: ResponseBody { writer in
                    try await write(first, of: caller.tenant, question, to: &writer)
                    try await writer.finish(nil)
                })
        }
        router.get("/v1/audit/verify") { request, context in
            _ = try context.caller
            let parameters = try Parameters(request, allowed: ["head"])
            let expected = try parameters.text("head").map { text throws(Problem) in
                guard let head = AuditHead(text) else {
                    throw .badParameter("head", text, allowed: "a number, a colon and 64 hexadecimal digits")
                }
                return head
            }
            return try await checking.run { try jsonResponse(try await verdict(expecting: expected)) }
        }
    }

    private func question(_ parameters: Parameters) throws(Problem) -> AuditQuestion {
        var question = AuditQuestion()
        question.kind = parameters.text("kind")
        question.actor = parameters.text("actor")
        question.subject = parameters.text("subject")
        question.from = try parameters.time("from")
        question.to = try parameters.time("to")
        return question
    }

    private func write(
        _ first: [AuditLine], of tenant: TenantID, _ asked: AuditQuestion, to writer: inout any ResponseBodyWriter
    ) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var question = asked, lines = first
        while let last = lines.last {  // ends: ids go up, and events are finite
            var out = Data()
            for line in lines { out += try encoder.encode(LineBody(line)) + Data("\n".utf8) }
            try await writer.write(ByteBuffer(bytes: out))
            guard lines.count == Self.pageLines else { return }
            question.after = last.entry.id
            lines = try control.events(of: tenant, question)
        }
    }

    /// The chain is one for all tenants, so that nobody's events can be taken out of it. What is told is whether it is
    /// whole, and its head, which says nothing of its events.
    private func verdict(expecting expected: AuditHead?) async throws -> VerdictBody {
        let found = await onThread { [control] in Result { try control.verifyAudit(expecting: expected) } }
        switch found {
        case .success(let head): return VerdictBody(isWhole: true, head: "\(head)", fault: nil)
        case .failure(let fault as AuditFault): return VerdictBody(isWhole: false, head: nil, fault: fault.inWords)
        case .failure(let error): throw error
        }
    }
}

private struct AuditPage: Encodable { let items: [LineBody], next: String? }
private struct VerdictBody: Encodable { let isWhole: Bool, head: String?, fault: String? }
private struct LineBody: Encodable {
    let id: Int64, at: EventTime, actor: String, kind: String, tenant: String, subject: String, detail: String
    let hash: String

    init(_ line: AuditLine) {
        let entry = line.entry
        (id, at, actor, kind) = (entry.id, EventTime(entry.atMilliseconds), entry.actor, entry.kind)
        (tenant, subject, detail, hash) = (entry.tenant, entry.subject, entry.detail, line.hash)
    }
}
