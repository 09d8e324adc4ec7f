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
                                      [--indicators N] [--rules N]
               weir-bench-detect backtest [--records N] [--folder FOLDER]
               weir-bench-detect quality [--fixtures FOLDER] [--records N]
               weir-bench-detect models [--records N] [--hours N]
               weir-bench-detect offer [--rounds N]

          cost      CPU time of detection as one figure, with all detectors, indicators and Sigma rules, beside its bar
                    of 0.5 s a million records; then of each part alone beside reading the record: simulated sites, or
                    captures of exports
          backtest  how long Sigma rules take to go through N stored records of a simulated site with attacks, beside
                    the bar of 10 s for ten million; exits with 1 unless they find what they found live
          quality   precision, recall and time to detect by rule, on labelled captures (attacks/ in FOLDER, or in
                    WEIR_FIXTURES), and at sampling 1, 100 and 1000 on made attacks among their look-alikes and on
                    simulated sites with attacks; and what benign traffic alone raises
          models    CPU time of making anomaly models and of scoring by them, and how they do on simulated sites
          offer     CPU time a record that offering batches to own programs costs the pipeline, beside decoding them

          --records N   records of each simulated site without attacks, 1000000 unless given; for backtest, 10000000
          --hours N     of simulated time for models, 48 unless given
          --rounds N    of each measurement, by turns; the median counts. 3 unless given
          --only NAME   a detector, "whole", "all" (detectors), "indicators", "rules" or "none"; each of them unless
                        given
          --indicators N, --rules N  of "whole": 1000000 and 100 unless given
          --folder FOLDER  for the store of backtest; must not have data. Otherwise one that is removed afterwards

        """

    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            writeAll([UInt8]("weir-bench-detect: \(error)\n".utf8), to: 2)
            exit((error as? BenchError)?.code ?? 2)
        }
    }

    private struct Options {
        var records: Int?, rounds = 3, hours = 48, files: [String] = [], names: [String] = [], only: [String] = []
        var indicators = 1_000_000, rules = 100, folder: String?
        var fixtures = ProcessInfo.processInfo.environment["WEIR_FIXTURES"]

        init(_ arguments: [String]) throws {
            var rest = arguments[...]
            func number(_ option: String) throws -> Int {
                guard let value = rest.popFirst().flatMap({ Int($0) }), value > 0 else {
                    throw BenchError("\(option) needs a number above 0")
                }
                return value
            }
            while let argument = rest.popFirst() {
                switch argument {
                case "--records": records = try number(argument)
                case "--rounds": rounds = try number(argument)
                case "--hours": hours = try number(argument)
                case "--indicators": indicators = try number(argument)
                case "--rules": rules = try number(argument)
                case "--only": only.append(rest.popFirst() ?? "")
                case "--pcap": files.append(rest.popFirst() ?? "")
                case "--folder": folder = rest.popFirst()
                case "--fixtures": fixtures = rest.popFirst()
                default: names.append(argument)
                }
            }
        }
    }

    private static func run(_ arguments: [String]) async throws {
        let options = try Options(arguments), records = options.records ?? 1_000_000
        switch options.names {
        case ["cost"]:
            try Cost.measure(
                records: records, rounds: options.rounds, only: options.only, files: options.files,
                load: try Cost.Load(indicators: options.indicators, rules: options.rules))
        case ["backtest"]: try await backtest(options)
        case ["models"]: try ModelCost.measure(records: records, hours: options.hours)
        case ["offer"]: try Offering.measure(rounds: options.rounds)
        case ["quality"]:
            if let fixtures = options.fixtures { try Quality.labelled(in: fixtures + "/attacks") }
            try Quality.made()
            try Quality.simulated()
            try Quality.benign(records: records)
        default: writeAll([UInt8](usage.utf8), to: options.names.isEmpty ? 1 : 2)
        }
    }
    private static func backtest(_ options: Options) async throws {
        let path = options.folder ?? "/var/tmp/weir-bench-detect-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { if options.folder == nil { try? FileManager.default.removeItem(atPath: path) } }
        let isEqual = try await Backtest(folder: path, records: options.records ?? 10_000_000).run()
        if !isEqual { throw BenchError("a backtest differs from what was found live", code: 1) }
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

struct BenchError: Error, CustomStringConvertible {
    let description: String
    let code: Int32
    init(_ description: String, code: Int32 = 2) { (self.description, self.code) = (description, code) }
}
