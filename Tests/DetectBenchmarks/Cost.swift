import Detect
import FlowModel

/// What the detectors cost, by site.
enum Cost {
    struct Line: Encodable {
        let name = "cost"
        let traffic: String, records: Int, detectors: String
        /// Medians. A detector's own are those beside reading the records, which "none" shows and all share.
        let nanosecondsPerRecord: Double, ownNanosecondsPerRecord: Double?
        /// CPU seconds a million records.
        let secondsPerMillion: Double
    }

    static func measure(records: Int, rounds: Int, only: [String], files: [String]) throws {
        var sites: [(String, FlowColumns)] = try files.map { ($0, try MadeTraffic.capture($0)) }
        if sites.isEmpty {
            sites = try ["office", "datacenter", "isp-edge"].map {
                ($0, MadeTraffic.simulated(try WeirBenchDetect.plan($0, records: records)).columns)
            }
        }
        let kinds = only.isEmpty ? ["none", "all"] + DetectorSet.names : only
        for (name, columns) in sites {
            var times = [[Double]](repeating: [], count: kinds.count)
            for _ in 0..<max(rounds, 1) {
                for (index, kind) in kinds.enumerated() { times[index].append(try once(kind, columns)) }
            }
            let medians = times.map { $0.sorted()[$0.count / 2] * 1e9 }
            let reading = kinds.firstIndex(of: "none").map { medians[$0] }
            for (kind, median) in zip(kinds, medians) {
                try WeirBenchDetect.say(
                    Line(
                        traffic: name, records: columns.count, detectors: kind,
                        nanosecondsPerRecord: rounded(median),
                        ownNanosecondsPerRecord: reading.map { rounded(max(median - $0, 0)) },
                        secondsPerMillion: rounded(median / 10) / 100))
            }
        }
    }

    /// CPU seconds a record. Batches are as the aggregator has them: just made, and so in the processor's cache.
    private static func once(_ kind: String, _ columns: FlowColumns) throws -> Double {
        var set = DetectorSet(tenant: try WeirBenchDetect.tenant(), only: kind == "all" ? nil : [kind])
        var batch = FlowColumns(capacity: batchRows), seconds = 0.0
        for start in stride(from: 0, to: columns.count, by: batchRows) {
            batch.removeAll()
            for exporter in columns.exporters { _ = batch.intern(exporter) }
            for row in start..<min(start + batchRows, columns.count) { batch.append(columns[row]) }
            let before = cpuSeconds()
            _ = set.observe(batch)
            seconds += cpuSeconds() - before
        }
        return seconds / Double(max(columns.count, 1))
    }
    private static let batchRows = 8_192
    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
