import Capture
import Decode
import FlowModel
import FlowText
import SensorPipeline
import WireBytes

struct DecodeCommand {
    enum Format: String, CaseIterable { case ndjson, table, csv, summary }
    private let format: Format
    private let files: [String]
    /// Rows formatted at once: bounds memory, whatever the capture's size.
    private static let rowsMax = 4_096

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["format"], help: Help.decode)
        if let name = parsed.last("format") {
            guard let known = Format(rawValue: name) else {
                let allowed = Format.allCases.map(\.rawValue).joined(separator: ", ")
                throw .usage("--format: \(name) is not one of \(allowed)", Help.decode)
            }
            format = known
        } else {
            format = isTerminal(1) ? .table : .ndjson
        }
        guard !parsed.operands.isEmpty else { throw .usage("no FILE", Help.decode) }
        files = parsed.operands
    }

    func run(to output: inout StandardOutput) throws(Failure) {
        let meter = ProgressMeter()
        var decoder = DatagramDecoder(), summary = DecodeSummary(), printer = RecordPrinter(format)
        var columns = FlowColumns(capacity: Self.rowsMax + 1_024)
        printer.begin(&output)
        for file in files {
            var reader = try openCapture(file)
            do throws(CaptureError) {
                while !output.isBroken, let datagram = try reader.nextReference() {
                    let result = reader.withPayload(of: datagram) {
                        decoder.decode($0, from: datagram.origin, into: &columns)
                    }
                    summary.add(result, columns.tally(of: result.rows))
                    if columns.count >= Self.rowsMax { printer.print(&columns, to: &output) }
                    if summary.datagrams % 4_096 == 0 { meter.show("\(file): \(summary.datagrams) datagrams") }
                }
            } catch {
                printer.print(&columns, to: &output)
                meter.end()
                throw .failed("\(file): \(error)")
            }
            summary.add(reader)
        }
        printer.print(&columns, to: &output)
        meter.end()
        if format == .summary { output.write(summary.json + "\n") }
    }
}

/// Writes decoded rows in one format.
private struct RecordPrinter {
    private let format: DecodeCommand.Format
    private let writer = FlowTextWriter()

    init(_ format: DecodeCommand.Format) { self.format = format }

    func begin(_ output: inout StandardOutput) {
        switch format {
        case .csv: writer.csvHeader(into: &output.buffer)
        case .table: writer.tableHeader(into: &output.buffer)
        case .ndjson, .summary: break
        }
    }
    /// Prints all rows and empties `columns`.
    func print(_ columns: inout FlowColumns, to output: inout StandardOutput) {
        for row in columns.rows {
            switch format {
            case .ndjson: writer.ndjson(columns, row: row, into: &output.buffer)
            case .csv: writer.csv(columns, row: row, into: &output.buffer)
            case .table: writer.table(columns, row: row, into: &output.buffer)
            case .summary: break
            }
            output.flushIfLarge()
        }
        columns.removeAll()
    }
}

/// What `--format summary` counts.
struct DecodeSummary {
    private(set) var datagrams: UInt64 = 0
    private var ledger = LedgerBook()
    private var frames = 0, skipped: [CaptureSkip: Int] = [:]
    private var templatesLearned = 0, templatesReplaced = 0, withdrawalsIgnored = 0, optionRecords = 0
    private var samplesSkipped = 0

    mutating func add(_ result: DecodeResult, _ tally: Tally) {
        datagrams += 1
        ledger.received(from: result.exporter, losses: result.losses, decoded: tally)
        templatesLearned += result.templatesLearned
        templatesReplaced += result.templatesReplaced
        withdrawalsIgnored += result.withdrawalsIgnored
        optionRecords += result.optionRecords
        samplesSkipped += result.samplesSkipped
    }
    mutating func add(_ reader: CaptureReader) {
        frames += reader.frames
        skipped.merge(reader.skipped) { $0 + $1 }
    }

    var json: String {
        let total = ledger.total
        let losses = Loss.allCases.compactMap { loss in
            total.counts[loss].map { "\"\(loss.rawValue)\":{\"count\":\($0),\"unit\":\"\(loss.unit.rawValue)\"}" }
        }
        let frameSkips = CaptureSkip.allCases.compactMap { skip in skipped[skip].map { "\"\(skip.rawValue)\":\($0)" } }
        return "{\"frames\":\(frames),\"datagrams\":\(datagrams),\"records\":\(total.decoded.flows)"
            + ",\"octetDeltaCount\":\(total.decoded.octets),\"packetDeltaCount\":\(total.decoded.packets)"
            + ",\"protocols\":{\(protocols.joined(separator: ","))},\"exporters\":[\(exporters.joined(separator: ","))]"
            + ",\"templates\":{\"learned\":\(templatesLearned),\"replaced\":\(templatesReplaced)"
            + ",\"withdrawalsIgnored\":\(withdrawalsIgnored),\"optionRecords\":\(optionRecords)}"
            + ",\"samplesSkipped\":\(samplesSkipped),\"losses\":{\(losses.joined(separator: ","))}"
            + ",\"framesSkipped\":{\(frameSkips.joined(separator: ","))}}"
    }
    private var protocols: [String] {
        ExportProtocol.allCases.compactMap { exportProtocol in
            let ledgers = ledger.exporters.filter { $0.key.exportProtocol == exportProtocol }.values
            guard !ledgers.isEmpty else { return nil }
            let received = ledgers.reduce(0) { $0 + $1.datagramsReceived }
            let records = ledgers.reduce(0) { $0 + $1.decoded.flows }
            return "\"\(exportProtocol.name)\":{\"datagrams\":\(received),\"records\":\(records)}"
        }
    }
    private var exporters: [String] {
        ledger.exporters.sorted {
            ($0.key.address, $0.key.observationDomain) < ($1.key.address, $1.key.observationDomain)
        }
        .map { key, entry in
            "{\"exporter\":\"\(key.address)\",\"observationDomain\":\(key.observationDomain)"
                + ",\"exportProtocol\":\"\(key.exportProtocol.name)\",\"datagrams\":\(entry.datagramsReceived)"
                + ",\"records\":\(entry.decoded.flows),\"octetDeltaCount\":\(entry.decoded.octets)"
                + ",\"packetDeltaCount\":\(entry.decoded.packets)}"
        }
    }
}
