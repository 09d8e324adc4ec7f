import ArgumentParser
import Foundation

/// What every question about flows can be narrowed by.
struct FlowFilterOptions: ParsableArguments {
    @Option(help: "From this time on: ISO 8601, or ms since 1970.") var from: String?
    @Option(help: "Up to this time: ISO 8601, or ms since 1970.") var to: String?
    @Option(help: "Address or network on either side.") var ip: String?
    @Option(help: "Source address or network.") var source: String?
    @Option(help: "Destination address or network.") var destination: String?
    @Option(help: "Port on either side.") var port: Int?
    @Option(name: .customLong("protocol"), help: "Protocol number, or tcp, udp, icmp.") var protocolName: String?

    var query: [String: String] {
        [
            "from": from, "to": to, "ip": ip, "source": source, "destination": destination,
            "port": port.map(String.init),
            "protocol": protocolName,
        ].compactMapValues { $0 }
    }
}

struct FlowsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows", abstract: "Flow records of the key's tenant.",
        discussion: """
            weirctl flows --ip 198.51.100.7 --limit 20
            weirctl flows top --by sourceAddress --measure octetDeltaCount
            weirctl flows top --by destinationTransportPort --source 10.0.0.0/8
            """,
        subcommands: [List.self, Top.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists flow records, newest batch first.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var filter: FlowFilterOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "At most so many, 1 to 1000000.") var limit = 100

        func run() async throws {
            guard (1...1_000_000).contains(limit) else {
                throw Failure.usage("--limit: \(limit) is outside 1...1000000")
            }
            var printer = RowPrinter(rows.chosen, columns: flowColumns)
            try await APIClient(connection.profile()).list("/v1/flows", filter.query, limit: limit) {
                try printer.add($0)
            }
            printer.finish(whenEmpty: "no flows match")
        }
    }

    struct Top: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The largest by a key, with exact sums.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var filter: FlowFilterOptions
        @OptionGroup var rows: RowOptions
        @Option(
            help: """
                sourceAddress, destinationAddress, sourceTransportPort, destinationTransportPort, protocolIdentifier
                or exporter.
                """)
        var by = "sourceAddress"
        @Option(help: "octetDeltaCount, packetDeltaCount or deltaFlowCount.") var measure = "octetDeltaCount"
        @Option(help: "At most so many, 1 to 1000.") var limit = 10

        func run() async throws {
            var query = filter.query
            query["by"] = by
            query["measure"] = measure
            query["limit"] = String(limit)
            let answer = try await APIClient(connection.profile()).get("/v1/flows/top", query)
            var printer = RowPrinter(
                rows.chosen,
                columns: ["key", "octetDeltaCount", "packetDeltaCount", "deltaFlowCount"].map {
                    RowPrinter.column($0, $0 == "key" ? by : $0)
                })
            for item in answer["items"] as? [[String: Any]] ?? [] { try printer.add(item) }
            printer.finish(whenEmpty: "no flows match")
        }
    }
}

private let flowColumns: [RowPrinter.Column] = [
    RowPrinter.Column(title: "start") { object in
        guard let ms = object["flowStartMilliseconds"] as? NSNumber else { return "-" }
        return Date(timeIntervalSince1970: ms.doubleValue / 1_000).formatted(.iso8601)
    },
    RowPrinter.Column(title: "source") { endpoint($0, "source") },
    RowPrinter.Column(title: "destination") { endpoint($0, "destination") },
    RowPrinter.column("protocolIdentifier", "protocol"), RowPrinter.column("packetDeltaCount", "packets"),
    RowPrinter.column("octetDeltaCount", "octets"),
]

private func endpoint(_ flow: [String: Any], _ side: String) -> String {
    let address = flow["\(side)IPv4Address"] as? String ?? flow["\(side)IPv6Address"] as? String ?? "-"
    guard let port = flow["\(side)TransportPort"] as? NSNumber else { return address }
    return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
}
