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
    private let has: @Sendable (Principal, Feature) throws -> Bool
    private let answerMax: Duration, once: OnlyOnce

    /// - Parameters:
    ///   - answerMax: until an answer begins.
    ///   - noteVisit: is told, before the handler is asked, which route an operator was let through to.
    ///   - has: whether the caller's tenant has a feature.
    init(
        _ router: Router<APIContext>, _ table: PolicyTable, answerMax: Duration, once: OnlyOnce,
        noteVisit: @escaping @Sendable (Principal, String) throws -> Void,
        has: @escaping @Sendable (Principal, Feature) throws -> Bool
    ) {
        self.has = has
        (self.router, self.noteVisit, self.answerMax, self.once) = (router, noteVisit, answerMax, once)
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
        let makesThings = row.makesThings
        router.on(RouterPath(path), method: method) { [noteVisit, has, answerMax, once] request, context -> Response in
            var context = context
            try context.decodeParameters()
            context.granted = try row.grant(context.principal, context.signedIn)
            if let feature = row.feature, let caller = context.granted, try !has(caller, feature) {
                throw Problem.featureOff(feature)
            }
            // What can't be noted is not answered.
            if let visitor = context.granted, visitor.isVisitor { try noteVisit(visitor, route) }
            if row.access == .signedIn { context.grantedPerson = context.signedIn }
            return try await within(answerMax) { [context] in
                guard makesThings else { return try await handler(request, context) }
                return try await once.answer(request, context, route, handler)
            }
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
