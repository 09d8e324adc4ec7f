import ArgumentParser
import Foundation

struct FlowDistinctCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "distinct", abstract: "Counts different values of keys, in all or in each group.",
        discussion: """
            weirctl flows distinct --of srcip --filter 'dst port 22'
            weirctl flows distinct --of dstip,dstport --top srcip --limit 20     who speaks to the most places
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FlowFilterOptions
    @OptionGroup var rows: RowOptions
    @Option(help: "Whose values are counted: keys with commas between; all of them together are one value.")
    var of = "sourceAddress"
    @Option(help: "Count for each group of these keys, largest first; in all without.") var top: String?
    @Option(help: "At most so many groups, 1 to 1000.") var limit = 10
    @Flag(help: "Say what the answer cost.") var explain = false

    func run() async throws {
        var query = try filter.query()
        query["of"] = FlowNames.keys(of)
        query["by"] = top.map(FlowNames.keys)
        query["limit"] = String(limit)
        if explain { query["explain"] = "true" }
        let answer = try await APIClient(connection.profile()).get("/v1/flows/distinct", query)
        var columns = [RowPrinter.column("count", "different \(FlowNames.keys(of))")]
        if let by = query["by"] { columns.insert(RowPrinter.column("key", by), at: 0) }
        var printer = RowPrinter(rows.chosen, columns: columns)
        if top == nil { try printer.add(["count": answer["count"] ?? 0]) }
        for item in answer["items"] as? [[String: Any]] ?? [] where top != nil { try printer.add(item) }
        printer.finish(whenEmpty: "no flows match")
        printPlan(answer)
    }
}

struct FlowPercentilesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "percentiles", abstract: "The rate that most periods stay below: what billing by percentile asks.",
        discussion: """
            weirctl flows percentiles --from 2026-11-01 --to 2026-12-01
            weirctl flows percentiles --from 2026-11-20 --to 2026-11-21 --top exporter,inif --percent 95 --period 300

            Each group's octets are summed in periods; the rates are in bits per second; periods without flows count
            as 0.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FlowFilterOptions
    @OptionGroup var rows: RowOptions
    @Option(help: "The groups: keys with commas between.") var top = "exporter,ingressInterface"
    @Option(help: "Percent of the periods, 1 to 100.") var percent = 95
    @Option(help: "Seconds of each period.") var period = 300
    @Option(help: "At most so many groups, 1 to 1000.") var limit = 10
    @Flag(help: "Say what the answer cost.") var explain = false

    func run() async throws {
        var query = try filter.query()
        guard query["from"] != nil, query["to"] != nil else { throw Failure.usage("--from and --to are needed") }
        query["by"] = FlowNames.keys(top)
        query["percent"] = String(percent)
        query["period"] = String(period)
        query["limit"] = String(limit)
        if explain { query["explain"] = "true" }
        let answer = try await APIClient(connection.profile()).get("/v1/flows/percentiles", query)
        try rows.printItems(
            answer,
            columns: [
                RowPrinter.column("key", query["by"]), RowPrinter.column("percentile", "\(percent) % below, bit/s"),
                RowPrinter.column("mean", "mean, bit/s"), RowPrinter.column("most", "most, bit/s"),
                RowPrinter.Column(title: "octets") {
                    RowPrinter.text($0["total"] as? [String: Any] ?? [:], "octetDeltaCount")
                },
            ], whenEmpty: "no flows match")
        printPlan(answer)
    }
}

struct FlowConversationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conversations", abstract: "Joins what both sides sent: a line for each conversation.",
        discussion: """
            weirctl flows conversations --filter 'dst port 22' --limit 20
            weirctl flows conversations --from 2026-11-21 --by packets --explain
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var filter: FlowFilterOptions
    @OptionGroup var rows: RowOptions
    @Option(help: "The largest by both sides' bytes, packets or flows.") var by = "bytes"
    @Option(help: "At most so many, 1 to 1000.") var limit = 10
    @Flag(help: "Say what the answer cost.") var explain = false

    func run() async throws {
        var query = try filter.query()
        query["measure"] = FlowNames.measure(by)
        query["limit"] = String(limit)
        if explain { query["explain"] = "true" }
        let answer = try await APIClient(connection.profile()).get("/v1/flows/conversations", query)
        func sums(_ side: String, _ key: String) -> RowPrinter.Column {
            RowPrinter.Column(title: "\(key.prefix { $0.isLowercase })s \(side)") {
                RowPrinter.text($0[side] as? [String: Any] ?? [:], key)
            }
        }
        func end(_ side: String) -> RowPrinter.Column {
            RowPrinter.Column(title: side) { line in
                let address = RowPrinter.text(line, side), port = RowPrinter.text(line, "\(side)TransportPort")
                return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
            }
        }
        try rows.printItems(
            answer,
            columns: [
                end("source"), end("destination"), RowPrinter.column("protocolIdentifier", "protocol"),
                sums("sent", "octetDeltaCount"), sums("received", "octetDeltaCount"),
                sums("sent", "packetDeltaCount"), sums("received", "packetDeltaCount"),
            ], whenEmpty: "no flows match")
        printPlan(answer)
    }
}
