package import HTTPTypes
package import Tenancy

/// One row of the policy table: who may call a route.
package struct PolicyRow: Sendable, Hashable {
    package enum Access: Sendable, Hashable {
        /// Load balancers, scrapers, generators of clients; such a route MUST answer nothing of any tenant.
        case anyone
        /// Any person with a session; such a route answers about that person only.
        case signedIn
        /// Who has all permissions of one of these sets, as far as `span` honours the caller's reach.
        case permitted([Set<Scope>], Span)
    }
    /// What a route does for a caller who may see a part of the tenant only.
    package enum Span: String, Sendable, Hashable, CaseIterable {
        /// Refuses: its answer can't be cut to sites or exporters.
        case tenant
        /// Answers about the caller's sites; refuses who is limited to exporters.
        case sites
        /// Answers about the records of the caller's sites and exporters.
        case records
    }
    package let method: HTTPRequest.Method, path: String
    package var access: Access
    /// What a tenant may have turned off; nil: no tenant does without this route.
    package let feature: Feature?

    package init(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access, feature: Feature? = nil
    ) {
        (self.method, self.path, self.access, self.feature) = (method, path, access, feature)
    }
    init(
        _ method: HTTPRequest.Method, _ path: String, _ scope: Scope, _ span: Span = .tenant, feature: Feature? = nil
    ) {
        self.init(method, path, .permitted([[scope]], span), feature: feature)
    }

    package var route: String { "\(method.rawValue) \(path)" }

    /// Whether to ask twice makes two things: `Idempotency-Key` counts there.
    var makesThings: Bool {
        guard method == .post, case .permitted(let alternatives, _) = access else { return false }
        return alternatives.contains { $0.contains { $0.rawValue.hasSuffix(":write") } }
    }

    /// Who the handler answers to; nil where it is no tenant's principal.
    func grant(_ principal: Principal?, _ person: SignedIn?) throws(Problem) -> Principal? {
        switch access {
        case .anyone: return nil
        case .signedIn:
            guard person != nil else { throw principal == nil ? .unauthorized : .onlyPeople }
            return nil
        case .permitted(let alternatives, let span):
            guard let principal else { throw person == nil ? .unauthorized : .noTenant }
            guard alternatives.contains(where: { principal.scopes.isSuperset(of: $0) }) else {
                let missing = (alternatives.first ?? []).subtracting(principal.scopes).map(\.rawValue).sorted()
                throw .forbidden(missing.joined(separator: " and "))
            }
            guard span.honours(principal.reach) else { throw .outOfReach }
            return principal
        }
    }
}

extension PolicyRow.Span {
    func honours(_ reach: Reach) -> Bool {
        switch self {
        case .tenant: reach.isWhole
        case .sites: reach.exporters == nil
        case .records: true
        }
    }
}

/// Why the API can't start: its routes and its policy table differ. Never a matter of settings.
package enum PolicyError: Error, Equatable, Sendable {
    /// These were to be registered and have no row: nobody said who may call them.
    case routesWithoutRow([String])
    case rowsWithoutRoute([String])
    case rowsTwice([String])
}

/// Who may call what: a row for each route. The router is built from it (`PolicedRoutes`).
package struct PolicyTable: Sendable {
    package private(set) var rows: [PolicyRow]

    package init(_ rows: [PolicyRow]) { self.rows = rows }

    /// The same with other rows in the place of those of their routes.
    package func replacing(_ row: PolicyRow) -> PolicyTable {
        PolicyTable(rows.map { $0.route == row.route ? row : $0 })
    }
}

extension Problem {
    static let outOfReach = Problem(
        .forbidden, "forbidden", "That is about the whole tenant",
        detail: "The caller sees some sites or exporters of it only")
}
