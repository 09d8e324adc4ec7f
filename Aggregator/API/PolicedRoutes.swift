internal import HTTPTypes
internal import Hummingbird
internal import Tenancy

/// The only way to a route: each is registered together with its row of the policy table, which is asked before the
/// handler is. A route without a row is not registered at all, and `finish` says so.
final class PolicedRoutes {
    private let router: Router<APIContext>
    private let rows: [String: PolicyRow], twice: [String]
    private var withoutRow: [String] = [], registered: Set<String> = []

    private let noteVisit: @Sendable (Principal, String) throws -> Void

    /// - Parameter noteVisit: is told, before the handler is asked, which route an operator was let through to.
    init(
        _ router: Router<APIContext>, _ table: PolicyTable,
        noteVisit: @escaping @Sendable (Principal, String) throws -> Void
    ) {
        (self.router, self.noteVisit) = (router, noteVisit)
        rows = Dictionary(table.rows.map { ($0.route, $0) }) { first, _ in first }
        twice = Dictionary(grouping: table.rows, by: \.route).filter { $0.value.count > 1 }.keys.sorted()
    }

    typealias Handler = @Sendable (Request, APIContext) async throws -> Response

    func get(_ path: String, use handler: @escaping Handler) { on(.get, path, handler) }
    func put(_ path: String, use handler: @escaping Handler) { on(.put, path, handler) }
    func post(_ path: String, use handler: @escaping Handler) { on(.post, path, handler) }
    func patch(_ path: String, use handler: @escaping Handler) { on(.patch, path, handler) }
    func delete(_ path: String, use handler: @escaping Handler) { on(.delete, path, handler) }

    private func on(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping Handler) {
        let route = "\(method.rawValue) \(path)"
        guard let row = rows[route] else { return withoutRow.append(route) }
        registered.insert(route)
        router.on(RouterPath(path), method: method) { [noteVisit] request, context -> Response in
            var context = context
            context.granted = try row.grant(context.principal, context.signedIn)
            // What can't be noted is not answered.
            if let visitor = context.granted, visitor.isVisitor { try noteVisit(visitor, route) }
            if row.access == .signedIn { context.grantedPerson = context.signedIn }
            return try await handler(request, context)
        }
    }

    /// - Throws: when routes and rows differ; then no request may be answered.
    func finish() throws(PolicyError) {
        guard twice.isEmpty else { throw .rowsTwice(twice) }
        guard withoutRow.isEmpty else { throw .routesWithoutRow(withoutRow) }
        let idle = Set(rows.keys).subtracting(registered).sorted()
        guard idle.isEmpty else { throw .rowsWithoutRoute(idle) }
    }
}
