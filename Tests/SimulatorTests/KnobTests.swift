import Decode
import FlowModel
import Simulator
import Testing

@Suite("Each knob of the simulator shows on the wire: templates, the way, the exporter")
struct KnobTests {
    private let middle: Int64 = SimulationPlan().startMilliseconds + 1_000 + 10_000  // of 20 s

    @Test("every knob takes its example, and knobs that are wrong are refused with what is allowed")
    func parsing() throws {
        for knob in KnobList.all {
            let text = knob.example.map { "\(knob.name)=\($0)" } ?? knob.name
            let exportProtocol = try #require(knob.protocols.first)
            let parsed = try SimulationKnobs(parsing: [text], for: exportProtocol)
            #expect(parsed != SimulationKnobs(), "\(text) changes something")
            #expect(throws: SimulatorError.self, "\(knob.name)") {
                try SimulationKnobs(parsing: ["\(knob.name)=nonsense!"], for: exportProtocol)
            }
            #expect(knob.requirement.hasPrefix("C") && !knob.explanation.isEmpty)
        }
        func refusal(_ text: String, _ exportProtocol: ExportProtocol) -> String {
            do {
                _ = try SimulationKnobs(parsing: [text], for: exportProtocol)
                return "taken"
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal("templat-late=3s", .ipfix).contains("template-late"))
        #expect(refusal("template-late=3s", .netflow5).contains("netflow9, ipfix"))
        #expect(refusal("template-late=-3s", .ipfix).contains("10s"))
        #expect(refusal("loss=2", .ipfix).contains("0 to 1"))
        #expect(refusal("times=stardate", .ipfix).contains("nanoseconds"))
        #expect(refusal("biflow=1", .ipfix).contains("without a value"))
        #expect(Set(KnobList.all.map(\.name)).count == KnobList.all.count)
    }

    // MARK: Templates

    @Test("C9 template-late: data come first, templates the given time later") func templateLate() throws {
        let run = try SimulationRun(knobs: ["template-late=10s"])
        let first = try #require(run.sent.first { MessageSets($0.payload).hasTemplates })
        #expect(first.due >= middle && first.due < middle + 1_000)
        let early = run.sent.filter { $0.due < middle }
        #expect(early.count > 20 && early.allSatisfy { !MessageSets($0.payload).dataIDs.isEmpty })
    }

    @Test("template-every: templates come again after the given time") func templateEvery() throws {
        let run = try SimulationRun(knobs: ["template-every=2s"], exporters: 1)
        let times = run.sent.filter { MessageSets($0.payload).hasTemplates }.map(\.due)
        #expect((9...10).contains(times.count))
        #expect(zip(times, times.dropFirst()).allSatisfy { (1_400...2_700).contains($1 - $0) })
    }

    @Test("template-missing: the records of that family stay without a template") func templateMissing() throws {
        let run = try SimulationRun("isp-edge", .ipfix, knobs: ["template-missing=v6"])
        let sets = run.sent.map { MessageSets($0.payload) }
        #expect(sets.contains { $0.template(256) != nil } && sets.allSatisfy { $0.template(257) == nil })
        #expect(sets.contains { $0.dataIDs.contains(257) })
        #expect(run.decoded().records.allSatisfy { $0.sourceIPAddress.isV4 })
    }

    @Test("C3 template-redefine: halfway, 256 has its fields in another order, and all still decode")
    func redefine() throws {
        let run = try SimulationRun("office", .ipfix, knobs: ["template-redefine"], exporters: 1)
        let early = run.sent.filter { $0.due < middle }.compactMap { MessageSets($0.payload).template(256) }
        let late = run.sent.filter { $0.due >= middle }.compactMap { MessageSets($0.payload).template(256) }
        #expect(!early.isEmpty && !late.isEmpty)
        #expect(early.first == late.first?.reversed())
        #expect(run.decoded().octets == run.summary.carried.octets)
    }

