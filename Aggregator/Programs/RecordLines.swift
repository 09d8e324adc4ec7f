internal import FilterLanguage
/// Flow records as a program wants them: those that its filter matches, with the members that it named.
package import FlowModel
internal import FlowText

/// Lines for one batch of the protocol.
package struct ProgramBatch: Equatable, Sendable {
    /// The caller's own mark, such as an offset in the log; several batches may share one.
    package var mark: Int64
    /// Whether the mark is settled when this batch is.
    package var isLast = true
    /// How many lines `octets` holds.
    package var records: Int
    /// NDJSON.
    package var octets: [UInt8]
    /// What an enricher is asked about; empty for others.
    package var addresses: Set<IPAddress> = []

    package init(mark: Int64, isLast: Bool = true, records: Int = 0, octets: [UInt8] = []) {
        self.mark = mark
        self.isLast = isLast
        self.records = records
        self.octets = octets
    }

    /// Asks an enricher; at most `ProgramLimit.batchRecordsMax` addresses are taken.
    package init(mark: Int64, asking addresses: some Collection<IPAddress>) {
        self.init(mark: mark)
        for address in addresses where self.addresses.count < ProgramLimit.batchRecordsMax {
            guard self.addresses.insert(address).inserted else { continue }
            octets += Array("{\"address\":\"\(address)\"}\n".utf8)
            records += 1
        }
    }
}

/// What a program that has said hello wants of a batch.
package struct ProgramSubscription: Sendable {
    private let fields: Set<String>?
    private let filter: FilterExpression
    private let recordsMax: Int
    private let writer = FlowTextWriter()

    /// Nil when the filter doesn't parse: a hello that was accepted has one that does.
    package init?(_ hello: ProgramHello) {
        guard let filter = try? FilterParser.parse(hello.filter) else { return nil }
        self.filter = filter
        fields = hello.fields.map { Set($0) }
        recordsMax = hello.batchRecordsMax
    }

    /// The records that are wanted, in batches of the size that is wanted; one without records when there are none, so
    /// that each mark comes to an end.
    package func batches(of columns: FlowColumns, mark: Int64) -> [ProgramBatch] {
        var out: [ProgramBatch] = [], row: Int? = 0
        while let from = row {  // ends: each turn goes over one row at least, or to the end
            let (batch, next) = batch(of: columns, from: from, mark: mark)
            out.append(batch)
            row = next
        }
        return out
    }
    /// The next batch, of rows from `from` on.
    /// - Returns: nil as the row to go on from after the last.
    func batch(of columns: FlowColumns, from: Int, mark: Int64) -> (ProgramBatch, next: Int?) {
        var open = ProgramBatch(mark: mark, isLast: false), line: [UInt8] = [], row = max(from, 0)
        while row < columns.count {
            defer { row += 1 }
            // What another observer's record stands for comes with that one.
            guard columns.flags[row] & RecordFlags.observedElsewhere.rawValue == 0,
                filter == .any || filter.matches(FilterSubject(columns, row: row))
            else { continue }
            if open.records == recordsMax { return (open, row) }
            line.removeAll(keepingCapacity: true)
            writer.ndjson(columns, row: row, into: &line)
            if let fields { appendMembers(named: fields, of: line, to: &open.octets) } else { open.octets += line }
            open.records += 1
        }
        open.isLast = true
        return (open, nil)
    }
}

/// Copies from one line of JSON, as `FlowTextWriter` makes it (one object, no blanks), the members named.
func appendMembers(named names: Set<String>, of line: [UInt8], to out: inout [UInt8]) {
    out.append(UInt8(ascii: "{"))
    let bare = out.count
    var place = 1
    while let member = nextMember(line, from: place) {  // ends: each turn starts behind the last member
        if names.contains(String(decoding: line[member.name], as: UTF8.self)) {
            if out.count > bare { out.append(UInt8(ascii: ",")) }
            out += line[member.all]
        }
        place = member.all.upperBound + 1
    }
    out += Array("}\n".utf8)
}

private func nextMember(_ line: [UInt8], from start: Int) -> (all: Range<Int>, name: Range<Int>)? {
    guard start < line.count, line[start] == UInt8(ascii: "\""),
        let nameEnd = line[(start + 1)...].firstIndex(of: UInt8(ascii: "\""))
    else { return nil }
    var index = nameEnd + 1, depth = 0, isText = false
    while index < line.count {
        switch line[index] {
        case UInt8(ascii: "\\") where isText: index += 1
        case UInt8(ascii: "\""): isText.toggle()
        case _ where isText: break
        case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
        case UInt8(ascii: ",") where depth == 0, UInt8(ascii: "}") where depth == 0:
            return (start..<index, (start + 1)..<nameEnd)
        case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
        default: break
        }
        index += 1
    }
    return nil
}
