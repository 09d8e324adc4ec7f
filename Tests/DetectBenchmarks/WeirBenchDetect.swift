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
        usage: weir-bench-detect cost [--records N] [--rounds N] [--only NAME...] [--pcap FILE...]
               weir-bench-detect quality [--fixtures FOLDER] [--records N]

          cost      CPU time a record, of all detectors and of each alone beside reading the record: simulated sites,
                    or captures of exports
          quality   precision, recall and time to detect by rule, on labelled captures (attacks/ in FOLDER, or in
                    WEIR_FIXTURES), and at sampling 1, 100 and 1000 on made attacks among their look-alikes and on
                    simulated sites with attacks; and what benign traffic alone raises

          --records N   records of each simulated site without attacks, 1000000 unless given
          --rounds N    of each measurement, by turns; the median counts. 3 unless given
          --only NAME   a detector, "all" or "none"; each of them unless given

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
        var records = 1_000_000, rounds = 3, files: [String] = [], names: [String] = [], only: [String] = []
        var fixtures = ProcessInfo.processInfo.environment["WEIR_FIXTURES"], rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--records": records = rest.popFirst().flatMap { Int($0) } ?? records
            case "--rounds": rounds = rest.popFirst().flatMap { Int($0) } ?? rounds
            case "--only": only.append(rest.popFirst() ?? "")
            case "--pcap": files.append(rest.popFirst() ?? "")
            case "--fixtures": fixtures = rest.popFirst()
            default: names.append(argument)
            }
        }
        switch names {
        case ["cost"]: try Cost.measure(records: records, rounds: rounds, only: only, files: files)
        case ["quality"]:
            if let fixtures { try Quality.labelled(in: fixtures + "/attacks") }
            try Quality.made()
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
}
