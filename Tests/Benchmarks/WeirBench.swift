import Capture
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
        usage: weir-bench NAME... --pcap FILE... [--repeat N]
               weir-bench worst [--seconds N]

          decode     capture -> columns
          pipeline   capture -> columns -> repeats dropped -> 10 s windows -> sealed batches in memory
          batch      windows, made beforehand -> sealed batches
          worst      a search for the datagram that costs most to decode; fails above 50 µs

        One JSON object a line. A capture is needed:
          weirctl simulate --scenario office --protocol netflow9 --pcap FILE
        makes one, as does any generator of flow exports; two million records or more give steady numbers.

        Example:
          weir-bench decode pipeline --pcap v9.pcap

        """

    static func main() {
        do throws(BenchError) {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            writeAll([UInt8]("weir-bench: \(error.message)\n".utf8), to: 2)
            exitProcess(error.code)
        }
    }

    private static func run(_ arguments: [String]) throws(BenchError) {
        if arguments.contains("--help") || arguments.contains("-h") {
            writeAll([UInt8](usage.utf8), to: 1)
            return
        }
        if arguments.first == "worst" { return try worst(Array(arguments.dropFirst())) }
        let (names, files, rounds) = try parse(arguments)
        for name in names {
            for file in files {
                let capture = try Measured.capture(file)
                let result: BenchResult
                switch name {
                case "decode": result = try Measured.decode(capture, rounds: rounds)
                case "pipeline": result = try Measured.pipeline(capture, rounds: rounds)
                default: result = try Measured.batch(capture, rounds: rounds)
                }
                writeAll([UInt8](result.json(name: name, captureBytes: capture.bytes.count).utf8), to: 1)
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

    private static func parse(
        _ arguments: [String]
    ) throws(BenchError) -> (names: [String], files: [String], rounds: Int) {
        var names: [String] = [], files: [String] = [], rounds = 1, rest = arguments[...], isInFiles = false
        while let argument = rest.popFirst() {
            switch argument {
            case "--pcap": isInFiles = true
            case "--repeat":
                guard let count = rest.popFirst().flatMap({ Int($0) }), (1...1_000).contains(count) else {
                    throw BenchError(code: 2, message: "--repeat needs a number, 1...1000")
                }
                (rounds, isInFiles) = (count, false)
            case "decode", "pipeline", "batch": names.append(argument)
            case _ where isInFiles && !argument.hasPrefix("-"): files.append(argument)
            default: throw BenchError(code: 2, message: "\(argument) is not decode, pipeline or batch\n\n\(usage)")
            }
        }
        guard !names.isEmpty else { throw BenchError(code: 2, message: "nothing to measure\n\n\(usage)") }
        guard !files.isEmpty else { throw BenchError(code: 2, message: "--pcap FILE is missing\n\n\(usage)") }
        return (names, files, rounds)
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

    func json(name: String, captureBytes: Int) -> String {
        let rate = cpuSeconds > 0 ? Int(Double(records) / cpuSeconds) : 0
        let each = records > 0 ? Double(Int(Double(bytes) / Double(records) * 100)) / 100 : 0
        return "{\"name\":\"\(name)\",\"records\":\(records),\"rows\":\(rows),\"cpuSeconds\":\(cpuSeconds)"
            + ",\"recordsPerCPUSecond\":\(rate),\"peakRSSBytes\":\(peakRSSBytes),\"bytesPerRecord\":\(each)"
            + ",\"captureBytes\":\(captureBytes)}\n"
    }
}
