import Detect
import FlowModel
import Foundation
import Identity
import Platform
import Simulator

/// What the detectors cost, and how good they are. One JSON object a line.
@main
enum WeirBenchDetect {
    static let usage = """
        usage: weir-bench-detect cost [--records N] [--pcap FILE...]
               weir-bench-detect quality [--fixtures FOLDER] [--records N]

          cost      CPU time a record, of all detectors and of each alone: simulated sites, or captures of exports
          quality   precision, recall and time to detect by rule, on labelled captures (attacks/ in FOLDER, or in
                    WEIR_FIXTURES) and on simulated sites with attacks at sampling 1, 100 and 1000; and what benign
                    traffic alone raises

          --records N   records of each simulated site without attacks, 1000000 unless given

        """

    static func main() {
        do {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            writeAll([UInt8]("weir-bench-detect: \(error)\n".utf8), to: 2)
            exit(2)
        }
    }

    private static func run(_ arguments: [String]) throws {
        var records = 1_000_000, files: [String] = [], names: [String] = []
        var fixtures = ProcessInfo.processInfo.environment["WEIR_FIXTURES"], rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--records": records = rest.popFirst().flatMap { Int($0) } ?? records
            case "--pcap": files.append(rest.popFirst() ?? "")
            case "--fixtures": fixtures = rest.popFirst()
            default: names.append(argument)
            }
        }
        switch names {
        case ["cost"]: try cost(records: records, files: files)
        case ["quality"]:
            if let fixtures { try Quality.labelled(in: fixtures + "/attacks") }
            try Quality.simulated()
            try Quality.benign(records: records)
        default: writeAll([UInt8](usage.utf8), to: names.isEmpty ? 1 : 2)
        }
    }

    static func tenant() throws -> TenantID {
        guard let tenant = TenantID("bench") else { throw CocoaError(.coderInvalidValue) }
        return tenant
    }
    static func plan(_ scenarios: String, records: Int = 0, seconds: Int = 100) throws -> SimulationPlan {
        var plan = SimulationPlan()
        plan.scenarios = try ScenarioList(parsing: scenarios)
        (plan.recordsPerSecond, plan.seconds) = (max(records / seconds, 1), seconds)
        return plan
    }
    static func say(_ line: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        writeAll([UInt8](try encoder.encode(line)) + [0x0A], to: 1)
    }

    struct CostLine: Encodable {
        let name = "cost"
        let traffic: String, records: Int, detectors: String, nanosecondsPerRecord: Int, recordsPerCPUSecond: Int
    }

    private static func cost(records: Int, files: [String]) throws {
        var sites: [(String, FlowColumns)] = try files.map { ($0, try MadeTraffic.capture($0)) }
        if sites.isEmpty {
            sites = try ["office", "datacenter", "isp-edge"].map {
                ($0, MadeTraffic.simulated(try plan($0, records: records)).columns)
            }
        }
        for (name, columns) in sites {
            for kind in ["none", "all"] + DetectorSet.names {
                var set = DetectorSet(tenant: try tenant(), only: kind == "all" ? nil : [kind])
                let before = cpuSeconds()
                for start in stride(from: 0, to: columns.count, by: 8_192) {
                    _ = set.observe(columns, rows: start..<min(start + 8_192, columns.count))
                }
                let each = (cpuSeconds() - before) / Double(max(columns.count, 1))
                try say(
                    CostLine(
                        traffic: name, records: columns.count, detectors: kind,
                        nanosecondsPerRecord: Int((each * 1e9).rounded()),
                        recordsPerCPUSecond: each > 0 ? Int(1 / each) : 0))
            }
        }
    }
}
