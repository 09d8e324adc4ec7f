import BatchFormat
import FlowModel
import Platform
import Programs
import Simulator
import WireBytes

/// What it costs the pipeline to offer its batches to programs.
enum Offering {
    struct Line: Encodable {
        let name = "offer"
        let programs: Int, records: Int, batches: Int
        /// Medians: of decoding a batch and offering it, and of that beside decoding it alone.
        let nanosecondsPerRecord: Double, ownNanosecondsPerRecord: Double
    }

    private static let batchRows = 50_000, batches = 8

    static func measure(rounds: Int) throws {
        let bodies = try encoded()
        var alone: [Double] = []
        for programs in [0, 1, 4] {
            var times: [Double] = []
            for _ in 0..<max(rounds, 1) { times.append(try once(bodies, programs: programs)) }
            let median = times.sorted()[times.count / 2] * 1e9
            if programs == 0 { alone.append(median) }
            try WeirBenchDetect.say(
                Line(
                    programs: programs, records: batchRows, batches: bodies.count,
                    nanosecondsPerRecord: (median * 100).rounded() / 100,
                    ownNanosecondsPerRecord: ((median - (alone.first ?? 0)) * 100).rounded() / 100))
        }
    }

    private static func encoded() throws -> [[UInt8]] {
        let all = MadeTraffic.simulated(try WeirBenchDetect.plan("office", records: batchRows * batches)).columns
        var encoder = BatchEncoder(), bodies: [[UInt8]] = []
        for start in stride(from: 0, to: all.count, by: batchRows) {
            var batch = FlowColumns(capacity: batchRows)
            for exporter in all.exporters { _ = batch.intern(exporter) }
            for row in start..<min(start + batchRows, all.count) { batch.append(all[row]) }
            bodies.append(try encoder.encode(batch, fidelity: .full))
        }
        return Array(bodies.prefix(batches))
    }

    /// CPU seconds a record. Runners that are not started keep what they are offered, as one that is behind does.
    private static func once(_ bodies: [[UInt8]], programs: Int) throws -> Double {
        let runners = try (0..<programs).map { _ in try runner() }
        var decoder = BatchDecoder(), columns = FlowColumns(), seconds = 0.0, records = 0
        for (number, body) in bodies.enumerated() {
            let before = cpuSeconds()
            columns.removeAll()
            try body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
            records += columns.count
            var isTaken = false
            for runner in runners where runner.offer(columns, mark: Int64(number)) { isTaken = true }
            if isTaken { columns = FlowColumns() }
            seconds += cpuSeconds() - before
        }
        return seconds / Double(max(records, 1))
    }
    private static func runner() throws -> ProgramRunner {
        let program = ProgramDescription(
            name: "offered", kind: .detector, tenant: try WeirBenchDetect.tenant(), command: ["/usr/bin/true"])
        let tools = SandboxTools(
            bubblewrap: "/usr/bin/bwrap", prlimit: "/usr/bin/prlimit", setpriv: "/usr/bin/setpriv",
            canMakeNamespaces: true, isRoot: false)
        return try ProgramRunner(
            program, plan: SandboxPlan(for: program, with: tools), time: SystemTime(), log: { _ in })
    }
}
