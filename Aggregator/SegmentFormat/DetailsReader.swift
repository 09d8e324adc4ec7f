internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Reads what is beside the columns.
struct DetailsReader: ~Copyable {
    private var batches = BatchDecoder()

    mutating func read(
        _ part: PartEntry, _ source: SegmentDecoder.Source, _ fields: FieldSet, into columns: inout FlowColumns,
        _ rows: Range<Int>
    ) throws(SegmentError) {
        let entry = part.blocks[source.block]
        guard !entry.frame.isEmpty else { return }
        let bytes = try source.loaded.frame(of: part, source.block)
        var side = FlowColumns()
        let isRead = bytes.bytes.withBytes { span in
            let frame = span.extracting(bytes.range)
            return Checksum.of(frame) == entry.checksum && open(frame, fields, rows.count, into: &side)
        }
        guard isRead, side.count == rows.count else {
            throw .badFrame(part: part.part.rawValue, block: source.block)
        }
        try take(side, fields, into: &columns, rows)
    }

    private mutating func open(
        _ frame: RawSpan, _ fields: FieldSet, _ rowsMax: Int, into side: inout FlowColumns
    ) -> Bool {
        var offset = 0
        while offset < frame.byteCount {  // ends: each turn adds at least 4
            guard frame.byteCount - offset >= 4 else { return false }
            let length = Int(frame.le32(at: offset))
            offset += 4
            guard length <= frame.byteCount - offset, side.count < rowsMax else { return false }
            let body = frame.extracting(offset..<(offset + length))
            do throws(BatchError) {
                try batches.decode(body, into: &side, fields: fields)
            } catch {
                return false
            }
            offset += length
        }
        return true
    }

    private func take(
        _ side: FlowColumns, _ fields: FieldSet, into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        var exporters: [UInt32] = []
        for exporter in side.exporters {
            guard let number = columns.intern(exporter) else { throw .columnsFull }
            exporters.append(number)
        }
        if columns.extras.isEmpty {
            columns.extras = side.extras
            for row in 0..<rows.count { columns.extra[rows.lowerBound + row] = side.extra[row] }
        } else {
            for row in 0..<rows.count where side.extra[row] != 0 {
                let place = columns.extras.copy(side.extra[row], from: side.extras)
                guard place > 0 else { throw .columnsFull }
                columns.extra[rows.lowerBound + row] = place
            }
        }
        for row in 0..<rows.count where side.observers[row] | side.sketch[row] != 0 {
            let observers = columns.observerSets.copy(side.observers[row], from: side.observerSets, exporters)
            guard observers > 0 || side.observers[row] == 0 else { throw .columnsFull }
            columns.observers[rows.lowerBound + row] = observers
            columns.sketch[rows.lowerBound + row] = columns.sketches.copy(side.sketch[row], from: side.sketches)
        }
    }
}
