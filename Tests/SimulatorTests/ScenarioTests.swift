import FlowModel
import Simulator
import Testing

@Suite("Simulated attacks look like attacks")
struct ScenarioTests {
    private func flows(_ scenario: String, seconds: Int = 60, rate: Int = 20) throws -> (SimulationRun, [FlowRecord]) {
        let run = try SimulationRun(scenario, .ipfix, rate: rate, seconds: seconds, seed: 9)
        return (run, run.decoded().records)
    }
    private func isHarmless(_ address: IPAddress) -> Bool {
        ["10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]
            .compactMap { IPNetwork($0) }.contains { $0.contains(address) }
    }

    @Test("every scenario uses documentation, benchmark and private addresses only", arguments: ScenarioList.names)
    func addresses(_ scenario: String) throws {
        let (_, flows) = try flows(scenario, seconds: 20)
        #expect(!flows.isEmpty)
        #expect(flows.allSatisfy { isHarmless($0.sourceIPAddress) && isHarmless($0.destinationIPAddress) })
    }

    @Test(
        "truth names each attack's ends, ports, times and sums, and they are those of the flows",
        arguments: Attack.allCases)
    func truth(_ attack: Attack) throws {
        let (run, flows) = try flows(attack.rawValue)
        let truth = try #require(run.truth.attacks.first)
        #expect(run.truth.attacks.count == 1 && truth.scenario == attack.rawValue)
        #expect(truth.flows == UInt64(flows.count))
        #expect(truth.octets == flows.reduce(0) { $0 + $1.octetDeltaCount })
        #expect(truth.packets == flows.reduce(0) { $0 + $1.packetDeltaCount })
        #expect(truth.startMilliseconds == flows.map(\.flowStartMilliseconds).min())
        #expect(truth.endMilliseconds == flows.map(\.flowEndMilliseconds).max())
        #expect(truth.startMilliseconds >= run.truth.startMilliseconds)
        #expect(truth.endMilliseconds <= run.truth.endMilliseconds)
        #expect(truth.technique.hasPrefix("T1") && truth.tactic.hasPrefix("TA00"))
        for flow in flows {
            let ends = [flow.sourceIPAddress, flow.destinationIPAddress]
            #expect(ends.contains { attack.attacker.contains($0) } && ends.contains { attack.victim.contains($0) })
            let port =
                attack.victim.contains(flow.destinationIPAddress)
                ? flow.destinationTransportPort : flow.sourceTransportPort
            #expect(attack.ports.isEmpty || attack.ports.contains(port))
        }
    }

    @Test("sites alone have no truth, and no attack's ends among their hosts", arguments: MixName.allCases)
    func innocent(_ mix: MixName) throws {
        let (run, flows) = try flows(mix.rawValue, rate: 2_000)
        #expect(run.truth.attacks.isEmpty)
        let ends = Set(flows.flatMap { [$0.sourceIPAddress, $0.destinationIPAddress] })
        for attack in Attack.allCases {
            #expect(!ends.contains { attack.attacker.contains($0) || attack.victim.contains($0) }, "\(attack)")
        }
    }

    @Test("a vertical scan: one host, a thousand ports, bare SYNs, refused") func verticalScan() throws {
        let (_, flows) = try flows("scan-vertical"), probes = flows.filter { $0.tcpControlBits == TCPFlag.syn }
        #expect(Set(probes.map(\.destinationTransportPort)).count == 1_000)
        #expect(Set(probes.map(\.destinationIPAddress)).count == 1)
        #expect(probes.allSatisfy { $0.packetDeltaCount == 1 && $0.octetDeltaCount == 44 })
        let refusals = flows.filter { $0.tcpControlBits == TCPFlag.rst | TCPFlag.ack }
        #expect(refusals.count == probes.count && flows.count == 2 * probes.count)
    }

    @Test("a horizontal scan: one port, 250 hosts; a slow one: twelve hosts over the whole run")
    func scansAcross() throws {
        let (_, wide) = try flows("scan-horizontal"), (_, slow) = try flows("scan-slow")
        #expect(Set(wide.map(\.destinationTransportPort)) == [445])
        #expect(Set(wide.map(\.destinationIPAddress)).count == 250)
        let probes = slow.filter { $0.destinationTransportPort == 3_389 }, times = probes.map(\.flowStartMilliseconds)
        #expect(Set(probes.map(\.destinationIPAddress)).count == 12)
        #expect((times.max() ?? 0) - (times.min() ?? 0) > 40_000)
    }

    @Test("password guessing: tens of short SSH sessions within a minute, both directions, alike")
    func guessing() throws {
        let (_, flows) = try flows("password-guessing"), sessions = flows.filter { $0.destinationTransportPort == 22 }
        #expect(sessions.count == 40 && flows.count == 80)
        #expect(flows.allSatisfy { (10...25).contains($0.packetDeltaCount) })
        #expect(flows.allSatisfy { (1_500...4_000).contains($0.octetDeltaCount) })
    }

    @Test(
        "floods send what they say each second, from many sources",
        arguments: [
            ("flood", 25_000, 1, 100), ("flood-syn", 3_000, 1, 5_000), ("flood-dns", 20_100, 1, 300),
            ("flood-ntp", 30_000, 1, 300), ("flood-memcached", 40_000, 1, 40), ("carpet-bombing", 37_800, 126, 100),
        ])
    func floods(_ name: String, _ packets: UInt64, _ victims: Int, _ sources: Int) throws {
        let (_, flows) = try flows(name), seconds = Dictionary(grouping: flows) { $0.flowStartMilliseconds / 1_000 }
        #expect(seconds.count == 12)
        #expect(seconds.values.allSatisfy { $0.reduce(0) { $0 + $1.packetDeltaCount } == packets })
        #expect(Set(flows.map(\.destinationIPAddress)).count == victims)
        #expect(Set(flows.map(\.sourceIPAddress)).count >= sources)
    }

    @Test("carpet bombing stays under any host's limit") func carpet() throws {
        let (_, flows) = try flows("carpet-bombing")
        let byHost = Dictionary(grouping: flows, by: \.destinationIPAddress)
        #expect(byHost.values.allSatisfy { $0.reduce(0) { $0 + $1.packetDeltaCount } == 300 * 12 })
    }

    @Test("a beacon is punctual and always alike") func beacon() throws {
        let (_, flows) = try flows("beacon"), calls = flows.filter { $0.destinationTransportPort == 443 }
        let times = calls.map(\.flowStartMilliseconds).sorted(), gaps = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(calls.count == 30 && Set(calls.map(\.octetDeltaCount)) == [420])
        #expect(gaps.allSatisfy { (1_400...1_800).contains($0) })
    }

    @Test("exfiltration: one connection in pieces, all but a tenth of it outwards") func exfiltration() throws {
        let (_, flows) = try flows("exfiltration")
        let out = flows.filter { $0.destinationTransportPort == 443 },
            back = flows.filter { $0.sourceTransportPort == 443 }
        #expect(Set(out.map(\.sourceTransportPort)).count == 1 && out.count >= 4)
        let sent = out.reduce(0) { $0 + $1.octetDeltaCount }, got = back.reduce(0) { $0 + $1.octetDeltaCount }
        #expect((490_000_000...500_000_000).contains(sent) && got < sent / 10)
        let sorted = out.sorted { $0.flowStartMilliseconds < $1.flowStartMilliseconds }
        #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0.flowEndMilliseconds < $1.flowStartMilliseconds })
    }

    @Test("lateral movement: three services on 25 inside hosts; a tunnel: hundreds of long queries")
    func insideJobs() throws {
        let (_, moves) = try flows("lateral-movement"), (_, queries) = try flows("dns-tunnel")
        let opened = moves.filter { [445, 3_389, 5_985].contains($0.destinationTransportPort) }
        #expect(Set(opened.map(\.destinationIPAddress)).count == 25)
        #expect(Set(opened.map(\.destinationTransportPort)).count == 3)
        let asked = queries.filter { $0.destinationTransportPort == 53 }
        #expect(asked.count == 960 && asked.allSatisfy { (180...230).contains($0.octetDeltaCount) })
    }

    @Test("lists of scenarios are read in any order and refused with what there is")
    func parsing() throws {
        let list = try ScenarioList(parsing: "beacon,office,mixed")
        #expect(list.mixes == [.office] && list.attacks.count == 5)
        #expect(throws: SimulatorError.self) { try ScenarioList(parsing: "office,") }
        do {
            _ = try ScenarioList(parsing: "offce")
        } catch {
            #expect("\(error)".contains("offce") && "\(error)".contains("datacenter"))
        }
    }
}
