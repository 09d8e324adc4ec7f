import Decode
import FlowModel
import Simulator
import Testing

@Suite("Each knob of the simulator shows on the wire: sampling, records, sFlow")
struct RecordKnobTests {
    private let middle: Int64 = SimulationPlan().startMilliseconds + 1_000 + 10_000

    private func template(_ knobs: [String], _ exportProtocol: ExportProtocol = .ipfix, id: Int = 256) throws -> [Int] {
        let run = try SimulationRun("office", exportProtocol, knobs: knobs)
        return try #require(run.sent.lazy.compactMap { MessageSets($0.payload).template(id) }.first)
    }
    /// The elements of the first options template, scopes included.
    private func options(_ run: SimulationRun) -> [Int]? {
        for datagram in run.sent {
            for (id, body) in MessageSets(datagram.payload).sets where id == 1 || id == 3 {
                let isIPFIX = id == 3, from = 6
                let fields =
                    isIPFIX ? Int(body.number(at: 2, 2)) : Int(body.number(at: 2, 2) + body.number(at: 4, 2)) / 4
                return (0..<fields).map { Int(body.number(at: from + 4 * $0, 2)) }
            }
        }
        return nil
    }

    // MARK: Sampling

    @Test(
        "C10 sampling: fewer packets, in like number, and the protocol says so",
        arguments: [
            ExportProtocol.netflow5, .netflow9, .ipfix, .sflow5,
        ])
    func sampling(_ exportProtocol: ExportProtocol) throws {
        let all = try SimulationRun("datacenter", exportProtocol, knobs: ["sampling=1"], rate: 200, seconds: 10)
        let run = try SimulationRun("datacenter", exportProtocol, knobs: ["sampling=1:50"], rate: 200, seconds: 10)
        let ratio = Double(all.summary.carried.packets) / Double(run.summary.carried.packets)
        #expect((45...55).contains(ratio))
        let records = run.decoded().records
        #expect(!records.isEmpty && records.allSatisfy { $0.samplingInterval == 50 })
        #expect(run.summary.flowsUnsampled > 0)
    }

    @Test(
        "C11 sampling-form: the rate comes by each set of elements",
        arguments: [
            ("interval", [149, 34, 35]), ("random", [149, 48, 49, 50]), ("selector", [302, 304, 305, 306]),
            ("population", [149, 309, 310]), ("interface", [10, 34]),
        ])
    func forms(_ form: String, _ elements: [Int]) throws {
        let knobs = ["sampling=20", "sampling-form=\(form)"]
        let run = try SimulationRun("office", .ipfix, knobs: knobs)
        #expect(options(run) == elements)
        #expect(run.decoded().records.allSatisfy { $0.samplingInterval == 20 })
        let older = try SimulationRun("office", .netflow9, knobs: knobs)
        #expect(options(older)?.last == elements.last)
    }

    @Test("C11 sampling-form=record: each record has its rate, no options") func inRecord() throws {
        let run = try SimulationRun("office", .netflow9, knobs: ["sampling=20", "sampling-form=record"])
        #expect(options(run) == nil)
        #expect(run.decoded().records.allSatisfy { $0.samplingInterval == 20 })
    }

    @Test(
        "sampling-change: halfway the rate doubles", arguments: [ExportProtocol.netflow5, .netflow9, .ipfix, .sflow5])
    func change(_ exportProtocol: ExportProtocol) throws {
        let knobs = ["sampling=1:20", "sampling-change"]
        let run = try SimulationRun("datacenter", exportProtocol, knobs: knobs, rate: 200)
        let decoded = run.decoded()
        for (datagram, result) in zip(run.sent, decoded.results) where !result.rows.isEmpty {
            let want: Float = datagram.due < middle ? 20 : datagram.due > middle + 1_000 ? 40 : 0
            let rates = result.rows.map { decoded.records[$0].samplingInterval }
            #expect(want == 0 || rates.allSatisfy { $0 == want })
        }
    }

    @Test("sampling-unknown: nobody says it; sampling-late: said after the given time") func unknown() throws {
        for exportProtocol in [ExportProtocol.netflow5, .netflow9, .ipfix] {
            let run = try SimulationRun("office", exportProtocol, knobs: ["sampling=1:20", "sampling-unknown"])
            #expect(run.decoded().records.allSatisfy { $0.samplingInterval != 20 })
            if exportProtocol == .netflow5 {
                #expect(run.sent.allSatisfy { $0.payload.number(at: 22, 2) == 0 })
            } else {
                #expect(options(run) == nil)
            }
        }
        let late = try SimulationRun("office", .ipfix, knobs: ["sampling=1:20", "sampling-late=5s"])
        let first = try #require(late.sent.first { MessageSets($0.payload).sets.contains { $0.id == 3 } })
        #expect((4_900...6_500).contains(first.due - late.plan.startMilliseconds - 1_000))
    }

