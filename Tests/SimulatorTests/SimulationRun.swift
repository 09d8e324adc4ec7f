import Capture
import Decode
import FlowModel
import Simulator
import Testing
import WireBytes

/// A run of the simulator, kept whole: for tests only.
struct SimulationRun {
    struct Sent {
        var payload: [UInt8], exporter: Int, portGeneration: Int, due: Int64
        var origin: DatagramOrigin
    }
    var plan: SimulationPlan
    var sent: [Sent] = []
    var summary: SimulationSummary, truth: SimulationTruth

    init(_ plan: SimulationPlan) {
        var simulation = Simulation(plan), batch = DatagramBatch()
        self.plan = plan
        while simulation.step(into: &batch) {
            for item in batch.items {
                let exporter = simulation.exporters[item.exporter]
                let origin = DatagramOrigin(
                    source: exporter.address, sourcePort: exporter.sourcePort + UInt16(item.portGeneration * 1_000),
                    localPort: 2055, receiveMilliseconds: batch.dueMilliseconds, session: plan.isStream ? 1 : 0)
                sent.append(
                    Sent(
                        payload: Array(batch.bytes[item.range]), exporter: item.exporter,
                        portGeneration: item.portGeneration, due: batch.dueMilliseconds, origin: origin))
            }
        }
        (summary, truth) = (simulation.summary, simulation.truth)
    }

    init(
        _ scenario: String = "office", _ exportProtocol: ExportProtocol = .netflow9, knobs: [String] = [],
        rate: Int = 100, seconds: Int = 20, seed: UInt64 = 3, exporters: Int = 2, isStream: Bool = false
    ) throws {
        var plan = SimulationPlan()
        plan.scenarios = try ScenarioList(parsing: scenario)
        plan.exportProtocol = exportProtocol
        plan.knobs = try SimulationKnobs(parsing: knobs, for: exportProtocol)
        (plan.recordsPerSecond, plan.seconds, plan.seed) = (rate, seconds, seed)
        (plan.exporters, plan.isStream) = (exporters, isStream)
        self.init(plan)
    }

    /// What the product's decoder makes of it.
    struct Decoded {
        var records: [FlowRecord] = []
        var results: [DecodeResult] = []
        var losses: [Loss: UInt64] {
            results.reduce(into: [:]) { $0.merge($1.losses, uniquingKeysWith: +) }
        }
        var octets: UInt64 { records.reduce(0) { $0 &+ $1.octetDeltaCount } }
        var packets: UInt64 { records.reduce(0) { $0 &+ $1.packetDeltaCount } }
    }
    func decoded() -> Decoded {
        var decoder = DatagramDecoder(), columns = FlowColumns(), decoded = Decoded()
        for datagram in sent {
            decoded.results.append(
                datagram.payload.withBytes { decoder.decode($0, from: datagram.origin, into: &columns) })
        }
        decoded.records = columns.rows.map { columns[$0] }
        return decoded
    }
}

/// Big-endian integers at an offset, read independently of the product's readers.
extension Array where Element == UInt8 {
    func number(at offset: Int, _ width: Int) -> UInt64 {
        self[offset..<offset + width].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// The sets of a NetFlow v9 or IPFIX message: their numbers and contents.
struct MessageSets {
    var sets: [(id: Int, body: [UInt8])] = []
    init(_ payload: [UInt8]) {
        var offset = payload.number(at: 0, 2) == 10 ? 16 : 20
        while offset + 4 <= payload.count {
            let length = Int(payload.number(at: offset + 2, 2))
            guard length >= 4, offset + length <= payload.count else { break }
            sets.append((Int(payload.number(at: offset, 2)), Array(payload[offset + 4..<offset + length])))
            offset += length
        }
    }
    /// Element numbers of the template `id`, if it is here.
    func template(_ id: Int) -> [Int]? {
        for (set, body) in sets where set == 0 || set == 2 {
            var offset = 0
            while offset + 4 <= body.count {
                let this = Int(body.number(at: offset, 2)), count = Int(body.number(at: offset + 2, 2))
                var elements: [Int] = []
                offset += 4
                for _ in 0..<count {
                    let element = Int(body.number(at: offset, 2))
                    elements.append(element)
                    offset += element & 0x8000 == 0 ? 4 : 8
                }
                if this == id { return elements }
            }
        }
        return nil
    }
    var hasTemplates: Bool { sets.contains { $0.id == 0 || $0.id == 2 } }
    var dataIDs: [Int] { sets.map(\.id).filter { $0 >= 256 && $0 < 512 } }
}
