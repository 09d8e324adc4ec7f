import Capture
import Decode
import FlowModel
import FlowText
import InformationElements
import Settings
import WireBytes

struct DecodeCommand {
    enum Format: String, CaseIterable { case ndjson, table, csv, summary }
    private let format: Format
    private let files: [String]
    private let registry: ElementRegistry
    /// Rows formatted at once: bounds memory, whatever the capture's size.
    private static let rowsMax = 4_096

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["elements", "format"], help: Help.decode)
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
        do throws(SettingError) {
            registry = try ElementRegistry.standard(with: parsed.last("elements"))
        } catch {
            throw .wrong("--elements: \(error)")
        }
    }

    func run(to output: inout StandardOutput) throws(Failure) {
        let meter = ProgressMeter()
        var decoder = DatagramDecoder(), summary = DecodeSummary(), printer = RecordPrinter(format, registry)
        if format == .summary { decoder.census = TemplateCensus() }
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
        while !output.isBroken, let result = decoder.replayHeld(into: &columns) {  // ends: each set is taken out once
            summary.addReplayed(result, columns.tally(of: result.rows))
            if columns.count >= Self.rowsMax { printer.print(&columns, to: &output) }
        }
        printer.print(&columns, to: &output)
        meter.end()
        guard format == .summary, let census = decoder.census else { return }
        summary.add(decoder.expireHeld(atMilliseconds: .max))
        output.write(summary.json(census, registry) + "\n")
    }
}

/// Writes decoded rows in one format.
private struct RecordPrinter {
    private let format: DecodeCommand.Format
    private let writer: FlowTextWriter

    init(_ format: DecodeCommand.Format, _ registry: ElementRegistry) {
        self.format = format
        writer = FlowTextWriter(registry: registry)
    }

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
