/// Flow records in the formats of other programs: NDJSON, CSV, nfdump's CSV and IPFIX files.
///
/// Invariants: values that are fed columns and append octets, so an export of any length takes the memory of one piece;
/// the same rows give the same octets; what a format can't say is left out and, where a row is affected, counted. With
/// `Pseudonyms` no address, MAC address, text or octet string of a record leaves as it is.
/// Not here: which rows (`Query`), where octets go (`API`).
package import FlowModel
internal import FlowText
internal import InformationElements

package enum ExportFormat: String, Sendable, CaseIterable {
    case ndjson, csv
    /// What `nfdump -o csv` of nfdump 1.7 prints.
    case nfdump
    /// A file of IPFIX messages (RFC 5655).
    case ipfix

    package var contentType: String {
        switch self {
        case .ndjson: "application/x-ndjson"
        case .csv, .nfdump: "text/csv; charset=utf-8"
        case .ipfix: "application/ipfix"
        }
    }
    /// The end of a file's name.
    package var fileExtension: String {
        switch self {
        case .ndjson: "ndjson"
        case .csv, .nfdump: "csv"
        case .ipfix: "ipfix"
        }
    }
    /// Whether rows that another observer's rows stand for are written, with a mark. Formats that have no such mark
    /// leave them out, or readers would sum them.
    package var showsDuplicates: Bool { self == .ndjson }
}

/// What was written.
package struct ExportCounts: Hashable, Sendable {
    package var rows: UInt64 = 0
    package var tally = Tally()
    /// Rows left out because other rows stand for them: see `ExportFormat.showsDuplicates`.
    package var duplicates: UInt64 = 0
    /// Rows written without elements that have no column, as they did not fit.
    package var withoutExtras: UInt64 = 0
    /// Rows not written at all: more observation domains than an IPFIX file's writer remembers.
    package var omitted: UInt64 = 0
    package init() {}
}

/// Writes one export from beginning to end.
package struct FlowExporter {
    package let format: ExportFormat
    package private(set) var counts = ExportCounts()
    private let pseudonyms: Pseudonyms?
    private let text = FlowTextWriter()
    private var ipfix = IPFIXFileWriter()
    private var nfdump = NfdumpCSV()

    package init(_ format: ExportFormat, pseudonyms: Pseudonyms? = nil) {
        (self.format, self.pseudonyms) = (format, pseudonyms)
    }

    /// What comes before the first row.
    package func begin(into out: inout [UInt8]) {
        switch format {
        case .csv: text.csvHeader(into: &out)
        case .nfdump: NfdumpCSV.header(into: &out)
        case .ndjson, .ipfix: break
        }
    }

    /// Appends all rows of `columns`, or keeps them for the next message.
    package mutating func add(_ columns: FlowColumns, into out: inout [UInt8]) {
        let columns = pseudonyms.map { columns.pseudonymized(with: $0) } ?? columns
        for row in columns.rows {
            let flags = RecordFlags(rawValue: columns.flags[row])
            if flags.contains(.secondary) { continue }
            if flags.contains(.observedElsewhere), !format.showsDuplicates {
                counts.duplicates += 1
                continue
            }
            guard write(columns, row, &out) else {
                counts.omitted += 1
                continue
            }
            counts.rows += 1
            counts.tally += columns[row].tally
        }
        counts.withoutExtras = ipfix.rowsWithoutExtras
    }

    /// What comes after the last row.
    package mutating func end(into out: inout [UInt8]) {
        if format == .ipfix { ipfix.finish(into: &out) }
    }

    private mutating func write(_ columns: FlowColumns, _ row: Int, _ out: inout [UInt8]) -> Bool {
        switch format {
        case .ndjson: text.ndjson(columns, row: row, into: &out)
        case .csv: text.csv(columns, row: row, into: &out)
        case .nfdump: nfdump.line(columns, row: row, into: &out)
        case .ipfix: return ipfix.add(columns, row: row, into: &out)
        }
        return true
    }
}
