import Capture
import Decode
import FlowModel
import Simulator
import Testing
import WireBytes

@Suite("The simulator")
struct SimulatorTests {
    static let protocols: [ExportProtocol] = [.netflow1, .netflow5, .netflow7, .netflow9, .ipfix, .sflow4, .sflow5]
    private static let sampling = [ExportProtocol.sflow4, .sflow5]

    @Test(
        "every site and attack in every protocol decodes without loss to the counts and sums that were sent",
        arguments: protocols)
    func everythingDecodes(_ exportProtocol: ExportProtocol) throws {
        // 'attacks' is all of the others at once.
        for scenario in ScenarioList.names where scenario != "attacks" {
            let run = try SimulationRun(scenario, exportProtocol, rate: 60, seconds: 12), decoded = run.decoded()
            #expect(run.summary.carried.records > 0, "\(scenario)")
            #expect(UInt64(decoded.records.count) == run.summary.carried.records, "\(scenario)")
            #expect(decoded.octets == run.summary.carried.octets, "\(scenario)")
            #expect(decoded.packets == run.summary.carried.packets, "\(scenario)")
            #expect(decoded.losses.isEmpty, "\(scenario)")
            #expect(run.sent.allSatisfy { $0.payload.count <= 1_472 }, "one Ethernet frame")
            let options = decoded.results.reduce(0) { $0 + $1.optionRecords }
            #expect(UInt64(options) == run.summary.carried.optionRecords, "\(scenario)")
        }
    }

    @Test("sequence numbers have no gap and no overlap", arguments: protocols.filter { $0 != .netflow1 })
    func sequences(_ exportProtocol: ExportProtocol) throws {
        let run = try SimulationRun("isp-edge", exportProtocol, rate: 400), results = run.decoded().results
        for exporter in 0..<2 {
            let marks = zip(run.sent, results).filter { $0.0.exporter == exporter }.compactMap(\.1.sequence)
            #expect(marks.count > 5)
            #expect(zip(marks, marks.dropFirst()).allSatisfy { $0.number &+ $0.units == $1.number })
        }
    }

    @Test("the summary's parts add up, by exporter and by what was made, lost and doubled")
    func summaryAddsUp() throws {
        for exportProtocol in Self.protocols {
            let knobs = ["loss=0.1", "duplicates=0.2", "reorder=5"]
            let run = try SimulationRun("mixed", exportProtocol, knobs: knobs, rate: 400), sums = run.summary
            #expect(sums.datagrams == UInt64(run.sent.count))
            #expect(sums.payloadOctets == run.sent.reduce(0) { $0 + UInt64($1.payload.count) })
            #expect(sums.madeDatagrams - sums.lostDatagrams + sums.doubledDatagrams == sums.datagrams)
            #expect(sums.made.records - sums.lost.records + sums.doubled.records == sums.carried.records)
            #expect(sums.made.octets - sums.lost.octets + sums.doubled.octets == sums.carried.octets)
            #expect(sums.exporters.reduce(0) { $0 + $1.carried.packets } == sums.carried.packets)
            #expect(sums.exporters.allSatisfy { $0.datagrams > 0 })
            let decoded = run.decoded()
            #expect(UInt64(decoded.results.count { !$0.rows.isEmpty || $0.optionRecords > 0 }) <= sums.datagrams)
        }
    }

    @Test("the same plan makes the same bytes, another seed others", arguments: protocols)
    func deterministic(_ exportProtocol: ExportProtocol) throws {
        func payloads(_ seed: UInt64) throws -> [[UInt8]] {
            let knobs = ["loss=0.05", "duplicates=0.05", "reorder=4", "restart"]
            return try SimulationRun("mixed", exportProtocol, knobs: knobs, seed: seed).sent.map(\.payload)
        }
        let first = try payloads(1), again = try payloads(1), other = try payloads(2)
        #expect(first == again)
        #expect(first != other)
    }

