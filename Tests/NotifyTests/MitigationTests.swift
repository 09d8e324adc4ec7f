import Detect
import FlowModel
import Foundation
import Identity
import Incidents
import Notify
import Platform
import TestKit
import Testing

@Suite("What is proposed against an attack")
struct MitigationTests {
    private func brief(
        _ rule: String, _ tactics: [String], attackers: [String], victims: [String], ports: [UInt16] = [],
        severity: Severity = .high
    ) -> IncidentBrief {
        IncidentBrief(
            Incident(
                opening: Samples.finding(
                    "1", rule: rule, tactics: tactics, attackers: attackers, victims: victims, ports: ports,
                    severity: severity)))
    }
    private var policy: MitigationPolicy {
        var policy = MitigationPolicy()
        policy.ownNetworks = ["192.0.2.0/24", "2001:db8::/32"].compactMap { IPNetwork($0) }
        policy.neverBlock = ["198.51.100.53/32", "192.0.2.53/32"].compactMap { IPNetwork($0) }
        return policy
    }
    private func propose(
        _ brief: IncidentBrief, _ policy: MitigationPolicy, _ collateral: Collateral = .unknown
    ) throws -> Mitigation.Result {
        Mitigation(policy).proposals(for: brief, tenant: try Samples.tenant(), at: Samples.noon) { _ in collateral }
    }

