import BatchFormat
import Capture
import Decode
import Delivery
import FilterLanguage
import FlowModel
import FlowStore
import Foundation
import Identity
import Platform
import Query
import QueryEngine

/// Measures questions about a capture's records, kept as they come (no repeats dropped, nothing summed) in a store of
/// compacted segments.
struct QueryBench {
    struct Settings {
        var files: [String] = []
        var store: String?
        var names: [String] = []
        var runs = 3
    }
    private let store: SQLiteFlowStore
    private let query: FlowQuery
    private let tenant: TenantID
    private let needle: IPAddress
    private let day: ClosedRange<Int64>
    private let records: Int

    static let names = [
        "store", "top-source", "filter", "needle", "five-tuple", "series", "series-rollup", "records", "hunt",
    ]
    private static let dayMilliseconds: Int64 = 86_400_000

    /// `arguments`: without the word `query`.
    static func run(_ arguments: [String]) async throws(BenchError) {
        let settings = try parse(arguments)
        guard let store = settings.store else {
            let made = FileManager.default.temporaryDirectory.appendingPathComponent("weir-bench-\(UUID())")
            defer { try? FileManager.default.removeItem(at: made) }
            return try await run(settings, in: made.path)
        }
        try await run(settings, in: store)
    }
    private static func run(_ settings: Settings, in folder: String) async throws(BenchError) {
        do {
            if !settings.files.isEmpty { try await StoreMaker(folder: folder).make(of: settings.files) }
            let bench = try QueryBench(folder: folder)
            for name in settings.names.isEmpty ? names : settings.names {
                let line = try await name == "store" ? bench.size() : bench.measure(name, runs: settings.runs)
                writeAll([UInt8](line.utf8), to: 1)
            }
            // A store that was only asked needs no closing.
            if settings.files.isEmpty { exitProcess(0) }
        } catch let error as BenchError {
            throw error
        } catch {
            throw BenchError(code: 1, message: "\(error)")
        }
    }

    private static func parse(_ arguments: [String]) throws(BenchError) -> Settings {
        var settings = Settings(), rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--pcap":
                while let file = rest.first, !file.hasPrefix("--"), !names.contains(file) {
                    settings.files.append(file)
                    rest.removeFirst()
                }
            case "--store":
                guard let folder = rest.popFirst() else { throw BenchError(code: 2, message: "--store needs a folder") }
                settings.store = folder
            case "--runs":
                guard let runs = rest.popFirst().flatMap({ Int($0) }), 1...100 ~= runs else {
                    throw BenchError(code: 2, message: "--runs needs a number, 1...100")
                }
                settings.runs = runs
            case let name where names.contains(name): settings.names.append(name)
            default:
                throw BenchError(
                    code: 2, message: "query takes --pcap FILE..., --store FOLDER, --runs N and \(names)")
            }
        }
        guard !settings.files.isEmpty || settings.store != nil else {
            throw BenchError(code: 2, message: "query needs --pcap FILE, or the --store FOLDER of an earlier run")
        }
        return settings
    }

    private init(folder: String) throws {
        guard let tenant = TenantID("bench") else { throw BenchError(code: 1, message: "no tenant") }
        let text = String(decoding: try readFile(folder + "/bench"), as: UTF8.self)
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 4, let needle = IPAddress(String(words[0])), let from = Int64(words[1]),
            let to = Int64(words[2]), let records = Int(words[3]), from <= to
        else { throw BenchError(code: 2, message: "\(folder) is no store of `weir-bench query --pcap`") }
        self.tenant = tenant
        self.needle = needle
        self.records = records
        let start = from - from % Self.dayMilliseconds
        day = start...max(to, start + Self.dayMilliseconds)
        store = try SQLiteFlowStore(directory: folder + "/flows")
        var budget = QueryBudget()
        budget.duration = .seconds(600)
        query = FlowQuery(store: store, time: SystemTime(), budget: budget)
    }

    // MARK: Questions

    private struct Outcome {
        var effort: QueryEffort
        /// What the answer says, as JSON: to be compared with what others say.
        var answer: String
    }

    private func ask(_ name: String) async throws -> Outcome {
        switch name {
        case "top-source": return try await top(.any, by: [.sourceAddress])
        case "filter": return try await top(try FilterParser.parse("dst port 22 and src net 10.0.0.0/8"), by: [])
        case "needle": return try await top(try FilterParser.parse("ip \(needle)"), by: [])
        case "five-tuple":
            return try await top(
                .any,
                by: [
                    .sourceAddress, .destinationAddress, .sourceTransportPort, .destinationTransportPort,
                    .protocolIdentifier,
                ])
        case "series", "series-rollup":
            let answer = try await query.series(
                tenant: tenant, filter: FlowFilter(from: day.lowerBound, to: day.upperBound), by: [.service],
                measure: .octets, limit: 10, period: 60_000, mayUseRollups: name == "series-rollup")
            return Outcome(effort: answer.effort, answer: json(answer.series.total))
        case "records":
            let answer = try await query.records(tenant: tenant, filter: FlowFilter(), limit: 100)
            return Outcome(effort: answer.effort, answer: "\(answer.columns.count)")
        default:
            let answer = try await query.hunt(tenant: tenant, indicators: [IPNetwork(needle, length: 32)])
            return Outcome(effort: answer.effort, answer: "\(answer.sightings.count)")
        }
    }
    private func top(_ expression: FilterExpression, by keys: [FlowKey]) async throws -> Outcome {
        let answer = try await query.top(
            tenant: tenant, filter: FlowFilter(expression), by: keys, measure: .octets, limit: 10)
        guard !keys.isEmpty else { return Outcome(effort: answer.effort, answer: json(answer.total)) }
        let lines = answer.groups.map { group in
            "[\"\(group.key.sourceAddress?.description ?? "")\",\(group.tally.octets)]"
        }
        return Outcome(
            effort: answer.effort,
            answer: "{\"groups\":\(answer.groupCount),\"top\":[\(lines.joined(separator: ","))]}")
    }
    private func json(_ tally: Tally) -> String {
        "{\"flows\":\(tally.flows),\"octets\":\(tally.octets),\"packets\":\(tally.packets)}"
    }

    /// What history takes: octets of all segments, with their heads and filters.
    private func size() async throws -> String {
        let segments = try await store.segments(tenant: tenant, from: .min, to: .max)
        let batches = segments.count { $0.kind == .batch }, bytes = segments.reduce(0) { $0 + $1.bodyBytes }
        let rows = segments.reduce(0) { $0 + $1.rows }
        return "{\"name\":\"query-store\",\"records\":\(records),\"rows\":\(rows),\"segments\":\(segments.count)"
            + ",\"batches\":\(batches),\"bytes\":\(bytes),\"bytesPerRecord\":\(Double(bytes) / Double(max(rows, 1)))}\n"
    }

    /// The median of some runs.
    private func measure(_ name: String, runs: Int) async throws -> String {
        var seconds: [Double] = [], peak = 0, last: Outcome?
        for _ in 0..<runs {
            resetPeakRSS()
            let before = cpuSeconds()
            last = try await ask(name)
            seconds.append(cpuSeconds() - before)
            peak = max(peak, peakRSSBytes())
        }
        guard let last else { throw BenchError(code: 2, message: "no runs") }
        let effort = last.effort
        return "{\"name\":\"query-\(name)\",\"records\":\(records),\"cpuSeconds\":\(seconds.sorted()[runs / 2])"
            + ",\"peakRSSBytes\":\(peak),\"rows\":\(effort.rows),\"matched\":\(effort.matched)"
            + ",\"segments\":\(effort.segments),\"skippedByBounds\":\(effort.skippedByBounds)"
            + ",\"skippedByBloom\":\(effort.skippedByBloom),\"blocks\":\(effort.blocks)"
            + ",\"listBlocks\":\(effort.listBlocks)"
            + ",\"blocksSkipped\":\(effort.blocksSkipped),\"bytesRead\":\(effort.bytesRead)"
            + ",\"scratchBytes\":\(effort.scratchBytes),\"answer\":\(last.answer)}\n"
    }
}

