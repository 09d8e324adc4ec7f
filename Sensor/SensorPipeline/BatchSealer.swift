internal import BatchFormat
package import Delivery
package import FlowModel
package import PreAggregate

/// A batch that will never change again: its bytes, and what it carries of each exporter.
package struct SealedBatch: Sendable {
    package let body: [UInt8]
    package let rows: Int
    package let tally: Tally
    package let fidelity: Fidelity
    package internal(set) var shares: [(key: ExporterKey, share: ExporterShare)]
    package var digest: BatchDigest { BatchDigest(of: body) }
}

/// Turns windows into sealed batches of at most `rowsMax` rows, and of no more bytes than an aggregator takes: larger
/// ones are cut into parts. Owned by one thread; no I/O.
package struct BatchSealer: ~Copyable {
    private var encoder = BatchEncoder()
    private let rowsMax: Int

    /// Rows sealed without their further elements, which did not fit a batch, since the start.
    package var entriesLeftOut: UInt64 { encoder.entriesLeftOut }

    package init(rowsMax: Int) {
        self.rowsMax = min(max(rowsMax, 1), BatchLimit.rowsMax)
    }

    /// All rows of `window`, in order; none for an empty one.
    package mutating func seal(_ window: SummedRows) -> [SealedBatch] {
        let columns = window.columns
        var batches: [SealedBatch] = []
        var open = stride(from: 0, to: columns.count, by: rowsMax).reversed().map {
            $0..<min($0 + rowsMax, columns.count)
        }
        while let rows = open.popLast() {  // ends: each turn seals or halves, and a small range always seals
            guard
                let body = try? encoder.encode(columns, rows: rows, fidelity: window.fidelity)
            else {
                let middle = rows.lowerBound + rows.count / 2
                open.append(middle..<rows.upperBound)
                open.append(rows.lowerBound..<middle)
                continue
            }
            let shares = columns.shares(of: rows)
            let tally = shares.reduce(into: Tally()) { $0 += $1.share.tally }
            batches.append(
                SealedBatch(body: body, rows: rows.count, tally: tally, fidelity: window.fidelity, shares: shares))
        }
        return batches
    }
}
