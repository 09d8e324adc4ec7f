import ArgumentParser
import Foundation

struct FlowSeriesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "series",
        abstract: "Sums over time, stacked by the largest groups and all others.",
        discussion: "weirctl flows series --from 2026-11-21 --to 2026-11-22 --top service --period 300")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FlowFilterOptions
    @OptionGroup var rows: RowOptions
    @Option(help: "Stack by these keys; without them there is one series.") var top: String?
    @Option(help: "bytes, packets or flows.") var by = "bytes"
    @Option(help: "Seconds of each period.") var period = 60
    @Option(help: "At most so many series.") var limit = 10
    @Flag(help: "Ask sums that are kept by time, where they have the answer.") var rollups = false
    @Flag(help: "Say what the answer cost.") var explain = false

    func run() async throws {
        var query = try filter.query()
        guard query["from"] != nil, query["to"] != nil else {
            throw Failure.usage("--from and --to are needed")
        }
        query["by"] = top.map(FlowNames.keys)
        let measure = FlowNames.measure(by)
        query["measure"] = measure
        query["period"] = String(period)
        query["limit"] = String(limit)
        if rollups { query["rollups"] = "true" }
        if explain { query["explain"] = "true" }
        let answer = try await APIClient(connection.profile()).get("/v1/flows/series", query)
        let start = (answer["from"] as? NSNumber)?.int64Value ?? 0
        let step = (answer["period"] as? NSNumber)?.int64Value ?? 1_000
        var lines = answer["items"] as? [[String: Any]] ?? []
        if var other = answer["other"] as? [String: Any], !lines.isEmpty || top == nil {
            other["key"] = "other"
            if top != nil { lines.append(other) }
        }
        let titles = lines.map { ($0["key"] as? String).flatMap { $0.isEmpty ? nil : $0 } ?? measure }
        var printer = RowPrinter(
            rows.chosen, columns: (["time"] + titles).map { RowPrinter.column($0) })
        let buckets = lines.map { $0[measure] as? [NSNumber] ?? [] }
        for place in 0..<(buckets.map(\.count).max() ?? 0) {
            let moment = Date(timeIntervalSince1970: Double(start + Int64(place) * step) / 1_000)
            var row: [String: Any] = ["time": moment.formatted(.iso8601)]
            for (title, bucket) in zip(titles, buckets) where place < bucket.count {
                row[title] = bucket[place]
            }
            try printer.add(row)
        }
        printer.finish(whenEmpty: "no flows match")
        printPlan(answer)
    }
}
