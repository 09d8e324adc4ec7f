import ArgumentParser
import Foundation
import Identity
import Incidents

struct DetectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detect",
        abstract: "Finds incidents in captures of flow exports, offline, with the aggregator's engine.",
        discussion: """
            weirctl detect export.pcap
            weirctl detect --format ndjson monday.pcap tuesday.pcapng

            The files hold what exporters send (NetFlow v5 or v9, IPFIX, sFlow v5 over UDP), in the order given.
            """)
    @OptionGroup var rows: RowOptions
    @Argument(help: "pcap or pcapng files; '-' for standard input.") var files: [String]

    func run() throws {
        guard let tenant = TenantID("offline") else { throw Failure.work("no tenant to detect for") }
        var detection = OfflineDetection(tenant: tenant)
        try CaptureRecords(files: files).read { detection.observe($0) }
        try print(detection.finish())
    }

    private func print(_ incidents: [Incident]) throws {
        var printer = RowPrinter(rows.chosen, columns: incidentColumns)
        let encoder = JSONEncoder()
        for incident in incidents {
            let object = try JSONSerialization.jsonObject(with: encoder.encode(incident))
            if let object = object as? [String: Any] { try printer.add(object) }
        }
        printer.finish(whenEmpty: "no incidents")
    }
}