    @Test("C1 domain-mix: two domains of one address use 256 for two layouts") func domainMix() throws {
        let run = try SimulationRun(knobs: ["domain-mix"], exporters: 1)
        let layouts = run.sent.reduce(into: [UInt64: Set<[Int]>]()) { layouts, datagram in
            if let template = MessageSets(datagram.payload).template(256) {
                layouts[datagram.payload.number(at: 16, 4), default: []].insert(template)
            }
        }
        #expect(layouts.count == 2 && layouts.values.allSatisfy { $0.count == 1 })
        #expect(layouts[1] != layouts[101])
        #expect(run.decoded().octets == run.summary.carried.octets)
    }

    @Test("C4 withdrawal: over UDP data go on without a new template; over TCP it comes at once")
    func withdrawal() throws {
        for isStream in [false, true] {
            let knobs = ["withdrawal", "template-every=7s"]
            let run = try SimulationRun("office", .ipfix, knobs: knobs, exporters: 1, isStream: isStream)
            let at = try #require(
                run.sent.firstIndex { MessageSets($0.payload).sets.contains { $0.id == 2 && $0.body == [1, 0, 0, 0] } })
            #expect(run.sent[at].due >= middle && run.sent[at].due < middle + 100)
            #expect(MessageSets(run.sent[at + 1].payload).hasTemplates == isStream)
            let templates = run.sent.count { MessageSets($0.payload).template(256)?.isEmpty == false }
            #expect(templates == (isStream ? 2 : 3))
            #expect(run.decoded().octets == run.summary.carried.octets)
        }
    }

    // MARK: The way

    @Test("loss, duplicates and corrupt take, double and change their shares") func way() throws {
        let clean = try SimulationRun(rate: 5_000).sent.count
        let lossy = try SimulationRun(knobs: ["loss=0.2"], rate: 5_000)
        #expect(abs(Double(lossy.sent.count) / Double(clean) - 0.8) < 0.05)
        #expect(lossy.summary.lostDatagrams == UInt64(clean - lossy.sent.count))
        let doubled = try SimulationRun(knobs: ["duplicates=0.2"], rate: 5_000)
        let again = zip(doubled.sent, doubled.sent.dropFirst()).count { $0.payload == $1.payload }
        #expect(abs(Double(again) / Double(clean) - 0.2) < 0.05)
        #expect(doubled.summary.doubledDatagrams == UInt64(again))
        let corrupt = try SimulationRun(knobs: ["corrupt=0.5"], rate: 5_000)
        let changed = zip(corrupt.sent, try SimulationRun(rate: 5_000).sent).count { $0.payload != $1.payload }
        #expect(corrupt.summary.corruptDatagrams == UInt64(changed) && changed > clean / 3)
    }

    @Test("C13 reorder: datagrams come late by no more places than given, and none is missing") func reorder() throws {
        let straight = try SimulationRun(rate: 5_000).sent.map(\.payload)
        let mixed = try SimulationRun(knobs: ["reorder=8"], rate: 5_000)
        let places = Dictionary(uniqueKeysWithValues: straight.enumerated().map { ($1, $0) })
        let late = mixed.sent.enumerated().map { $0 - (places[$1.payload] ?? .max / 2) }
        #expect(Set(mixed.sent.map(\.payload)) == Set(straight) && mixed.sent.count == straight.count)
        #expect(late.max() == 8)
        #expect(mixed.summary.lateDatagrams > 20)
    }

    // MARK: The exporter

    @Test(
        "C17 skew: export times and flow times are ahead by the given time",
        arguments: [
            ExportProtocol.netflow5, .netflow9, .ipfix,
        ])
    func skew(_ exportProtocol: ExportProtocol) throws {
        let plain = try SimulationRun("office", exportProtocol)
        let ahead = try SimulationRun("office", exportProtocol, knobs: ["skew=+3600s"])
        let at = exportProtocol == .ipfix ? 4 : 8
        let pairs = zip(plain.sent, ahead.sent).map { ($0.payload.number(at: at, 4), $1.payload.number(at: at, 4)) }
        #expect(pairs.count > 10 && pairs.allSatisfy { $0 + 3_600 == $1 })
        let records = zip(plain.decoded().records, ahead.decoded().records)
        #expect(records.allSatisfy { $0.exportMilliseconds + 3_600_000 == $1.exportMilliseconds })
    }

    @Test(
        "C15 uptime-wrap: uptime passes 2^32 halfway, and flow times stay right",
        arguments: [
            ExportProtocol.netflow1, .netflow5, .netflow7, .netflow9,
        ])
    func uptimeWrap(_ exportProtocol: ExportProtocol) throws {
        let run = try SimulationRun("office", exportProtocol, knobs: ["uptime-wrap"])
        let uptimes = run.sent.map { ($0.due, $0.payload.number(at: 4, 4)) }
        #expect(uptimes.allSatisfy { $0.0 < middle ? $0.1 > 1 << 31 : $0.0 > middle + 1_000 ? $0.1 < 1 << 31 : true })
        let wrapped = run.decoded().records.map(\.flowStartMilliseconds)
        let plain = try SimulationRun("office", exportProtocol).decoded().records.map(\.flowStartMilliseconds)
        #expect(wrapped == plain && wrapped.count > 1_000)
    }

    @Test("C13 sequence-wrap: numbers pass 2^32", arguments: SimulatorTests.protocols.filter { $0 != .netflow1 })
    func sequenceWrap(_ exportProtocol: ExportProtocol) throws {
        let run = try SimulationRun("isp-edge", exportProtocol, knobs: ["sequence-wrap"], rate: 2_000, exporters: 1)
        let at: [ExportProtocol: Int] = [.netflow9: 12, .ipfix: 8, .sflow4: 12, .sflow5: 16]
        let numbers = run.sent.map { $0.payload.number(at: at[exportProtocol] ?? 16, 4) }
        #expect(numbers.first == UInt64(UInt32.max - 100))
        #expect(zip(numbers, numbers.dropFirst()).count { $1 < $0 } == 1)
    }

    @Test("C2 port-change: halfway another source port, templates at their usual time") func portChange() throws {
        let run = try SimulationRun(knobs: ["port-change", "template-every=4s"], exporters: 1)
        let change = try #require(run.sent.firstIndex { $0.portGeneration == 1 })
        #expect((middle..<middle + 1_000).contains(run.sent[change].due))
        #expect(run.sent[change...].allSatisfy { $0.portGeneration == 1 })
        #expect(!MessageSets(run.sent[change].payload).hasTemplates)
        #expect(run.sent[change].payload.number(at: 12, 4) == UInt64(change), "the sequence goes on")
    }

    @Test("C2 restart: halfway uptime and sequence begin anew, templates come first") func restart() throws {
        let run = try SimulationRun(knobs: ["restart"], exporters: 1)
        let numbers = run.sent.map { $0.payload.number(at: 12, 4) }
        let change = try #require(numbers.indices.dropFirst().first { numbers[$0] == 0 })
        #expect((middle..<middle + 1_000).contains(run.sent[change].due))
        #expect(run.sent[change].payload.number(at: 4, 4) < 2_000 && run.sent[0].payload.number(at: 4, 4) > 3_000_000)
        #expect(MessageSets(run.sent[change].payload).hasTemplates)
        #expect(run.decoded().octets == run.summary.carried.octets)
    }

    @Test("C24 nat-two-agents: one address, one domain, two streams; sFlow's agents stay two") func natTwoAgents()
        throws
    {
        let run = try SimulationRun("datacenter", .ipfix, knobs: ["nat-two-agents"])
        #expect(Set(run.sent.map(\.origin.source)).count == 1 && Set(run.sent.map(\.origin.sourcePort)).count == 2)
        #expect(Set(run.sent.map { $0.payload.number(at: 12, 4) }).count == 1)
        let sFlow = try SimulationRun("datacenter", .sflow5, knobs: ["nat-two-agents"])
        #expect(Set(sFlow.sent.map(\.origin.source)).count == 1)
        #expect(Set(sFlow.sent.map { $0.payload.number(at: 8, 4) }).count == 2)
    }
}
