import ArgumentParser
import Foundation

/// What every question about flows can be narrowed by.
struct FlowFilterOptions: ParsableArguments {
    @Option(
        help:
            "A filter such as 'src net 10.0.0.0/8 and dst port 22': see the handbook, \"Filter language\"."
    )
    var filter: String?
    @Option(help: "A file that holds the filter.") var filterFile: String?
    @Option(help: "From this time on: ISO 8601, or ms since 1970.") var from: String?
    @Option(help: "Up to this time: ISO 8601, or ms since 1970.") var to: String?
    @Option(help: "Address or network on either side.") var ip: String?
    @Option(help: "Source address or network.") var source: String?
    @Option(help: "Destination address or network.") var destination: String?
    @Option(help: "Port on either side.") var port: Int?
    @Option(name: .customLong("protocol"), help: "Protocol number, or tcp, udp, icmp.")
    var protocolName: String?

    func query() throws -> [String: String] {
        guard filter == nil || filterFile == nil else {
            throw Failure.usage("--filter and --filter-file: one of them")
        }
        var filter = filter
        if let filterFile {
            guard let text = try? String(contentsOfFile: filterFile, encoding: .utf8) else {
                throw Failure.usage("--filter-file: \(filterFile) cannot be read")
            }
            filter = text
        }
        return [
            "filter": filter, "from": from, "to": to, "ip": ip, "source": source,
            "destination": destination,
            "port": port.map(String.init), "protocol": protocolName,
        ].compactMapValues { $0 }
    }
}

/// Short names for what the API calls by IPFIX's names.
enum FlowNames {
    private static let fullKeys = [
        "srcip": "sourceAddress", "dstip": "destinationAddress", "srcport": "sourceTransportPort",
        "dstport": "destinationTransportPort", "proto": "protocolIdentifier",
        "srcas": "bgpSourceAsNumber",
        "dstas": "bgpDestinationAsNumber", "inif": "ingressInterface", "outif": "egressInterface",
        "nexthop": "ipNextHopAddress", "srcnet": "sourceAddress/24", "dstnet": "destinationAddress/24",
        "flags": "tcpControlBits", "dscp": "ipDiffServCodePoint", "vlan": "vlanId",
    ]
    private static let fullMeasures = [
        "bytes": "octetDeltaCount", "octets": "octetDeltaCount", "packets": "packetDeltaCount",
        "flows": "deltaFlowCount",
        "bps": "bitsPerSecond", "pps": "packetsPerSecond", "bpp": "octetsPerPacket",
    ]
    /// `srcip,dstport` in full.
    static func keys(_ text: String) -> String {
        text.split(separator: ",").map { fullKeys[$0.lowercased()] ?? String($0) }.joined(separator: ",")
    }
    static func measure(_ text: String) -> String { fullMeasures[text.lowercased()] ?? text }
}