    // MARK: Records

    @Test(
        "C16 times: each form of time has its elements and decodes to the same flow times",
        arguments: [
            ("milliseconds", [152, 153], 0), ("uptime", [22, 21, 160], 0), ("seconds", [150, 151], 999),
            ("microseconds", [154, 155], 0), ("nanoseconds", [156, 157], 0), ("delta", [158, 159], 0),
        ] as [(String, [Int], Int64)])
    func times(_ form: String, _ elements: [Int], _ slack: Int64) throws {
        let found = try template(["times=\(form)"])
        #expect(found.filter(elements.contains) == elements)
        let plain = try SimulationRun("office", .ipfix),
            run = try SimulationRun("office", .ipfix, knobs: ["times=\(form)"])
        func times(_ run: SimulationRun) -> [Int64] { run.decoded().records.map(\.flowStartMilliseconds).sorted() }
        let pairs = zip(times(plain), times(run))
        #expect(pairs.allSatisfy { (0...slack).contains($0 - $1) })
    }

    @Test("C6 padding: paddingOctets in records, zeros or other bits behind them") func padding() throws {
        #expect(try template(["padding=zeros"]).contains(210))
        let zeros = try SimulationRun("office", .ipfix, knobs: ["padding=zeros"]).decoded()
        let dirty = try SimulationRun("office", .ipfix, knobs: ["padding=nonzero"]).decoded()
        #expect(zeros.results.allSatisfy { $0.paddingNotZero == 0 })
        #expect(dirty.results.contains { $0.paddingNotZero > 0 })
        #expect(zeros.records.count == 2_000 && dirty.records.count == 2_000)
    }

    @Test("C21 biflow: half the records, the same flows and sums") func biflow() throws {
        let run = try SimulationRun("office", .ipfix, knobs: ["biflow"]), decoded = run.decoded()
        #expect(try template(["biflow"]).contains(0x8001))
        #expect(run.summary.carried.records == 2_000)
        #expect((3_900...4_000).contains(decoded.records.count))
        #expect(decoded.octets == run.summary.carried.octets && decoded.packets == run.summary.carried.packets)
    }

    @Test("variable-length: names in both forms of the prefix") func variableLength() throws {
        let run = try SimulationRun("office", .ipfix, knobs: ["variable-length"])
        #expect(try template(["variable-length"]).contains(460))
        #expect(run.decoded().octets == run.summary.carried.octets)
        let text = Array("site-".utf8)
        var prefixes: Set<UInt8> = []
        for payload in run.sent.map(\.payload) {
            for at in payload.indices.dropFirst(3) where Array(payload[at...].prefix(5)) == text {
                prefixes.insert(payload[at - 3] == 255 ? 255 : 1)
            }
        }
        #expect(prefixes == [1, 255])
    }

    @Test(
        "repeated, unknown and reduced elements, both families, ICMP's own: templates say so, data decode",
        arguments: [
            ("repeated-elements", 323), ("unknown-elements", 0x8000 | 77), ("both-families", 60), ("icmp-element", 32),
            ("reduced-size", 1),
        ])
    func elements(_ knob: String, _ element: Int) throws {
        let found = try template([knob])
        #expect(found.count { $0 == element } == (knob == "repeated-elements" ? 2 : 1))
        let plain = try SimulationRun("office", .ipfix).decoded()
        for exportProtocol in [ExportProtocol.netflow9, .ipfix] {
            let run = try SimulationRun("office", exportProtocol, knobs: [knob]), decoded = run.decoded()
            #expect(decoded.losses.isEmpty && decoded.octets == run.summary.carried.octets)
            #expect(decoded.packets == plain.packets)
            let ports = decoded.records.map(\.destinationTransportPort).sorted()
            #expect(ports == plain.records.map(\.destinationTransportPort).sorted())
        }
    }

    @Test("C19 reduced-size: octets take 5 bytes, packets 3, interfaces 2") func reducedSize() throws {
        let usual = try SimulationRun("office", .ipfix),
            reduced = try SimulationRun("office", .ipfix, knobs: ["reduced-size"])
        // 3 + 5 + 2 + 2 octets less in each record; fewer datagrams, too.
        let saved = usual.summary.payloadOctets - reduced.summary.payloadOctets
        #expect(saved >= 12 * 2_000)
    }

