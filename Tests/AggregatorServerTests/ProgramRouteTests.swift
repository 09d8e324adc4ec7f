import API
import Foundation
import HTTPTypes
import Identity
import Logging
import Platform
import ProgramDesk
import Programs
import Telemetry
import TestKit
import Testing

private let machine = SandboxTools.ofThisMachine()
private let canRun = machine.canMakeNamespaces && machine.prlimit != nil && machine.setpriv != nil

@Suite("Programs over the API", .enabled(if: canRun))
struct ProgramRouteTests {
    private func desk(_ world: APIWorld, _ tools: SandboxTools = machine) -> ProgramDesk {
        let examples = PackageTree.root.appendingPathComponent("Aggregator/Programs/examples")
        let program = ProgramDescription(
            name: "owner-names", kind: .enricher, tenant: world.acme,
            command: ["/bin/sh", examples.appendingPathComponent("owner-names.sh").path], folder: examples.path)
        return ProgramDesk(
            ProgramSettings([.init(program)]), time: SystemTime(), registry: world.sources.metrics,
            logger: Logger(label: "programs") { _ in SwiftLogNoOpLogHandler() }, tools: { tools })
    }

    @Test("a tenant sees its own programs, and what its enrichers say of an address") func answers() async throws {
        var world = try await APIWorld()
        let desk = desk(world)
        world.sources.programs = desk
        desk.start()
        defer { desk.stop() }
        var item: [String: Any] = [:]
        // Ends: the program says hello within seconds.
        for _ in 0..<1_000 where item["running"] as? Bool != true {
            let answer = try await world.get("/v1/programs", key: world.acmeKey)
            item = try #require((answer.json["items"] as? [[String: Any]])?.first)
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(item["running"] as? Bool == true && item["name"] as? String == "owner-names")
        #expect(item["kind"] as? String == "enricher" && item["starts"] as? Int == 1)
        let others = try await world.get("/v1/programs", key: world.globexKey)
        #expect(others.status == 200 && (others.json["items"] as? [Any])?.isEmpty == true)
        #expect(try await world.get("/v1/programs", key: world.incidentsOnlyKey).status == 403)

        let office = try await labels("10.1.2.3", of: 1, in: world, key: world.acmeKey)
        #expect(office == ["office"])
        let other = try await labels("10.1.2.3", of: 1, in: world, key: world.globexKey, tries: 1)
        #expect(other == nil)
        let list = try await labels("198.18.0.1\n203.0.113.1\n", of: 2, in: world, key: world.acmeKey)
        #expect(list == ["laboratory"])
    }
    /// What is said of the first of `count` indicators. Answers that come too late are there for the next question.
    private func labels(
        _ list: String, of count: Int, in world: APIWorld, key: String, tries: Int = 20
    ) async throws -> [String]? {
        for _ in 0..<tries {
            let known =
                if count == 1 {
                    try await world.get("/v1/intel/lookup?indicator=\(list)&sightings=false", key: key).json
                } else {
                    try await world.ask(.post, "/v1/intel/lookup?sightings=false", key: key, body: list).json
                }
            let items = try #require(known["items"] as? [[String: Any]])
            #expect(items.count == count)
            let said = (items.first?["origin"] as? [String: Any])?["annotations"] as? [[String: Any]]
            if let labels = said?.first?["labels"] as? [String] { return labels }
        }
        return nil
    }

    @Test("one that the machine has no sandbox for is listed with the reason") func unstarted() async throws {
        var world = try await APIWorld()
        let desk = desk(
            world,
            SandboxTools(
                bubblewrap: nil, prlimit: "/usr/bin/prlimit", setpriv: nil, canMakeNamespaces: false, isRoot: false))
        world.sources.programs = desk
        desk.start()
        defer { desk.stop() }
        let answer = try await world.get("/v1/programs", key: world.acmeKey)
        let item = try #require((answer.json["items"] as? [[String: Any]])?.first)
        #expect(item["running"] as? Bool == false && (item["problem"] as? String)?.contains("bubblewrap") == true)
    }
}
