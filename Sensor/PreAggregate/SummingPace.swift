/// Whether rows are looked up at all. Windows that are small because records come fast hold a moment's records, of
/// which often hardly two are of one flow; then looking each up costs time and saves nothing. So after a window in
/// which it saved less than one row in 64, the next seven are left as they are; the one after them tells again.
///
/// Large windows are always summed, and so are rows that are made coarser: that is what they are coarsened for.
struct SummingPace {
    private(set) var isSumming = true
    /// Rows that were added to others in the present window.
    var merged = 0
    private var pauses = 0

    static let gainMin = 64, pausesMax = 7

    /// A window was closed with `rows`.
    /// - Parameter isSmall: whether the next one is small.
    mutating func next(after rows: Int, isSmall: Bool) {
        if isSumming, merged &* Self.gainMin < rows { pauses = Self.pausesMax + 1 }
        pauses = isSmall ? max(pauses - 1, 0) : 0
        isSumming = pauses == 0
        merged = 0
    }
}