struct FlowsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows", abstract: "Flow records of the key's tenant.",
        discussion: """
            weirctl flows --filter 'src net 10.0.0.0/8 and dst port 22' --limit 20
            weirctl flows --filter 'proto tcp and bytes > 1G' --top srcip --by bytes
            weirctl flows --filter 'dst net @servers' --top srcip,dstport --by flows --explain
            weirctl flows series --filter 'udp' --period 60 --top service --limit 10
            weirctl flows distinct --of dstip --top srcip
            weirctl flows percentiles --from 2026-11-01 --to 2026-12-01 --percent 95
            weirctl flows conversations --filter 'port 22'
            weirctl flows export --filter 'dst port 443' --as ipfix --output flows.ipfix
            """,
        subcommands: [
            List.self, Top.self, FlowSeriesCommand.self, FlowDistinctCommand.self, FlowPercentilesCommand.self,
            FlowConversationsCommand.self, FlowExportCommand.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists flow records, newest first; with --top sums them by keys.",
            discussion: """
                weirctl flows list --filter 'src net 10.0.0.0/8 and tcp and flags S' --limit 20
                weirctl flows list --ip 198.51.100.7 --from 2026-11-20 --format csv
                weirctl flows list --filter 'dst port 53' --top srcip --by packets --explain
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var filter: FlowFilterOptions
        @OptionGroup var rows: RowOptions
        @Option(
            help:
                "Sum by these keys: srcip, dstip, srcport, dstport, proto, service, srcas, … with commas between."
        )
        var top: String?
        @Option(help: "With --top: bytes, packets, flows, bps, pps or bpp.") var by = "bytes"
        @Flag(help: "Say what the answer cost: what was looked at, and what was skipped and why.")
        var explain = false
        @Option(help: "At most so many: 1 to 1000000, with --top to 1000.") var limit: Int?

        func run() async throws {
            if let top {
                return try await printTop(
                    connection, filter, rows, keys: top, measure: by, limit: limit ?? 10, explain: explain)
            }
            let limit = limit ?? 100
            guard (1...1_000_000).contains(limit) else {
                throw Failure.usage("--limit: \(limit) is outside 1...1000000")
            }
            var printer = RowPrinter(rows.chosen, columns: flowColumns)
            var query = try filter.query()
            if explain { query["explain"] = "true" }
            var last: [String: Any] = [:]
            try await APIClient(connection.profile()).list(
                "/v1/flows", query, limit: limit, page: { last = $0 }, { try printer.add($0) })
            printer.finish(whenEmpty: "no flows match")
            printPlan(last)
        }
    }

    struct Top: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The largest by keys, with exact sums.",
            discussion: "weirctl flows top --by srcip,dstport --measure packets --limit 20 --filter 'not port 443'")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var filter: FlowFilterOptions
        @OptionGroup var rows: RowOptions
        @Option(
            help:
                "Keys with commas between: srcip, dstip, srcport, dstport, proto, service, exporter, site …"
        )
        var by = "sourceAddress"
        @Option(help: "bytes, packets, flows, bps, pps or bpp.") var measure = "octetDeltaCount"
        @Flag(help: "Say what the answer cost.") var explain = false
        @Flag(help: "Ask DNS what the addresses are called, where the aggregator may.") var names = false
        @Option(help: "At most so many, 1 to 1000.") var limit = 10

        func run() async throws {
            try await printTop(
                connection, filter, rows, keys: by, measure: measure, limit: limit, explain: explain, names: names)
        }
    }
}

private func printTop(
    _ connection: ConnectionOptions, _ filter: FlowFilterOptions, _ rows: RowOptions, keys: String,
    measure: String,
    limit: Int, explain: Bool, names: Bool = false
) async throws {
    var query = try filter.query()
    query["by"] = FlowNames.keys(keys)
    query["measure"] = FlowNames.measure(measure)
    query["limit"] = String(limit)
    if explain { query["explain"] = "true" }
    if names { query["names"] = "true" }
    let answer = try await APIClient(connection.profile()).get("/v1/flows/top", query)
    var titles = ["key"] + (names ? ["name"] : []) + ["octetDeltaCount", "packetDeltaCount", "deltaFlowCount"]
    if let measure = query["measure"], !titles.contains(measure) { titles.append(measure) }
    var printer = RowPrinter(
        rows.chosen, columns: titles.map { RowPrinter.column($0, $0 == "key" ? query["by"] : $0) })
    for item in answer["items"] as? [[String: Any]] ?? [] {
        try printer.add(names ? item.merging(["name": name(of: item, answer)]) { $1 } : item)
    }
    printer.finish(whenEmpty: "no flows match")
    printPlan(answer)
}

/// Those of the addresses in an item's key, in the key's order.
private func name(of item: [String: Any], _ answer: [String: Any]) -> String {
    let names = answer["names"] as? [String: String] ?? [:]
    let words = (item["key"] as? String ?? "").split(separator: " ")
    let found = words.compactMap { names[String($0)] }
    return found.isEmpty ? "-" : found.joined(separator: " ")
}

/// What an answer says of its cost, when it was asked to.
func printPlan(_ answer: [String: Any]) {
    if answer["complete"] as? Bool == false {
        complain("the answer is incomplete: ask for less time, or see --explain")
    }
    guard let plan = answer["plan"] as? [String: Any] else { return }
    for (name, value) in plan.sorted(by: { $0.key < $1.key }) { complain("\(name): \(value)") }
}

private let flowColumns: [RowPrinter.Column] = [
    RowPrinter.Column(title: "start") { object in
        guard let ms = object["flowStartMilliseconds"] as? NSNumber else { return "-" }
        return Date(timeIntervalSince1970: ms.doubleValue / 1_000).formatted(.iso8601)
    },
    RowPrinter.Column(title: "source") { endpoint($0, "source") },
    RowPrinter.Column(title: "destination") { endpoint($0, "destination") },
    RowPrinter.column("protocolIdentifier", "protocol"),
    RowPrinter.column("packetDeltaCount", "packets"),
    RowPrinter.column("octetDeltaCount", "octets"),
]

private func endpoint(_ flow: [String: Any], _ side: String) -> String {
    let address =
        flow["\(side)IPv4Address"] as? String ?? flow["\(side)IPv6Address"] as? String ?? "-"
    guard let port = flow["\(side)TransportPort"] as? NSNumber else { return address }
    return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
}
