internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// What is beside the columns: for each block that has any, batches of its rows with nothing else in them.
extension SegmentEncoder {
    /// Rows of such a batch: as many as have their empty columns in a processor's cache.
    private static let sideRows = 8_192
    /// With more exporters, which each batch lists, fewer and larger batches take less.
    private static let sideExportersMax = 64

    /// Shares the side stores with `side`: they are not copied, only places change their order.
    mutating func startDetails() {
        (side.extras, side.observerSets, side.sketches) = (
            batch.extras, batch.observerSets, batch.sketches
        )
        if !batch.observerSets.sets.isEmpty {
            for exporter in batch.exporters { _ = side.intern(exporter) }
        }
    }
    mutating func writeDetails(_ places: Range<Int>) {
        let words = block.words[6], sketches = block.words[7]  // no copies
        guard words.span.commonBits().any | sketches.span.commonBits().any != 0 else {
            return parts.addBounds(.details, 0, 0)
        }
        var bytes: [UInt8] = []
        let step = batch.exporters.count > Self.sideExportersMax ? blockRows : Self.sideRows
        for first in stride(from: 0, to: places.count, by: step) {
            let rows = first..<min(first + step, places.count)
            // All three columns are overwritten, and the others stay empty.
            if side.count != rows.count {
                side.truncate(to: 0)
                _ = side.extend(by: rows.count)
            }
            var extra = side.extra.mutableSpan
            for row in rows { extra[row &- first] = UInt32(truncatingIfNeeded: words[row]) }
            var observers = side.observers.mutableSpan
            for row in rows { observers[row &- first] = UInt32(truncatingIfNeeded: words[row] &>> 32) }
            var sketch = side.sketch.mutableSpan
            for row in rows { sketch[row &- first] = UInt32(truncatingIfNeeded: sketches[row]) }
            seal(0..<rows.count, to: &bytes)
        }
        parts.addBytes(.details, words: places.count, bytes)
    }
    /// Appends batches of `rows` of `side`, as few as hold them, each after its length :4.
    private mutating func seal(_ rows: Range<Int>, to bytes: inout [UInt8]) {
        do throws(BatchError) {
            let body = try details.encodeSides(side, rows: rows)
            bytes.appendLE(UInt32(body.count))
            bytes += body
        } catch {
            // Too large: halves fit sooner or later, since any 8 192 rows do.
            let middle = rows.lowerBound + rows.count / 2
            seal(rows.lowerBound..<middle, to: &bytes)
            seal(middle..<rows.upperBound, to: &bytes)
        }
    }
}
