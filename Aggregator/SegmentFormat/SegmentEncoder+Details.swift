internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// What is beside the columns: for each block that has any, batches of its rows with nothing else in them.
extension SegmentEncoder {
    mutating func writeDetails(_ places: Range<Int>) {
        var side = FlowColumns(capacity: places.count), isEmpty = true, hasObservers = false
        _ = side.extend(by: places.count)
        for (index, place) in places.enumerated() {
            let row = Int(order.rows[place])
            side.extra[index] = columns.extra[row]
            side.observers[index] = columns.observers[row]
            side.sketch[index] = columns.sketch[row]
            isEmpty = isEmpty && columns.extra[row] | columns.observers[row] | columns.sketch[row] == 0
            hasObservers = hasObservers || columns.observers[row] != 0
        }
        guard !isEmpty else { return parts.addBounds(.details, 0, 0) }
        // The stores are shared, not copied: only places change their order.
        (side.extras, side.observerSets, side.sketches) = (columns.extras, columns.observerSets, columns.sketches)
        if hasObservers { for exporter in columns.exporters { _ = side.intern(exporter) } }
        var bytes: [UInt8] = []
        seal(side, side.rows, to: &bytes)
        parts.addBytes(.details, words: places.count, bytes)
    }
    /// Appends batches of `rows`, as few as hold them, each after its length :4.
    private mutating func seal(_ side: FlowColumns, _ rows: Range<Int>, to bytes: inout [UInt8]) {
        do throws(BatchError) {
            let body = try details.encode(side, rows: rows, fidelity: .full)
            bytes.appendLE(UInt32(body.count))
            bytes += body
        } catch {
            // Too large: halves fit sooner or later, since any 8 192 rows do.
            let middle = rows.lowerBound + rows.count / 2
            seal(side, rows.lowerBound..<middle, to: &bytes)
            seal(side, middle..<rows.upperBound, to: &bytes)
        }
    }
}
