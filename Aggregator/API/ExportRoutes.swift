internal import Export
internal import FlowModel
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import NIOCore
internal import Query
internal import QueryEngine
internal import Tenancy

/// `GET /v1/flows/export`: all records that match, newest first, in the format of another program, as they are read.
///
/// An answer that ends early because the question's budget does, or because something fails, is broken off: the
/// connection ends without the answer's proper end, so that no part passes for the whole.
struct ExportRoutes {
    let sources: FlowSources

    private static let rowsMax = 100_000_000, pageRows = 10_000

    func add(to router: PolicedRoutes) {
        router.get("/v1/flows/export") { request, context in
            let asked = try FlowQuestion(
                request, context, sources, allowed: ["format", "limit", "pseudonyms"])
            let (tenant, filter, parameters) = (asked.tenant, asked.filter, asked.parameters)
            let name = try parameters.choice("format", ExportFormat.allCases.map(\.rawValue))
            let format = name.flatMap { ExportFormat(rawValue: $0) } ?? .ndjson
            let limit = try parameters.integer("limit", in: 1...Self.rowsMax) ?? Self.rowsMax
            let key = try pseudonymKey(asked)
            // The first page before the answer begins: what is wrong with the question is then said with a status.
            let first = try await page(tenant, filter, limit, after: nil)
            return Response(
                status: .ok,
                headers: [
                    .contentType: format.contentType,
                    .contentDisposition: "attachment; filename=\"flows.\(format.fileExtension)\"",
                ],
                body: ResponseBody { writer in
                    try await write(first, tenant, filter, limit, format, key, to: &writer)
                    try await writer.finish(nil)
                })
        }
    }

    /// Nil: addresses go out as they are.
    private func pseudonymKey(_ asked: FlowQuestion) throws(Problem) -> [UInt8]? {
        let isWanted = try asked.parameters.choice("pseudonyms", ["true", "false"])
        if let key = asked.veil.key {
            guard isWanted != "false" else { throw .forbidden(Scope.readFlows.rawValue) }
            return key
        }
        return isWanted == "true" ? try Veil.key(asked.principal, sources.pseudonymSecret) : nil
    }

    private func page(
        _ tenant: TenantID, _ filter: FlowFilter, _ limit: Int, after: RecordPosition?
    ) async throws -> RecordsAnswer {
        try await asking {
            try await sources.query.records(
                tenant: tenant, filter: filter, limit: min(limit, Self.pageRows), after: after)
        }
    }

    private func write(
        _ first: RecordsAnswer, _ tenant: TenantID, _ filter: FlowFilter, _ limit: Int,
        _ format: ExportFormat,
        _ key: [UInt8]?, to writer: inout any ResponseBodyWriter
    ) async throws {
        var exporter = FlowExporter(format, pseudonyms: key.flatMap { Pseudonyms(key: $0) })
        var out: [UInt8] = []
        var answer = first
        var left = limit
        exporter.begin(into: &out)
        while true {  // ends: each turn but the last has rows, and `left` falls by them
            guard answer.effort.isComplete || answer.next != nil else { throw Problem.unavailable }
            exporter.add(answer.columns, into: &out)
            left -= answer.columns.count
            guard let next = answer.next, answer.columns.count > 0, left > 0 else { break }
            try await writer.write(ByteBuffer(bytes: out))
            out.removeAll(keepingCapacity: true)
            answer = try await page(tenant, filter, left, after: next)
        }
        exporter.end(into: &out)
        try await writer.write(ByteBuffer(bytes: out))
    }
}
