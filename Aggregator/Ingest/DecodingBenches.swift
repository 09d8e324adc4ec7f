internal import BatchFormat
internal import FlowModel
internal import Synchronization
internal import WireBytes

/// What a batch is decoded with and into, kept for the next one: memory that was used a moment ago costs a fraction of
/// what fresh pages do. At most `keptMax` are kept, each as large as the largest batch that it has held.
final class DecodingBenches: Sendable {
    /// Of one thread at a time: whoever has taken it from `free`.
    private final class Bench: @unchecked Sendable {
        var decoder = BatchDecoder(), columns = FlowColumns()
        /// Whether the rows in `columns` have what they share elsewhere.
        var isShared = false
    }
    private let free = Mutex<[Bench]>([])

    /// Benches that wait for work: more than there are cores to decode at once would only hold memory.
    private static let keptMax = 4

    /// Decodes every column of `body`, and throws them away. What rows share is checked as it is written, once, and not
    /// brought to each row.
    func decode(_ body: [UInt8]) throws(BatchError) {
        let bench = free.withLock { $0.popLast() } ?? Bench()
        defer { keep(bench) }
        bench.columns.removeExporters()
        try body.withBytes { bytes throws(BatchError) in
            try bench.decoder.decodeShared(bytes, inPlaceOfRowsIn: &bench.columns, isShared: &bench.isShared)
        }
    }
    private func keep(_ bench: Bench) {
        free.withLock { free in
            if free.count < Self.keptMax { free.append(bench) }
        }
    }
}