    @Test("C8 unknown-sets: a reserved set stands before the data") func unknownSets() throws {
        let run = try SimulationRun("office", .ipfix, knobs: ["unknown-sets"])
        let data = run.sent.map { MessageSets($0.payload) }.filter { !$0.dataIDs.isEmpty }
        #expect(data.allSatisfy { $0.sets.contains { $0.id == 200 } })
        #expect(run.decoded().octets == run.summary.carried.octets)
    }

    @Test("C7 count-wrong: the header counts seven too many, and nothing is lost") func countWrong() throws {
        let run = try SimulationRun("office", .netflow9, knobs: ["count-wrong"])
        let plain = try SimulationRun("office", .netflow9)
        #expect(zip(run.sent, plain.sent).allSatisfy { $0.payload.number(at: 2, 2) == $1.payload.number(at: 2, 2) + 7 })
        #expect(run.decoded().octets == run.summary.carried.octets)
    }

    @Test(
        "C20 firewall-events: created, now and then updated, deleted with the sums; refused ones denied",
        arguments: [(ExportProtocol.netflow9, 62), (.ipfix, 60)])
    func firewallEvents(_ exportProtocol: ExportProtocol, _ recordBytes: Int) throws {
        let run = try SimulationRun("office,scan-horizontal", exportProtocol, knobs: ["firewall-events"])
        var events: [UInt64: Int] = [:]
        for datagram in run.sent {
            for (id, body) in MessageSets(datagram.payload).sets where id == 259 {
                for at in stride(from: 0, through: body.count - recordBytes, by: recordBytes) {
                    events[body.number(at: at + 27, 1), default: 0] += 1
                }
            }
        }
        let (created, deleted, denied, updated) = (events[1] ?? 0, events[2] ?? 0, events[3] ?? 0, events[5] ?? 0)
        #expect(created == deleted && created > 1_000 && denied >= 250 && (1...created / 4).contains(updated))
        let decoded = run.decoded(), units = decoded.results.reduce(0) { $0 + UInt64($1.sequence?.units ?? 0) }
        #expect(decoded.losses.isEmpty)
        #expect(units == (exportProtocol == .ipfix ? run.summary.carried.records : run.summary.datagrams))
    }

    // MARK: sFlow

    @Test("C25 expanded samples, and headers that are cut off in TCP's") func sFlowForms() throws {
        let run = try SimulationRun("datacenter", .sflow5, knobs: ["expanded", "sampling=8"]), decoded = run.decoded()
        #expect(run.sent.allSatisfy { [3, 2].contains($0.payload.number(at: 28, 4)) })
        #expect(UInt64(decoded.records.count) == run.summary.carried.records && decoded.records.count > 500)
        let short = try SimulationRun("office", .sflow5, knobs: ["header-bytes=44", "sampling=8"]).decoded().records
        #expect(short.contains { $0.protocolIdentifier == IPProtocol.tcp && $0.sourceTransportPort > 0 })
        #expect(short.allSatisfy { $0.tcpControlBits == 0 })
    }

    @Test("C26 tunnels: their share of packets has the tunnel's header outside") func tunnels() throws {
        let run = try SimulationRun("office", .sflow5, knobs: ["tunnels=0.6", "sampling=8"]),
            records = run.decoded().records
        let vxlan = records.count { $0.destinationTransportPort == 4_789 },
            gre = records.count { $0.protocolIdentifier == 47 }
        #expect(abs(Double(vxlan) / Double(records.count) - 0.2) < 0.04)
        #expect(abs(Double(gre) / Double(records.count) - 0.2) < 0.04)
    }

    @Test("C27 fragments have no ports; extension headers hide none") func fragments() throws {
        let fragments = try SimulationRun("iot", .sflow5, knobs: ["fragments=0.5", "sampling=8"]).decoded().records
        let portless = fragments.count { $0.sourceTransportPort == 0 && $0.destinationTransportPort == 0 }
        #expect(abs(Double(portless) / Double(fragments.count) - 0.5) < 0.08)
        let options = try SimulationRun("isp-edge", .sflow5, knobs: ["extension-headers=1", "sampling=8"]).decoded()
            .records
        let v6 = options.filter { !$0.sourceIPAddress.isV4 && !IPProtocol.isICMP($0.protocolIdentifier) }
        #expect(v6.count > 100 && v6.allSatisfy { $0.destinationTransportPort != 0 })
    }

    @Test(
        "sFlow agents count interfaces beside their samples, every 20 s", arguments: [ExportProtocol.sflow4, .sflow5])
    func counters(_ exportProtocol: ExportProtocol) throws {
        let run = try SimulationRun("office", exportProtocol, seconds: 50)
        #expect(run.summary.carried.counterSamples == 2 * 2 * 4)
        let counted = run.decoded().results.flatMap(\.counterSamples)
        #expect(counted.count == 16 && counted.allSatisfy { $0.interface != nil })
    }
}
