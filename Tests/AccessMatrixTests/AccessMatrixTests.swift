import API
import Foundation
import HTTPTypes
import Hummingbird
import Tenancy
import Testing

@Suite("The authorization matrix", .serialized) struct AccessMatrixTests {
    @Test("T1 T2 every route answers every actor as openapi.json promises, and nobody another tenant's things")
    func everyRoute() async throws {
        // As many worlds as processors at once, each for a part of the routes.
        let parts = min(ProcessInfo.processInfo.activeProcessorCount, 8)
        let all = try await withThrowingTaskGroup(of: Matrix.self) { group in
            for part in 0..<parts {
                group.addTask {
                    var matrix = try Matrix(try await MatrixWorld())
                    try await matrix.run(.standard) { $0 % parts == part }
                    return matrix
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let wrong = all.flatMap(\.wrong), routes = all.map(\.routes).reduce(0, +)
        print(
            "matrix: \(routes) routes, \(all[0].world.actors.count) actors, \(all.map(\.cases).reduce(0, +)) cases,",
            "\(wrong.count) wrong answers")
        #expect(routes == PolicyTable.standard.rows.count && routes == all[0].promises.count)
        let examples = Dictionary(grouping: wrong) { $0.split(separator: ": ").dropFirst().first ?? "" }
        #expect(wrong.isEmpty, "\(examples.values.compactMap(\.first).joined(separator: "\n"))")
        for matrix in all { #expect(matrix.seen == Set(0..<MatrixWorld.count), "a canary is found where it may be") }
    }

    @Test("T3 each row of the policy table, when it says anything else, gives a wrong answer") func mutants()
        async throws
    {
        let rows = PolicyTable.standard.rows, mutants = rows.map { ($0, $0.mutants) }
        let count = mutants.map(\.1.count).reduce(0, +)
        var alive: [String] = [], matrix = try Matrix(try await MatrixWorld())
        // A route is judged by its own row only, so each table has one mutant of every row that has still one.
        for number in 0..<(mutants.map(\.1.count).max() ?? 0) {
            let changed = Dictionary(
                uniqueKeysWithValues: mutants.filter { $0.1.count > number }.map { row, others in
                    (row.route, (old: row, new: others[number]))
                })
            (matrix.wrong, matrix.wrongRoutes) = ([], [])
            let table = PolicyTable(rows.map { changed[$0.route]?.new ?? $0 })
            try await matrix.run(table, changed: changed)
            alive += changed.filter { !matrix.wrongRoutes.contains($0.key) }.map { "\($0): \($1.new.access)" }
        }
        print("matrix: \(count) mutants of the policy table, \(alive.count) not caught")
        #expect(count > rows.count * 5 && alive.isEmpty, "\(alive)")
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
    /// Whether it ought to let this actor through. It tells whom to ask about a mutant; their answers are what counts.
    func permits(_ actor: Actor) -> Bool {
        guard actor.isGood || actor.session != nil else { return false }
        switch access {
        case .anyone: return true
        case .signedIn: return actor.isGood && actor.session != nil
        case .permitted(let alternatives, let span):
            let isInReach =
                switch span {
                case .tenant: actor.reach.isWhole
                case .sites: actor.reach.exporters == nil
                case .records: true
                }
            return isInReach && actor.tenant != nil && alternatives.contains { actor.scopes.isSuperset(of: $0) }
        }
    }

    /// This row with one thing changed: open to all, a permission less, another alternative, a wider or narrower span.
    var mutants: [PolicyRow] {
        guard case .permitted(let alternatives, let span) = access else {
            let others: [Access] = [.anyone, .signedIn, .permitted([[.readFlows]], .tenant)]
            return others.filter { $0 != access }.map { PolicyRow(method, path, $0, feature: feature) }
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
        return Array(Set(others)).filter { $0 != access }.map { PolicyRow(method, path, $0, feature: feature) }
    }
}
