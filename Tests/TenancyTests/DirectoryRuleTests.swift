import Identity
import Platform
import Testing

@testable import Tenancy

@Suite("Rules of the directory, by chance")
struct DirectoryRuleTests {
    private static let roles = Role.allCases.map(\.rawValue) + ["netops", "nobody"]

    @Test(
        "whatever members try, no one gains what the giver lacks, and no tenant loses its last owner", arguments: 1...20
    )
    func chance(_ seed: UInt64) throws {
        var chance = SeededGenerator(seed: seed), directory = Directory()
        let acme = try #require(TenantID("acme")), people = (0..<6).map { "usr-\($0)" }
        for (index, id) in people.enumerated() {
            directory.apply(.personAdded(id: id, email: "\(id)@example.net", name: id))
            let role = index == 0 ? "owner" : Self.roles[index % 4]
            directory.apply(.memberSet(tenant: acme, person: id, role: role, reach: ""))
        }
        var done = 0
        for _ in 0..<500 {
            let giver = people[Int.random(in: 0..<6, using: &chance)]
            let target = people[Int.random(in: 0..<6, using: &chance)]
            let own = directory.rights(of: giver, in: acme)?.scopes ?? []
            let role = Self.roles[Int.random(in: 0..<Self.roles.count, using: &chance)]
            let before = directory
            guard let events = attempt(directory, giver, own, target, role, acme, &chance) else { continue }
            for event in events { directory.apply(event) }
            done += events.count
            for person in people {
                let old = before.rights(of: person, in: acme)?.scopes ?? []
                let new = directory.rights(of: person, in: acme)?.scopes ?? []
                #expect(new.subtracting(old).isSubset(of: own), "\(giver) gave \(person) \(new.subtracting(old))")
                #expect(old.subtracting(new).isSubset(of: own), "\(giver) took from \(person)")
            }
            #expect(people.contains { directory.members[acme]?[$0]?.role == "owner" })
        }
        #expect(done > 20, "something happened")
    }

    private func attempt(
        _ directory: Directory, _ giver: String, _ own: Set<Scope>, _ target: String, _ role: String, _ acme: TenantID,
        _ chance: inout SeededGenerator
    ) -> [DirectoryEvent]? {
        let granter = Granter(giver, scopes: own)
        switch Int.random(in: 0..<4, using: &chance) {
        case 0: return try? directory.removeMember(target, of: acme, by: granter)
        case 1:
            let scopes = Set(Scope.allCases.filter { _ in Bool.random(using: &chance) })
            return try? directory.setRole("netops", scopes, in: acme, by: granter)
        default: return try? directory.setMember(target, Standing(role: role), in: acme, by: granter)
        }
    }
}