    @Test(
        "bytes are the same on every machine: a digest of a run is known",
        arguments: [
            (ExportProtocol.netflow5, UInt64(14_647_106_950_227_102_341)), (.ipfix, 3_578_507_929_660_465_547),
            (.sflow5, 16_670_079_809_701_711_527),
        ])
    func known(_ exportProtocol: ExportProtocol, _ digest: UInt64) throws {
        let run = try SimulationRun("datacenter,beacon", exportProtocol, seed: 42)
        let found = run.sent.reduce(into: UInt64(14_695_981_039_346_656_037)) { hash, datagram in
            for octet in datagram.payload { hash = (hash ^ UInt64(octet)) &* 1_099_511_628_211 }
        }
        #expect(found == digest, "the traffic of a seed has changed: say so in the release notes")
    }

    @Test("the rate is kept to the record, whatever the mix", arguments: MixName.allCases)
    func rate(_ mix: MixName) throws {
        let run = try SimulationRun(mix.rawValue, rate: 137, seconds: 30)
        #expect(run.summary.flowsSeen == 137 * 30)
        #expect(run.summary.carried.records == 137 * 30)
        let half = run.sent.filter { $0.due < run.plan.startMilliseconds + 1_000 + 15_000 }
        let early = SimulationRun.decodeCount(half)
        #expect((137 * 14...137 * 15).contains(early))
    }

    @Test("with a day's shape, nights are quiet and the busiest hour has the full rate")
    func diurnal() throws {
        var plan = SimulationPlan()
        plan.scenarios = ScenarioList(mixes: [.office])
        (plan.isDiurnal, plan.recordsPerSecond, plan.seconds) = (true, 100, 10)
        plan.startMilliseconds += 3 * 3_600_000
        let night = SimulationRun(plan).summary.flowsSeen
        plan.startMilliseconds += 12 * 3_600_000
        let noon = SimulationRun(plan).summary.flowsSeen
        #expect(night == 200 && noon == 1_000)
    }

    @Test("memory of a step does not grow with the run: at a high rate a batch holds a millisecond's datagrams")
    func bounded() throws {
        var plan = SimulationPlan()
        plan.scenarios = ScenarioList(mixes: [.datacenter])
        (plan.recordsPerSecond, plan.seconds) = (200_000, 1)
        var simulation = Simulation(plan), batch = DatagramBatch(), most = 0, steps = 0
        while simulation.step(into: &batch) {
            most = max(most, batch.bytes.count)
            steps += 1
        }
        #expect(steps == 1_001)
        #expect(simulation.summary.carried.records == 200_000)
        #expect(most < 100_000)
    }

    @Test("flow times lie before the export, in order, within the active timeout")
    func times() throws {
        for exportProtocol in [ExportProtocol.netflow5, .netflow9, .ipfix] {
            let run = try SimulationRun("office", exportProtocol, rate: 500, seconds: 24),
                records = run.decoded().records
            #expect(records.count == 500 * 24)
            #expect(records.allSatisfy { $0.flowStartMilliseconds <= $0.flowEndMilliseconds })
            #expect(records.allSatisfy { $0.flowEndMilliseconds <= $0.exportMilliseconds })
            #expect(records.allSatisfy { $0.receiveMilliseconds - $0.flowEndMilliseconds <= 3_000 })
            let timeout = Int64(run.plan.activeTimeoutSeconds * 1_000)
            #expect(records.allSatisfy { $0.flowEndMilliseconds - $0.flowStartMilliseconds <= timeout })
        }
    }

    @Test("templates are sent again and again, so that a collector that starts late gets them")
    func templatesAgain() throws {
        for exportProtocol in [ExportProtocol.netflow9, .ipfix] {
            var run = try SimulationRun("office", exportProtocol, seconds: 40)
            run.sent.removeFirst(run.sent.count / 10)
            #expect(run.decoded().records.count > 40 * 100 / 2)
        }
    }
}

extension SimulationRun {
    static func decodeCount(_ sent: [Sent]) -> Int {
        var decoder = DatagramDecoder(), columns = FlowColumns()
        for datagram in sent {
            _ = datagram.payload.withBytes { decoder.decode($0, from: datagram.origin, into: &columns) }
        }
        return columns.count
    }
}
