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
        var simulation = Simulation(plan), batch = DatagramBatch(), decoder = DatagramDecoder()
        var columns = FlowColumns(capacity: plan.recordsPerSecond * plan.seconds)
        while simulation.step(into: &batch) {
            for item in batch.items {
                let exporter = simulation.exporters[item.exporter]
                let origin = DatagramOrigin(
                    source: exporter.address, sourcePort: exporter.sourcePort, localPort: 2_055,
                    receiveMilliseconds: batch.dueMilliseconds)
                _ = Array(batch.bytes[item.range]).withBytes { decoder.decode($0, from: origin, into: &columns) }
            }
        }
        return (columns, simulation.truth)
    }
}
