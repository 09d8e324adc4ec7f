import API
import Detect
import Foundation
import HTTPTypes
import Identity
import Tenancy
import TestKit
import Testing

@Suite("A tenant's own limits of detectors") struct DetectorLimitTests {
    private static let uri = "/v1/detectors/limits"

    private func world() async throws -> APIWorld {
        var world = try await APIWorld(), tuning = DetectorTuning()
        #expect(tuning.set("longConnection", 1_200_000) == nil && tuning.setOff(["policy"]) == nil)
        world.sources.detectors = DetectorDesk(
            LiveParameters(TenantParameters(usual: tuning.applied(to: DetectorParameters()))))
        return world
    }
    private func limit(_ name: String, in json: [String: Any]) throws -> [String: Any] {
        let items = try #require(json["items"] as? [[String: Any]])
        let limits = items.flatMap { $0["limits"] as? [[String: Any]] ?? [] }
        return try #require(limits.first { $0["name"] as? String == name })
    }
    private func off(_ json: [String: Any]) -> Set<String> {
        let rules = (json["items"] as? [[String: Any]] ?? []).flatMap { $0["rules"] as? [[String: Any]] ?? [] }
        return Set(rules.filter { $0["off"] as? Bool == true }.compactMap { $0["id"] as? String })
    }

    @Test("they hold for the tenant alone, over the operator's; what is left out is as it was, and {} takes all back")
    func set() async throws {
        let world = try await world()
        let before = try await world.get("/v1/detectors", key: world.acmeKey).json["own"] as? [String: Any]
        #expect(before?["version"] as? Int == 0)
        let body = #"{"limits":{"scanPortsMin":12,"longConnection":600000},"off":["new-*"]}"#
        let audited = try world.sources.control.auditHead().id
        let set = try await world.ask(.put, Self.uri, key: world.acmeKey, body: body)
        #expect(set.status == 200 && set.json["version"] as? Int == 1 && set.json["by"] as? String == world.acmeKeyID)
        #expect(
            (set.json["limits"] as? [String: Any])?.compactMapValues { $0 as? Double } == [
                "scanPortsMin": 12, "longConnection": 600_000,
            ])

        let own = try await world.get("/v1/detectors", key: world.acmeKey).json
        let ports = try limit("scanPortsMin", in: own)
        #expect(ports["value"] as? Double == 12 && ports["isOwn"] as? Bool == true && ports["isSet"] as? Bool == true)
        #expect(try limit("scanHostsMin", in: own)["isOwn"] as? Bool == false)
        #expect(off(own) == ["new-country", "new-system", "new-network", "policy"])
        let others = try await world.get("/v1/detectors", key: world.globexKey).json
        #expect(try limit("scanPortsMin", in: others)["value"] as? Double == 8)
        #expect(try limit("longConnection", in: others)["value"] as? Double == 1_200_000)
        #expect(off(others) == ["policy"] && (others["own"] as? [String: Any])?["version"] as? Int == 0)

        // Who is started again knows it.
        let kept = try DetectorDesk.kept(in: world.sources.control)
        #expect(Set(kept.keys) == [world.acme] && kept[world.acme]?.values["scanPortsMin"] == 12)
        #expect(try world.sources.control.auditHead().id == audited + 1)

        #expect(try await world.ask(.put, Self.uri, key: world.acmeKey, body: "{}").json["version"] as? Int == 2)
        let back = try await world.get("/v1/detectors", key: world.acmeKey).json
        #expect(try limit("scanPortsMin", in: back)["value"] as? Double == 8 && off(back) == ["policy"])
        #expect(try DetectorDesk.kept(in: world.sources.control).isEmpty)
    }

    @Test(
        "what is not theirs to set, and what is no limit, is refused in words, and nothing changes",
        arguments: [
            (#"{"limits":{"tableEntriesMax":2000}}"#, "limits.tableEntriesMax: only the operator sets it"),
            (#"{"limits":{"scanWindow":60000}}"#, "limits.scanWindow: only the operator sets it"),
            (#"{"limits":{"scanPortsMin":12,"scanPorts":2}}"#, "limits.scanPorts: there is no limit of this name"),
            (#"{"limits":{"scanPortsMin":1}}"#, "limits.scanPortsMin: 1 is outside 2...4096"),
            (#"{"off":["new-*","scan"]}"#, "off: \"scan\" is no built-in rule"), ("[]", "It should be"),
        ])
    func refused(body: String, expected: String) async throws {
        let world = try await world()
        let answer = try await world.ask(.put, Self.uri, key: world.acmeKey, body: body)
        #expect(answer.status == 400 && "\(answer.json["detail"] ?? "")".contains(expected), "\(answer.json)")
        #expect(try world.sources.control.detectorLimits(of: world.acme) == nil)
        let now = try await world.get("/v1/detectors", key: world.acmeKey).json
        #expect(try limit("scanPortsMin", in: now)["value"] as? Double == 8)
    }

    @Test("who may only read rules may not set limits") func scopes() async throws {
        let world = try await world()
        var chance = SystemRandomNumberGenerator()
        for scopes in [[.readRules], [.readIncidents, .writeIncidents]] as [Set<Scope>] {
            let made = try world.sources.control.createKey(
                tenant: world.acme, name: "r", scopes: scopes, by: "test", at: APIWorld.now, using: &chance)
            let answer = try await world.ask(.put, Self.uri, key: made.key.secret, body: #"{"off":["new-*"]}"#)
            #expect(answer.status == 403)
        }
        #expect(try world.sources.control.detectorLimits(of: world.acme) == nil)
    }
}