/// Makes the store that is asked.
struct StoreMaker {
    private let folder: String
    private static let batchRows = 60_000

    init(folder: String) { self.folder = folder }

    func make(of files: [String]) async throws {
        guard let tenant = TenantID("bench") else { return }
        let sensor = SensorIdentity(tenant: tenant, site: "bench", name: "bench")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let store = try SQLiteFlowStore(directory: folder + "/flows")
        var decoder = DatagramDecoder(), columns = FlowColumns(capacity: Self.batchRows + 2_048),
            encoder = BatchEncoder()
        var sequence: UInt64 = 0, records = 0, from = Int64.max, to = Int64.min, seen: [UInt32: UInt32] = [:]
        func flush() async throws {
            guard columns.count > 0 else { return }
            for row in columns.rows where columns.sourceHigh[row] == 0 {
                seen[UInt32(truncatingIfNeeded: columns.sourceLow[row]), default: 0] += 1
                seen[UInt32(truncatingIfNeeded: columns.destinationLow[row]), default: 0] += 1
            }
            let start = columns.flowStartMilliseconds.prefix(columns.count).min() ?? 0
            let end = columns.flowEndMilliseconds.prefix(columns.count).max() ?? 0
            (from, to) = (min(from, start), max(to, end))
            records += columns.count
            sequence += 1
            try await store.store([
                StoredBatch(
                    sensor: sensor, key: BatchKey(epoch: Epoch(high: 0, low: 1), sequence: sequence),
                    logOffset: Int64(sequence), receivedMilliseconds: end, flowStartMin: start, flowEndMax: end,
                    rows: columns.count, tally: columns.tally, body: try encoder.encode(columns, fidelity: .full))
            ])
            columns.removeAll()
        }
        for file in files {
            var capture = try Measured.capture(file)
            while let reference = try capture.nextReference() {
                capture.withPayload(of: reference) { payload in
                    _ = decoder.decode(payload, from: reference.origin, into: &columns)
                }
                if columns.count >= Self.batchRows { try await flush() }
            }
        }
        try await flush()
        let later = to + 10 * 86_400_000
        _ = try await store.compact(now: later)
        _ = try await store.compact(now: later + 86_400_000)
        // An address that hardly occurs: the smallest of the rarest ones.
        let rarest = seen.min { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 0
        try replaceFile(folder + "/bench", with: [UInt8]("\(IPAddress(v4: rarest)) \(from) \(to) \(records)\n".utf8))
    }
}
