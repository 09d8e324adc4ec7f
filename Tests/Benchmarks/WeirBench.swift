import Capture
import Dedupe
import Platform

/// Measures the sensor's data path on real captures, one JSON object a line:
///     {"name":"decode","records":n,"rows":n,"cpuSeconds":s,"recordsPerCPUSecond":n,"peakRSSBytes":n,
///      "bytesPerRecord":b,"captureBytes":n}
/// CPU time is the process's own (getrusage), user and system. `records` are flow records as exported. The capture's
/// own bytes are in memory and in `peakRSSBytes`. `bytesPerRecord` is UDP payload for `decode`, sealed batch for the
/// others.
@main
enum WeirBench {
    static let usage = """
        usage: weir-bench NAME... --pcap FILE... [options]
               weir-bench worst [--seconds N]
               weir-bench query [QUESTION...] [--pcap FILE...] [--store FOLDER] [--runs N]

          decode     capture -> columns
          pipeline   capture -> columns -> repeats dropped -> 10 s windows -> dedupe -> sealed batches [-> spool]
          batch      windows, made beforehand -> sealed batches
          segments   sealed batches, made beforehand -> segments of a store, and back column by column
          worst      a search for the datagram that costs most to decode; fails above 50 µs
          query      questions about the capture's records in a store of compacted segments: store (its size),
                     top-source, filter, needle, five-tuple, series, series-rollup, records, hunt. The store is made in
                     FOLDER, and asked again without --pcap; without FOLDER it goes at the end. One line a question,
                     medians of N runs

          --repeat N          the capture so many times
          --window-rows N     rows of a window, 65536 unless given
          --dedupe MODE       off, mark or merge (the default)
          --rate N            pipeline: receive times as if N datagrams came each second; unless given the capture's own
          --spool FOLDER      batches go into a real spool, synced; give a folder that is empty
          --baseline FILE     lines of an earlier run: adds "ratio", this run's rate over that one's

        One JSON object a line. A capture is needed:
          weirctl simulate --scenario office --protocol netflow9 --pcap FILE
        makes one, as does any generator of flow exports; two million records or more give steady numbers.

        Example:
          weir-bench decode pipeline --pcap v9.pcap

        """

    static func main() async {
        do throws(BenchError) {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            writeAll([UInt8]("weir-bench: \(error.message)\n".utf8), to: 2)
            exitProcess(error.code)
        }
    }

    private static func run(_ arguments: [String]) async throws(BenchError) {
        if arguments.contains("--help") || arguments.contains("-h") {
            writeAll([UInt8](usage.utf8), to: 1)
            return
        }
        if arguments.first == "query" { return try await QueryBench.run(Array(arguments.dropFirst())) }
        if arguments.first == "worst" { return try worst(Array(arguments.dropFirst())) }
        let (names, files, settings, baseline) = try parse(arguments)
        for name in names {
            for file in files {
                let capture = try Measured.capture(file)
                let result: BenchResult
                switch name {
                case "segments":
                    try SegmentBench.run(try Measured.sealed(capture, settings)) { part, result in
                        let line = result.json(name: part, captureBytes: capture.bytes.count, before: nil)
                        writeAll([UInt8](line.utf8), to: 1)
                    }
                    continue
                case "decode": result = try Measured.decode(capture, rounds: settings.rounds)
                case "pipeline": result = try Measured.pipeline(capture, settings)
                default: result = try Measured.batch(capture, settings)
                }
                let before = baseline["\(name) \(capture.bytes.count)"]
                writeAll(
                    [UInt8](result.json(name: name, captureBytes: capture.bytes.count, before: before).utf8), to: 1)
            }
        }
    }

    private static func worst(_ arguments: [String]) throws(BenchError) {
        var seconds = 60.0
        if !arguments.isEmpty {
            guard arguments.count == 2, arguments[0] == "--seconds", let given = Double(arguments[1]), given > 0 else {
                throw BenchError(code: 2, message: "worst takes --seconds N\n\n\(usage)")
            }
            seconds = given
        }
        var search = WorstSearch()
        guard let found = search.run(seconds: seconds), found.microseconds <= 50 else {
            throw BenchError(code: 1, message: "a datagram costs more than 50 µs")
        }
    }

