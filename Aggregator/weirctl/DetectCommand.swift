import ArgumentParser
import Capture
import Decode
import FlowModel
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

    /// Records handed to the detectors at a time.
    private static let rowsAtOnce = 16_384

    func run() throws {
        guard let tenant = TenantID("offline") else { throw Failure.work("no tenant to detect for") }
        var detection = OfflineDetection(tenant: tenant), decoder = DatagramDecoder(), columns = FlowColumns()
        var lost: [Loss: UInt64] = [:]
        for file in files {
            try read(file) { reader, reference in
                let result = reader.withPayload(of: reference) {
                    decoder.decode($0, from: reference.origin, into: &columns)
                }
                lost.merge(result.losses, uniquingKeysWith: +)
                if columns.count >= Self.rowsAtOnce {
                    detection.observe(columns)
                    columns.removeAll()
                }
            }
        }
        while let result = decoder.replayHeld(into: &columns) { lost.merge(result.losses, uniquingKeysWith: +) }
        for loss in decoder.expireHeld(atMilliseconds: .max) { lost[.noTemplate, default: 0] += loss.sets }
        detection.observe(columns)
        try print(detection.finish())
        for (reason, count) in lost.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            complain("weirctl: not decoded: \(count) \(reason.unit.rawValue), \(reason.rawValue)")
        }
    }

    private func read(_ file: String, _ body: (CaptureReader, DatagramReference) -> Void) throws {
        var reader: CaptureReader
        do {
            reader = try CaptureReader(bytes: contents(of: file))
        } catch let error as CaptureError {
            throw Failure.usage("\(file): \(error)")
        }
        do {
            while let reference = try reader.nextReference() { body(reader, reference) }
        } catch {
            complain("weirctl: \(file): \(error); what came before it is used")
        }
    }
    private func contents(of file: String) throws -> [UInt8] {
        if file == "-" { return [UInt8](FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
            throw Failure.usage("\(file): cannot be read")
        }
        return [UInt8](data)
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
