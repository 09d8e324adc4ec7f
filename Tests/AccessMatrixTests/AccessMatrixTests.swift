import API
import HTTPTypes
import Hummingbird
import Tenancy
import Testing

@Suite("The authorization matrix", .serialized) struct AccessMatrixTests {
    @Test("T1 T2 every route answers every actor as openapi.json promises, and nobody another tenant's things")
    func everyRoute() async throws {
        let world = try await MatrixWorld()
        var matrix = try Matrix(world)
        try await matrix.run(.standard)
        print(
            "matrix: \(matrix.routes) routes, \(world.actors.count) actors, \(matrix.cases) cases,",
            "\(matrix.wrong.count) wrong answers")
        #expect(matrix.routes == PolicyTable.standard.rows.count && matrix.routes == matrix.promises.count)
        let examples = Dictionary(grouping: matrix.wrong) { $0.split(separator: ": ").dropFirst().first ?? "" }
        #expect(matrix.wrong.isEmpty, "\(examples.values.compactMap(\.first).joined(separator: "\n"))")
        #expect(matrix.seen == Set(0..<MatrixWorld.count), "a canary is found where it may be")
    }

    @Test("T3 each row of the policy table, when it says anything else, gives a wrong answer") func mutants()
        async throws
    {
        let world = try await MatrixWorld()
        var count = 0, alive: [String] = []
        for row in PolicyTable.standard.rows {
            for mutant in row.mutants {
                count += 1
                var matrix = try Matrix(world)
                try await matrix.run(PolicyTable.standard.replacing(mutant), route: row.route, isBrief: true)
                if matrix.wrong.isEmpty { alive.append("\(row.route): \(mutant.access)") }
            }
        }
        print("matrix: \(count) mutants of the policy table, \(alive.count) not caught")
        #expect(count > PolicyTable.standard.rows.count * 5 && alive.isEmpty, "\(alive)")
    }

    @Test("a route without a row, a row without a route and a row too many keep the API from starting")
    func incompleteTables() async throws {
        let sources = try await MatrixWorld().sources, rows = PolicyTable.standard.rows
        let first = try #require(rows.last)
        #expect(throws: PolicyError.routesWithoutRow([first.route])) {
            try apiRouter(sources, policy: PolicyTable(rows.dropLast()))
        }
        let idle = PolicyRow(.get, "/v1/nothing", .anyone)
        #expect(throws: PolicyError.rowsWithoutRoute(["GET /v1/nothing"])) {
            try apiRouter(sources, policy: PolicyTable(rows + [idle]))
        }
        #expect(throws: PolicyError.rowsTwice([first.route])) {
            try apiRouter(sources, policy: PolicyTable(rows + [first]))
        }
        #expect(try apiRouter(sources).routes.count == rows.count)
    }
}

extension PolicyRow {
    /// This row with one thing changed: open to all, a permission less, another alternative, a wider or narrower span.
    var mutants: [PolicyRow] {
        guard case .permitted(let alternatives, let span) = access else {
            let others: [Access] = [.anyone, .signedIn, .permitted([[.readFlows]], .tenant)]
            return others.filter { $0 != access }.map { PolicyRow(method, path, $0) }
        }
        var others: [Access] = [.anyone, .signedIn, .permitted([[]], span), .permitted([], span)]
        for (index, alternative) in alternatives.enumerated() {
            for scope in alternative {
                var fewer = alternatives
                fewer[index].remove(scope)
                others.append(.permitted(fewer, span))
            }
            var fewer = alternatives
            fewer.remove(at: index)
            others.append(.permitted(fewer, span))
        }
        for scope in Scope.allCases where !alternatives.contains([scope]) {
            others.append(.permitted(alternatives + [[scope]], span))
        }
        others += Span.allCases.filter { $0 != span }.map { .permitted(alternatives, $0) }
        return Array(Set(others)).filter { $0 != access }.map { PolicyRow(method, path, $0) }
    }
}
