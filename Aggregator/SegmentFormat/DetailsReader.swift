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
        let count = source.head.rows(ofBlock: source.block).count
        var side = FlowColumns()
        let isRead = bytes.bytes.withBytes { span in
            let frame = span.extracting(bytes.range)
            return Checksum.of(frame) == entry.checksum && open(frame, fields, count, into: &side)
        }
        guard isRead, side.count == count else {
            throw .badFrame(part: part.part.rawValue, block: source.block)
        }
        try take(side, source.picks, into: &columns, rows)
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

    /// - Parameter picks: which rows of `side`; nil: all.
    private func take(
        _ side: FlowColumns, _ picks: [Int32]?, into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        var exporters: [UInt32] = []
        for exporter in side.exporters {
            guard let number = columns.intern(exporter) else { throw .columnsFull }
            exporters.append(number)
        }
        let isSame = columns.extras.isEmpty
        if isSame { columns.extras = side.extras }
        for place in 0..<rows.count {
            let row = picks.map { Int($0[place]) } ?? place, target = rows.lowerBound + place
            if isSame {
                columns.extra[target] = side.extra[row]
            } else if side.extra[row] != 0 {
                let copy = columns.extras.copy(side.extra[row], from: side.extras)
                guard copy > 0 else { throw .columnsFull }
                columns.extra[target] = copy
            }
            guard side.observers[row] | side.sketch[row] != 0 else { continue }
            let observers = columns.observerSets.copy(side.observers[row], from: side.observerSets, exporters)
            guard observers > 0 || side.observers[row] == 0 else { throw .columnsFull }
            columns.observers[target] = observers
            columns.sketch[target] = columns.sketches.copy(side.sketch[row], from: side.sketches)
        }
    }
}
