import ArgumentParser
import Foundation

/// How rows are printed: a table for people, NDJSON for programs, CSV for spreadsheets.
enum RowFormat: String, CaseIterable, ExpressibleByArgument {
    case ndjson, table, csv
}

struct RowOptions: ParsableArguments {
    @Option(help: "ndjson, table or csv; by default a table on a terminal and NDJSON in a pipe.") var format: RowFormat?
    var chosen: RowFormat { format ?? (standardOutputIsTerminal ? .table : .ndjson) }
}

extension RowOptions {
    /// Prints the `items` of an answer that comes in one page.
    func printItems(_ answer: [String: Any], columns: [RowPrinter.Column], whenEmpty: String) throws {
        var printer = RowPrinter(chosen, columns: columns)
        for item in answer["items"] as? [[String: Any]] ?? [] { try printer.add(item) }
        printer.finish(whenEmpty: whenEmpty)
    }
}

/// Prints JSON objects as rows. NDJSON has all that each object holds; table and CSV have `columns`.
struct RowPrinter {
    struct Column: Sendable {
        let title: String
        let value: @Sendable ([String: Any]) -> String
    }
    let format: RowFormat
    let columns: [Column]
    private var rows: [[String]] = []

    init(_ format: RowFormat, columns: [Column]) {
        self.format = format
        self.columns = columns
        if format == .csv { print(columns.map { Self.csv($0.title) }.joined(separator: ",")) }
    }

    mutating func add(_ object: [String: Any]) throws {
        switch format {
        case .ndjson:
            let data = try JSONSerialization.data(
                withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
            print(String(decoding: data, as: UTF8.self))
        case .csv: print(columns.map { Self.csv($0.value(object)) }.joined(separator: ","))
        case .table: rows.append(columns.map { $0.value(object) })
        }
    }

    /// Tables are aligned, so they come when the last row is known.
    func finish(whenEmpty note: String) {
        guard format == .table else { return }
        guard !rows.isEmpty else { return complain(note) }
        let all = [columns.map { $0.title.uppercased() }] + rows
        let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        for row in all {
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            print(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }

    private static func csv(_ value: String) -> String {
        guard value.contains(where: { ",\"\n\r".contains($0) }) else { return value }
        return "\"" + value.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }

    /// The value at `key` as a person reads it.
    static func text(_ object: [String: Any], _ key: String) -> String {
        switch object[key] {
        case let value as String: value
        case let value as NSNumber: value.stringValue
        case nil: "-"
        case let value?: "\(value)"
        }
    }
    static func column(_ key: String, _ title: String? = nil) -> Column {
        Column(title: title ?? key) { text($0, key) }
    }
}
