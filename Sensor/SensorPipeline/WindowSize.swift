/// How many rows a window may have: many while there is time, so that more records meet and batches are small; few when
/// records come so fast that a large window would be full in a fraction of a second. Then hardly any meet in it anyway,
/// and a window that stays in the processor's cache costs a third less.
///
/// From a rate of `busyRate` rows a second on windows are small, below half of it they are large again. The first is
/// small: should the start meet full speed, there is no time then for a large one's memory to be mapped.
struct WindowSize {
    private let rowsMax: Int
    private(set) var rows: Int

    static let rowsSmall = 8_192
    private static let busyRate: Int64 = 100_000

    init(rowsMax: Int) {
        self.rowsMax = rowsMax
        rows = min(Self.rowsSmall, rowsMax)
    }
    /// A window of `rows` was full so long after it was opened.
    mutating func filled(inMilliseconds span: Int64) {
        let rate = Int64(rows) &* 1_000 / max(span, 1)
        if rate >= Self.busyRate { rows = min(Self.rowsSmall, rowsMax) }
        if rate < Self.busyRate / 2 { rows = rowsMax }
    }
}
