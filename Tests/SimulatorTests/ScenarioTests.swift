import FlowModel
import Simulator
import Testing

@Suite("Simulated attacks look like attacks")
struct ScenarioTests {
    private func flows(_ scenario: Scenario, seconds: Int = 60) -> [FlowRecord] {
        var generator = FlowGenerator(
            scenario: scenario, flowsPerSecond: 20, seconds: seconds, startMilliseconds: 1_767_225_600_000, seed: 9,
            usesIPv6: false)
        return (0..<seconds).flatMap { generator.flows(inSecond: $0) }
    }
    private func isDocumentation(_ address: IPAddress) -> Bool {
        ["10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]
            .compactMap { IPNetwork($0) }.contains { $0.contains(address) }
    }

    @Test("every scenario uses documentation addresses only", arguments: Scenario.allCases)
    func addresses(_ scenario: Scenario) {
        let flows = flows(scenario)
        #expect(!flows.isEmpty)
        #expect(flows.allSatisfy { isDocumentation($0.sourceIPAddress) && isDocumentation($0.destinationIPAddress) })
    }

    @Test("a vertical scan: one host, many ports, bare SYNs, refused")
    func verticalScan() {
        let flows = flows(.scanVertical), probes = flows.filter { $0.tcpControlBits == TCPFlag.syn }
        #expect(Set(probes.map(\.destinationTransportPort)).count == 1_000)
        #expect(Set(probes.map(\.destinationIPAddress)) == [Scenario.scanVertical.victim])
        #expect(probes.allSatisfy { $0.packetDeltaCount <= 2 && (40...60).contains($0.octetDeltaCount) })
        let refusals = flows.filter { $0.tcpControlBits == TCPFlag.rst | TCPFlag.ack }
        #expect(refusals.count == probes.count && flows.count == 2 * probes.count)
    }

    @Test("a horizontal scan: one port, many hosts")
    func horizontalScan() {
        let flows = flows(.scanHorizontal)
        #expect(Set(flows.map(\.destinationTransportPort)).count == 1)
        #expect(Set(flows.map(\.destinationIPAddress)).count == 250)
        #expect(Set(flows.map(\.sourceIPAddress)) == [Scenario.scanHorizontal.attacker])
    }

    @Test("password guessing: tens of short SSH sessions within a minute, both directions, alike")
    func guessing() {
        let flows = flows(.passwordGuessing), sessions = flows.filter { $0.destinationTransportPort == 22 }
        #expect((20...40).contains(sessions.count) && flows.count == 2 * sessions.count)
        #expect(flows.allSatisfy { (10...25).contains($0.packetDeltaCount) })
        #expect(flows.allSatisfy { (1_500...4_000).contains($0.octetDeltaCount) })
        let times = sessions.map(\.flowStartMilliseconds)
        #expect((times.max() ?? 0) - (times.min() ?? 0) < 60_000)
    }

    @Test("a flood: over 20,000 packets a second from many sources at one host")
    func flood() {
        let flows = flows(.flood)
        let bySecond = Dictionary(grouping: flows) { $0.flowEndMilliseconds / 1_000 }
        #expect(bySecond.count >= 5)
        #expect(bySecond.values.allSatisfy { $0.reduce(0) { $0 + $1.packetDeltaCount } > 20_000 })
        #expect(Set(flows.map(\.sourceIPAddress)).count > 100)
        #expect(Set(flows.map(\.destinationIPAddress)) == [Scenario.flood.victim])
        #expect(flows.allSatisfy { $0.protocolIdentifier == IPProtocol.udp })
    }

    @Test("the mixed day has them all and the office")
    func mixed() {
        let flows = flows(.mixed), sources = Set(flows.map(\.sourceIPAddress))
        for attack in [Scenario.scanVertical, .scanHorizontal, .passwordGuessing] {
            #expect(attack.attacker.map { sources.contains($0) } == true)
        }
        #expect(flows.contains { $0.destinationIPAddress == Scenario.flood.victim })
        #expect(flows.contains { $0.sourceIPAddress.description.hasPrefix("10.1.0.") })
    }
}
