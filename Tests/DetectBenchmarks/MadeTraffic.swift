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
    private let rows: Int, capacity: Int, window: Int64
    private var simulation: Simulation, batch = DatagramBatch(), decoder = DatagramDecoder()
    /// A step that belongs to the next batch.
    private var isWaiting = false
    private var isOver = false

    /// - Parameters:
    ///   - rows: of a batch, which ends with the step that reaches so many.
    ///   - window: in ms; batches end at its multiples, as a sensor's do.
    init(_ plan: SimulationPlan, rows: Int, capacity: Int? = nil, window: Int64 = .max) {
        (self.rows, self.capacity, self.window) = (rows, capacity ?? rows, window)
        simulation = Simulation(plan)
    }
    var truth: SimulationTruth { simulation.truth }

    mutating func next() -> FlowColumns? {
        var columns = FlowColumns(capacity: capacity), number: Int64?
        while !isOver, columns.count < rows {
            if !isWaiting, !simulation.step(into: &batch) {
                isOver = true
                break
            }
            let now = batch.dueMilliseconds / window
            isWaiting = columns.count > 0 && number.map { $0 != now } ?? false
            guard !isWaiting else { break }
            number = now
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