    private typealias Parsed = (
        names: [String], files: [String], settings: BenchSettings, baseline: [String: Double]
    )
    private static func parse(_ arguments: [String]) throws(BenchError) -> Parsed {
        var parsed: Parsed = ([], [], BenchSettings(), [:])
        var rest = arguments[...], isInFiles = false
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") || !isInFiles else {
                parsed.files.append(argument)
                continue
            }
            isInFiles = argument == "--pcap"
            switch argument {
            case "--pcap": break
            case "--repeat": parsed.settings.rounds = try number(rest.popFirst(), argument, 1...1_000)
            case "--window-rows": parsed.settings.windowRows = try number(rest.popFirst(), argument, 16...(1 << 24))
            case "--rate": parsed.settings.rate = try number(rest.popFirst(), argument, 1...100_000_000)
            case "--spool": parsed.settings.spool = try value(rest.popFirst(), argument)
            case "--baseline": parsed.baseline = try Baseline.read(try value(rest.popFirst(), argument))
            case "--dedupe":
                guard let mode = ObserverDedupeMode(rawValue: try value(rest.popFirst(), argument)) else {
                    throw BenchError(code: 2, message: "--dedupe takes off, mark or merge")
                }
                parsed.settings.dedupe = mode
            case "decode", "pipeline", "batch", "segments": parsed.names.append(argument)
            default:
                throw BenchError(code: 2, message: "\(argument) is not decode, pipeline, batch or segments\n\n\(usage)")
            }
        }
        guard !parsed.names.isEmpty else { throw BenchError(code: 2, message: "nothing to measure\n\n\(usage)") }
        guard !parsed.files.isEmpty else { throw BenchError(code: 2, message: "--pcap FILE is missing\n\n\(usage)") }
        return parsed
    }
    private static func value(_ text: String?, _ option: String) throws(BenchError) -> String {
        guard let text else { throw BenchError(code: 2, message: "\(option) needs a value") }
        return text
    }
    private static func number(
        _ text: String?, _ option: String, _ range: ClosedRange<Int>
    ) throws(BenchError) -> Int {
        guard let number = text.flatMap({ Int($0) }), range.contains(number) else {
            throw BenchError(code: 2, message: "\(option) needs a number, \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }
}

/// Rates of an earlier run, by name and size of the capture. Reads this program's own lines.
enum Baseline {
    static func read(_ path: String) throws(BenchError) -> [String: Double] {
        let text: String
        do { text = String(decoding: try readFile(path), as: UTF8.self) } catch {
            throw BenchError(code: 2, message: "\(path): \(error)")
        }
        var rates: [String: Double] = [:]
        for line in text.split(separator: "\n") {
            guard let name = field("name", of: line), let bytes = field("captureBytes", of: line),
                let rate = field("recordsPerCPUSecond", of: line).flatMap({ Double($0) })
            else { throw BenchError(code: 2, message: "\(path): not a line of weir-bench: \(line)") }
            rates["\(name) \(bytes)"] = rate
        }
        return rates
    }
    private static func field(_ name: String, of line: Substring) -> String? {
        guard let start = line.firstRange(of: "\"\(name)\":")?.upperBound else { return nil }
        return String(line[start...].prefix { $0 != "," && $0 != "}" }.filter { $0 != "\"" })
    }
}

struct BenchError: Error {
    let code: Int32
    let message: String
}

struct BenchResult {
    var records = 0, rows = 0, bytes = 0
    var cpuSeconds = 0.0
    var peakRSSBytes = 0

    /// - Parameter before: the rate of an earlier run on the same capture.
    func json(name: String, captureBytes: Int, before: Double?) -> String {
        let rate = cpuSeconds > 0 ? Int(Double(records) / cpuSeconds) : 0
        let each = records > 0 ? Double(Int(Double(bytes) / Double(records) * 100)) / 100 : 0
        return "{\"name\":\"\(name)\",\"records\":\(records),\"rows\":\(rows),\"cpuSeconds\":\(cpuSeconds)"
            + ",\"recordsPerCPUSecond\":\(rate),\"peakRSSBytes\":\(peakRSSBytes),\"bytesPerRecord\":\(each)"
            + ",\"captureBytes\":\(captureBytes)"
            + (before.map { ",\"ratio\":\(Double(Int(Double(rate) / $0 * 1_000)) / 1_000)" } ?? "") + "}\n"
    }
}
