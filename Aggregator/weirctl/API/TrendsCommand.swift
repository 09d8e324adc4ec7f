import ArgumentParser
import Foundation

struct TrendsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trends",
        abstract: "Where traffic comes from and goes: comparisons, a forecast with its band, when a limit is reached.",
        discussion: """
            weirctl trends
            weirctl trends host:192.0.2.1 --measure bytes
            weirctl trends service:tcp/443 --limit 1000000000 --show forecast --format csv
            """)

    enum Show: String, ExpressibleByArgument, CaseIterable {
        /// `report` is the whole answer as one object.
        case comparisons, forecast, history, report
    }
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions
    @Argument(help: "tenant, host:ADDRESS or service:PROTOCOL/PORT.") var entity = "tenant"
    @Option(help: "bps, pps, bytes, packets or flows.") var measure = "bps"
    @Option(help: "hour or day.") var step = "hour"
    @Option(help: "Days of history.") var days = 35
    @Option(help: "Up to this time instead of now.") var to: String?
    @Option(help: "Steps ahead.") var horizon: Int?
    @Option(help: "daily, weekly or automatic.") var season = "automatic"
    @Option(help: "A value that must not be passed, in the measure's unit: says when it will be.") var limit: Int?
    @Option(help: "comparisons, forecast, history or report.") var show = Show.comparisons

    func run() async throws {
        var query = ["entity": entity, "step": step, "days": String(days), "season": season]
        query["measure"] = FlowNames.measure(measure)
        query["to"] = to
        query["horizon"] = horizon.map(String.init)
        query["limit"] = limit.map(String.init)
        let answer = try await APIClient(connection.profile()).get("/v1/trends", query)
        try print(answer)
        for line in Self.remarks(answer) { complain(line) }
    }

    private func print(_ answer: [String: Any]) throws {
        let columns: [RowPrinter.Column], items: [[String: Any]]
        switch show {
        case .report:
            (columns, items) = (["entity", "measure", "season"].map { RowPrinter.column($0) }, [answer])
        case .comparisons:
            columns = ["span", "now", "then", "change", "coverage"].map { RowPrinter.column($0) }
            items = answer["comparisons"] as? [[String: Any]] ?? []
        case .forecast:
            columns = ["time", "mean", "low", "high"].map { RowPrinter.column($0) }
            items = (answer["forecast"] as? [[String: Any]] ?? []).map { item in
                item.merging(["time": Self.moment(item["time"])]) { $1 }
            }
        case .history:
            columns = ["time", "value"].map { RowPrinter.column($0) }
            let from = (answer["from"] as? NSNumber)?.int64Value ?? 0
            let period = (answer["period"] as? NSNumber)?.int64Value ?? 0
            items = (answer["values"] as? [Any] ?? []).enumerated().map { place, value in
                let time = Self.moment(NSNumber(value: from + Int64(place) * period))
                return value is NSNull ? ["time": time] : ["time": time, "value": value]
            }
        }
        var printer = RowPrinter(rows.chosen, columns: columns)
        for item in items { try printer.add(item) }
        printer.finish(whenEmpty: "too little history")
    }

    /// What must be read with every trend.
    static func remarks(_ answer: [String: Any]) -> [String] {
        var lines: [String] = []
        if let refusal = answer["refusal"] as? String { lines.append("no forecast: \(refusal)") }
        for warning in answer["warnings"] as? [String] ?? [] {
            let capacity = answer["capacity"] as? [String: Any] ?? [:]
            lines.append(
                "warning: \(warning): earliest \(moment(capacity["earliest"])), expected "
                    + "\(moment(capacity["expected"])), latest \(moment(capacity["latest"]))")
        }
        if let quality = answer["quality"] as? [String: Any] {
            let doubts = quality["doubts"] as? [String] ?? []
            let grade = quality["grade"] as? String ?? "unknown"
            lines.append("quality: \(grade)\(doubts.isEmpty ? "" : " (\(doubts.joined(separator: ", ")))")")
        }
        if answer["complete"] as? Bool == false { lines.append("the history is incomplete: ask for fewer days") }
        return lines
    }
    private static func moment(_ value: Any?) -> String {
        guard let number = value as? NSNumber else { return "-" }
        return Date(timeIntervalSince1970: number.doubleValue / 1_000).formatted(.iso8601)
    }
}
