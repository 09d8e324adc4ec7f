package import FlowModel

/// A list of questions to `IndicatorLookup`, read once: comma-separated values, or a line each. The column is the one
/// that is called `indicator`, `ip`, `address`, `network` or `value` in the first row, or else the first.
///
/// Rows that can't be understood, or that repeat one before, are rows with a fault; of more than
/// `Limit.lookupLinesMax`, one row more says so.
package struct LookupList: Sendable {
    struct Row: Sendable {
        /// What is asked about; empty where there is none.
        var text = ""
        let line: Int
        var fault: String?
    }
    private(set) var rows: [Row] = []

    package init(_ octets: [UInt8]) {
        var source = CSVRows(octets), seen: [String: Int] = [:], column: Int?
        while let next = source.next() {
            let row: Row
            switch next {
            case .tooLong(let line): row = Row(line: line, fault: "the line is too long")
            case .malformed(let line): row = Row(line: line, fault: "the line's quotes don't fit")
            case .fields(let fields, let line):
                if column == nil {
                    let named = Self.column(in: fields)
                    column = named ?? 0
                    if named != nil { continue }
                }
                row = Self.row(fields, column ?? 0, line: line, &seen)
            }
            guard rows.count < Limit.lookupLinesMax else {
                rows.append(Row(line: row.line, fault: "more than \(Limit.lookupLinesMax) rows"))
                break
            }
            rows.append(row)
        }
    }

    /// The addresses that are asked about, in their order.
    package var addresses: [IPAddress] {
        rows.compactMap { $0.fault == nil ? IndicatorSubject($0.text)?.host : nil }
    }

    private static func row(_ fields: [String], _ column: Int, line: Int, _ seen: inout [String: Int]) -> Row {
        guard column < fields.count, !fields[column].isEmpty else { return Row(line: line, fault: "no value") }
        let text = fields[column]
        if let earlier = seen[text] { return Row(text: text, line: line, fault: "the same as in line \(earlier)") }
        seen[text] = line
        return Row(text: text, line: line)
    }

    /// The place of a column by its name; nil when the row names none of them and so is no header.
    private static func column(in header: [String]) -> Int? {
        let names = ["indicator", "ip", "address", "network", "value"]
        return header.firstIndex { names.contains($0.lowercased()) }
    }
}