    @Test("a scanner is filtered as a source; own and allow-listed ones are named and never proposed") func scan()
        throws
    {
        let result = try propose(
            brief(
                "port-scan-vertical", ["TA0043"],
                attackers: ["203.0.113.7", "192.0.2.8", "198.51.100.53", "2001:db8::5"],
                victims: ["192.0.2.5"]), policy)
        #expect(result.proposals.map(\.kind) == [.flowspec, .firewallList])
        #expect(result.proposals.allSatisfy { $0.traffic.source == IPNetwork("203.0.113.7/32") })
        #expect(
            result.omitted == [
                "192.0.2.8": .ownNetwork, "2001:db8::5": .ownNetwork, "198.51.100.53": .neverBlock,
            ])
    }

    @Test("guessing is filtered on its service only") func guessing() throws {
        let result = try propose(
            brief("password-guessing", ["TA0006"], attackers: ["203.0.113.7"], victims: ["192.0.2.5"], ports: [22]),
            policy)
        let flowspec = try #require(result.proposals.first)
        #expect(
            ExaBGP.announce(flowspec)
                == "announce flow route { match { source 203.0.113.7/32; protocol =6; destination-port [ =22 ]; } "
                + "then { discard; } }")
        #expect(
            GoBGP.withdraw(flowspec)
                == "gobgp global rib -a ipv4-flowspec del match source 203.0.113.7/32 protocol ==6 "
                + "destination-port ==22 then discard")
    }

    @Test("a flood's sources are never proposed; its victim is, if it is one's own and not on the allow-list")
    func flood() throws {
        let reflection = brief(
            "reflection-flood", ["TA0040"], attackers: ["203.0.113.7"],
            victims: ["192.0.2.5", "198.51.100.9", "192.0.2.53"], ports: [53])
        let result = try propose(reflection, policy)
        #expect(result.proposals.map(\.kind) == [.flowspec, .blackhole])
        #expect(result.proposals.allSatisfy { $0.traffic.destination == IPNetwork("192.0.2.5/32") })
        #expect(result.proposals[0].traffic.sourcePorts == [53] && result.proposals[0].traffic.transport == 17)
        #expect(
            result.omitted == [
                "203.0.113.7": .forgedSource, "198.51.100.9": .notOwnVictim, "192.0.2.53": .neverBlock,
            ])
        //= RFC 7999 §3.2
        #expect(
            ExaBGP.announce(result.proposals[1], nextHop: "192.0.2.254")
                == "announce route 192.0.2.5/32 next-hop 192.0.2.254 community [65535:666 65535:65281]")
    }

    @Test("nothing is automatic by default; it takes the kind, a limit, and collateral that is known and within it")
    func approval() throws {
        let attack = brief("port-scan-vertical", ["TA0043"], attackers: ["203.0.113.7"], victims: ["192.0.2.5"])
        let none = Collateral(octets: 1_000, attackOctets: 1_000), tenth = Collateral(octets: 1_000, attackOctets: 900)
        #expect(tenth == .share(0.1, ofOctets: 1_000) && Collateral(octets: 0, attackOctets: 5) == .unknown)
        #expect(Collateral(octets: 5, attackOctets: 9) == .share(0, ofOctets: 5))
        var policy = policy
        func approvals(_ collateral: Collateral) throws -> [Proposal.Approval] {
            try propose(attack, policy, collateral).proposals.map(\.approval)
        }
        #expect(try approvals(none) == [.needed, .needed])
        policy.automatic = [.firewallList]
        #expect(try approvals(none) == [.needed, .automatic] && approvals(tenth) == [.needed, .needed])
        policy.collateralMax = 0.2
        #expect(try approvals(tenth) == [.needed, .automatic] && approvals(.unknown) == [.needed, .needed])
        let low = brief("x", ["TA0043"], attackers: ["203.0.113.7"], victims: [], severity: .low)
        #expect(try propose(low, policy).proposals.isEmpty)
    }

    @Test("a proposal ends, comes again under the same id, and a list holds what is approved and not over")
    func lists() throws {
        let attack = brief(
            "port-scan-vertical", ["TA0043"], attackers: ["203.0.113.7", "203.0.113.10", "2a00::1"], victims: [])
        var policy = policy
        policy.lifetimeSeconds = .max
        var proposals = try propose(attack, policy).proposals
        #expect(try propose(attack, policy).proposals.map(\.id) == proposals.map(\.id))
        #expect(Set(proposals.map(\.id)).count == proposals.count)
        let end = Samples.noon + MitigationPolicy.lifetimeSecondsMax * 1_000
        #expect(proposals.allSatisfy { $0.expiresAt == end })
        let acme = try Samples.tenant()
        #expect(FirewallList.render(proposals, tenant: acme, at: Samples.noon) == "# Weir, tenant acme: 0 networks\n")
        for index in proposals.indices { proposals[index].approval = .given(by: "ann", at: Samples.noon) }
        let list = "# Weir, tenant acme: 3 networks\n203.0.113.7/32\n203.0.113.10/32\n2a00::1/128\n"
        #expect(FirewallList.render(proposals.reversed() + proposals, tenant: acme, at: Samples.noon) == list)
        #expect(FirewallList.render(proposals, tenant: acme, at: end).hasSuffix(": 0 networks\n"))
        #expect(
            FirewallList.render(proposals, tenant: try Samples.tenant("b"), at: Samples.noon).hasSuffix(
                ": 0 networks\n"))
    }

    @Test("the number of proposals is bounded and what is beyond is named") func bounded() throws {
        var many = brief("port-scan-vertical", ["TA0043"], attackers: [], victims: [])
        many.entities = (1...200).map { FindingEntity(type: "ipv4-addr", role: .attacker, value: "203.0.113.\($0)") }
        many.entities.append(FindingEntity(type: "ipv4-addr", role: .attacker, value: "evil; } then { accept"))
        let result = try propose(many, policy)
        #expect(result.proposals.count == MitigationPolicy.proposalsMax)
        #expect(result.omitted["203.0.113.200"] == .tooMany && result.omitted["evil; } then { accept"] == .notAnAddress)
    }

    private func every() throws -> [Proposal] {
        let policy = policy
        let briefs = [
            brief("port-scan-vertical", ["TA0043"], attackers: ["203.0.113.7", "2a00::1"], victims: []),
            brief("password-guessing", ["TA0006"], attackers: ["203.0.113.7", "2a00::1"], victims: [], ports: [22]),
            brief(
                "reflection-flood", ["TA0040"], attackers: [], victims: ["192.0.2.5", "2001:db8::5"], ports: [53, 123]),
        ]
        return try briefs.flatMap { try propose($0, policy).proposals }
    }

    @Test("ExaBGP takes every line", .enabled(if: ExaBGPLibrary.isInstalled, "python3 has no exabgp 5"))
    func exabgp() throws {
        let lines = try every().flatMap { proposal in
            let hop = proposal.traffic.destination?.address.isV4 == false ? "2001:db8::fe" : "192.0.2.254"
            return [ExaBGP.announce(proposal, nextHop: hop), ExaBGP.withdraw(proposal, nextHop: hop)].compactMap { $0 }
        }
        #expect(lines.count == 16)
        let read = try ExaBGPLibrary.routes(lines + ["announce flow route { match { nonsense 1; } then { discard; } }"])
        #expect(read == [String](repeating: "1", count: lines.count) + ["0"])
    }

    @Test(
        "gobgpd takes every line and its withdrawal leaves nothing",
        .enabled(if: Program.isInstalled("gobgpd") && Program.isInstalled("gobgp"), "gobgpd is not installed"))
    func gobgp() throws {
        let folder = try TemporaryFolder("weir-gobgp")
        try Data("[global.config]\nas = 65000\nrouter-id = \"10.0.0.1\"\nport = -1\n".utf8).write(to: folder.file("c"))
        let port = "50377"
        let daemon = try Program.start(
            "gobgpd", ["-f", folder.file("c").path, "--api-hosts", "127.0.0.1:\(port)", "--pprof-disable"],
            output: folder.file("out"), errors: folder.file("err"))
        defer {
            daemon.terminate()
            daemon.waitUntilExit()
        }
        func run(_ arguments: [String]) throws -> Program.Outcome {
            try Program.run("gobgp", ["-p", port] + arguments)
        }
        func rows() throws -> Int {
            try ["ipv4", "ipv6", "ipv4-flowspec", "ipv6-flowspec"].reduce(0) { sum, family in
                let outcome = try run(["global", "rib", "-a", family])
                return sum + outcome.text.split(separator: "\n").filter { $0.hasPrefix("*>") }.count
            }
        }
        for _ in 0..<100 where try run(["global"]).status != 0 { Thread.sleep(forTimeInterval: 0.1) }
        let proposals = try every()
        let hop = try #require(IPAddress("192.0.2.254")), hop6 = try #require(IPAddress("2001:db8::fe"))
        for proposal in proposals {
            let isV4 = proposal.traffic.destination?.address.isV4 ?? true
            guard let line = GoBGP.announce(proposal, nextHop: isV4 ? hop : hop6) else { continue }
            let outcome = try run(line.split(separator: " ").dropFirst().map(String.init))
            #expect(outcome.status == 0, "\(line): \(outcome.text)\(outcome.errors)")
        }
        #expect(try rows() == 8)
        for line in proposals.compactMap({ GoBGP.withdraw($0) }) {
            #expect(try run(line.split(separator: " ").dropFirst().map(String.init)).status == 0, "\(line)")
        }
        #expect(try rows() == 0)
    }
}

/// The Python package `exabgp`, asked as its API process would be.
enum ExaBGPLibrary {
    static let isInstalled: Bool = {
        (try? Program.run("python3", ["-c", "from exabgp.reactor.api import API"]).status) == 0
    }()

    /// How many routes each line gives.
    static func routes(_ lines: [String]) throws -> [String] {
        let folder = try TemporaryFolder("weir-exabgp")
        try Data(lines.joined(separator: "\n").utf8).write(to: folder.file("lines"))
        let script = """
            import sys
            from exabgp.environment import getenv
            from exabgp.logger import log
            from exabgp.reactor.api import API
            log.init(getenv())
            api = API(None)
            for line in open(sys.argv[1]).read().splitlines():
                what = line.split(' ')[1]
                print(len(api.api_flow(line) if what == 'flow' else api.api_route(line)))
            """
        let outcome = try Program.run("python3", ["-c", script, folder.file("lines").path])
        return outcome.text.split(separator: "\n").map(String.init)
    }
}
