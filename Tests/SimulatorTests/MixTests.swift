import FlowModel
import Simulator
import Testing

@Suite("Simulated sites look like sites")
struct MixTests {
    private func run(_ mix: MixName, _ knobs: [String] = [], seconds: Int = 60) throws -> (SimulationRun, [FlowRecord])
    {
        let run = try SimulationRun(mix.rawValue, .ipfix, knobs: knobs, rate: 1_000, seconds: seconds)
        return (run, run.decoded().records)
    }
    private func share(_ flows: [FlowRecord], _ condition: (FlowRecord) -> Bool) -> Double {
        Double(flows.count(where: condition)) / Double(flows.count)
    }

    @Test(
        "IPv6 has the share that the handbook says",
        arguments: [
            (MixName.office, 0.10), (.datacenter, 0.25), (.ispEdge, 0.40), (.iot, 0.02),
        ])
    func ipv6(_ mix: MixName, _ wanted: Double) throws {
        let found = share(try run(mix).1) { !$0.sourceIPAddress.isV4 }
        #expect(abs(found - wanted) < 0.03)
    }

    @Test("an office's conversations are web, names, QUIC and NTP in the handbook's proportions")
    func office() throws {
        let (_, flows) = try run(.office), requests = flows.filter { $0.destinationTransportPort < 32_768 }
        func found(_ port: UInt16, _ number: UInt8) -> Double {
            share(requests) { $0.destinationTransportPort == port && $0.protocolIdentifier == number }
        }
        #expect(abs(found(443, IPProtocol.tcp) - 0.38) < 0.06)
        #expect(abs(found(53, IPProtocol.udp) - 0.27) < 0.05)
        #expect(abs(found(443, IPProtocol.udp) - 0.13) < 0.04)
        #expect(found(123, IPProtocol.udp) > 0.01)
    }

    @Test("sizes have a heavy tail: the largest tenth of the flows has most of the octets") func heavyTail() throws {
        let sizes = try run(.ispEdge).1.map(\.octetDeltaCount).sorted(by: >)
        let all = sizes.reduce(0, +), top = sizes.prefix(sizes.count / 10).reduce(0, +)
        #expect(Double(top) / Double(all) > 0.6)
        #expect(Double(top) / Double(all) < 0.99)
    }

    @Test("long conversations come in pieces of the active timeout that follow on one another") func pieces() throws {
        let (run, flows) = try run(.datacenter)
        let timeout = Int64(run.plan.activeTimeoutSeconds * 1_000)
        let long = flows.filter { $0.flowEndMilliseconds - $0.flowStartMilliseconds == timeout - 1 }
        let chains = Dictionary(grouping: long.filter { $0.flowDirection == 0 && $0.exporter == 0 }) {
            "\($0.sourceIPAddress) \($0.sourceTransportPort) \($0.destinationIPAddress) \($0.destinationTransportPort)"
        }.values.filter { $0.count > 2 }
        #expect(chains.count > 20)
        for chain in chains {
            let sorted = chain.sorted { $0.flowStartMilliseconds < $1.flowStartMilliseconds }
            #expect(
                zip(sorted, sorted.dropFirst()).allSatisfy { $1.flowStartMilliseconds - $0.flowEndMilliseconds <= 1 })
        }
    }

    @Test("C31 two routers tell of the same flow, and the summary counts the second telling") func twoRouters() throws {
        let (run, flows) = try run(.office, ["two-routers=0.5", "both-sides=0"])
        let repeats = Double(run.summary.carried.repeats) / Double(run.summary.carried.records)
        #expect(abs(repeats - 1.0 / 3) < 0.02)
        struct Seen: Hashable { var flow: FlowRecord }
        let keys = Dictionary(grouping: flows) { flow -> FlowRecord in
            var key = FlowRecord()
            (key.sourceIPAddress, key.destinationIPAddress) = (flow.sourceIPAddress, flow.destinationIPAddress)
            (key.sourceTransportPort, key.destinationTransportPort) = (
                flow.sourceTransportPort, flow.destinationTransportPort
            )
            (key.octetDeltaCount, key.protocolIdentifier) = (flow.octetDeltaCount, flow.protocolIdentifier)
            return key
        }
        let both = keys.values.count { Set($0.map(\.exporter)).count == 2 }
        #expect(both > flows.count / 5)
    }

    @Test("C32 one router tells of the same flow on entry and on exit") func bothSides() throws {
        let (run, flows) = try run(.office, ["two-routers=0", "both-sides=0.5"])
        #expect(abs(Double(run.summary.carried.repeats) / Double(run.summary.carried.records) - 1.0 / 3) < 0.02)
        #expect(UInt64(flows.count { $0.flowDirection == 1 }) == run.summary.carried.repeats)
    }

    @Test("clients keep to their system's ephemeral ports, and a busy host is busier than a quiet one") func habits()
        throws
    {
        let (_, flows) = try run(.office), asking = flows.filter { $0.destinationTransportPort == 443 }
        #expect(asking.allSatisfy { $0.sourceTransportPort >= 32_768 })
        let byClient = Dictionary(grouping: asking, by: \.sourceIPAddress)
        for (_, flows) in byClient where flows.count > 50 {
            let low = flows.count { $0.sourceTransportPort < 49_152 }
            #expect(low == 0 || low > flows.count / 3, "each host has one system")
        }
        let counts = byClient.values.map(\.count).sorted(by: >)
        #expect((counts.first ?? 0) > 5 * (counts.last ?? 0))
    }
}
