internal import Detect
internal import FlowModel
internal import Foundation
internal import HTTPTypes
internal import Identity
internal import Tenancy

// What the routes of people and keys have in common: how a role and a reach are said, and how refusals are.

/// A role, and of how much of the tenant.
struct StandingBody: Codable {
    let role: String
    /// Nil: all.
    var sites: [String]?, exporters: [String]?

    init(_ standing: Standing) {
        role = standing.role
        (sites, exporters) = (standing.reach.sites?.sorted(), standing.reach.exporters?.sorted())
    }
    func standing() throws(Problem) -> Standing { Standing(role: role, reach: try Reach(sites, exporters)) }
}

extension Reach {
    init(_ sites: [String]?, _ exporters: [String]?) throws(Problem) {
        for text in exporters ?? [] where IPNetwork(text) == nil {
            throw .badBody("exporters: \"\(text.prefix(100))\" is not an address or a network such as 10.0.0.0/8")
        }
        self.init(sites: sites.map { Set($0) }, exporters: exporters.map { Set($0) })
    }
}

extension Principal {
    /// Who changes something by the API gives and takes no more than it has.
    var granter: Granter { Granter(keyID, scopes: scopes) }
}

/// Says in the caller's terms what the directory refuses.
func deciding<Value>(_ body: () throws(ControlError) -> Value) throws -> Value {
    do throws(ControlError) {
        return try body()
    } catch {
        switch error {
        case .refused(let refusal): throw Problem(refusal)
        case .unknownKey: throw Problem.notFound
        case .badName: throw Problem(DirectoryRefusal.badName)
        case .badReach: throw Problem(DirectoryRefusal.badReach)
        case .tenantExists, .unknownTenant, .tooManyNames, .storage: throw error
        }
    }
}

extension Problem {
    init(_ refusal: DirectoryRefusal) {
        func conflict(_ detail: String) -> Problem {
            Problem(.conflict, "refused", "That can't be done", detail: detail)
        }
        switch refusal {
        case .badEmail: self = .badBody("email is no address")
        case .badName: self = .badBody("name: 1 to 100 characters; of a role 1 to 63 of a-z 0-9 -, and none of Weir's")
        case .badReach:
            self = .badBody("sites and exporters: at most \(Reach.membersMax), each of 1 to 100 printable characters")
        case .unknownPerson, .unknownInvitation: self = .notFound
        case .unknownRole:
            self = Problem(.unprocessableContent, "refused", "That can't be done", detail: "There is no such role")
        case .unknownAccount:
            self = Problem(
                .unprocessableContent, "refused", "That can't be done", detail: "There is no such service account")
        case .beyondGranter:
            self = Problem(
                .forbidden, "forbidden", "That is more than the caller may",
                detail: "Nobody gives permissions that they don't have, or takes them from who has more")
        case .emailTaken: self = conflict("Somebody has that address")
        case .lastOwner: self = conflict("A tenant that has owners keeps one")
        case .lastOperator: self = conflict("The platform keeps an operator")
        case .roleInUse: self = conflict("Somebody has that role")
        case .notOnlyHere: self = conflict("They belong elsewhere too: an operator does that, on the node")
        case .tooMany(let max): self = conflict("There are \(max) already")
        case .changed:
            self = Problem(.preconditionFailed, "changed", "It has changed since", detail: "Read it again")
        }
    }
}

/// Permissions as words.
func readScopes(_ words: [String]) throws(Problem) -> Set<Scope> {
    var scopes: Set<Scope> = []
    for word in words {
        guard let scope = Scope(rawValue: word) else {
            throw .badBody("scopes: \"\(word.prefix(100))\" is none; see the securitySchemes in /openapi.json")
        }
        scopes.insert(scope)
    }
    return scopes
}

func words(_ scopes: Set<Scope>) -> [String] { scopes.map(\.rawValue).sorted() }

/// How long something made here lasts, from a number of days.
func expiry(_ days: Int?, in range: ClosedRange<Int>, after now: Int64) throws(Problem) -> Int64? {
    guard let days else { return nil }
    guard range.contains(days) else {
        throw .badBody("days: \(days) is outside \(range.lowerBound)...\(range.upperBound)")
    }
    return now + Int64(days) * 86_400_000
}
