import Capture
import Decode
import FlowModel
import Platform
import Simulator
import WireBytes

/// Flow records, decoded: of a capture, or of the simulator's exporters.
enum MadeTraffic {
    static func capture(_ file: String) throws -> FlowColumns {
        var reader = try CaptureReader(bytes: try readFile(file)), decoder = DatagramDecoder()
        var columns = FlowColumns(capacity: 65_536)
        while let reference = try reader.nextReference() {
            _ = reader.withPayload(of: reference) { decoder.decode($0, from: reference.origin, into: &columns) }
        }
        return columns
    }

    /// Everything that the plan's exporters send, and what attacks were in it.
    static func simulated(_ plan: SimulationPlan) -> (columns: FlowColumns, truth: SimulationTruth) {
        var batches = SimulatedBatches(plan, rows: .max, capacity: plan.recordsPerSecond * plan.seconds)
        let columns = batches.next() ?? FlowColumns()
        return (columns, batches.truth)
    }
}

/// What a plan's exporters send, decoded, some records at a time.
struct SimulatedBatches {
    private let rows: Int, capacity: Int
    private var simulation: Simulation, batch = DatagramBatch(), decoder = DatagramDecoder()
    private var isOver = false

    /// - Parameter rows: of a batch at least, but of the last.
    init(_ plan: SimulationPlan, rows: Int, capacity: Int? = nil) {
        self.rows = rows
        self.capacity = capacity ?? rows
        simulation = Simulation(plan)
    }
    var truth: SimulationTruth { simulation.truth }

    mutating func next() -> FlowColumns? {
        guard !isOver else { return nil }
        var columns = FlowColumns(capacity: capacity)
        while columns.count < rows {
            guard simulation.step(into: &batch) else {
                isOver = true
                break
            }
            for item in batch.items {
                let exporter = simulation.exporters[item.exporter]
                let origin = DatagramOrigin(
                    source: exporter.address, sourcePort: exporter.sourcePort, localPort: 2_055,
                    receiveMilliseconds: batch.dueMilliseconds)
                _ = Array(batch.bytes[item.range]).withBytes { decoder.decode($0, from: origin, into: &columns) }
            }
        }
        return columns.count == 0 ? nil : columns
    }
}
