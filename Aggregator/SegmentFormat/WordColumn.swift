internal import WireBytes

/// Words, one a row. As long as all are the same none is kept: columns that a site's routers do not fill cost nothing.
struct WordColumn {
    /// One a row, unless `constant` says it.
    private(set) var words: [UInt64] = []
    private(set) var constant: UInt64? = 0
    private var count = 0

    /// Keeps the storage.
    mutating func removeAll() {
        words.removeAll(keepingCapacity: true)
        (constant, count) = (0, 0)
    }
    mutating func reserve(_ rows: Int) { words.reserveCapacity(rows) }

    /// Appends the first `length` of `more`.
    mutating func append(_ more: [UInt64], _ length: Int) {
        guard length > 0 else { return }
        if let constant {
            let bits = more.span.extracting(0..<length).commonBits()
            if bits.any == bits.all, count == 0 || bits.any == constant {
                (self.constant, count) = (bits.any, count + length)
                return
            }
            words.append(contentsOf: repeatElement(constant, count: count))
            self.constant = nil
        }
        words.append(contentsOf: more[..<length])
        count += length
    }
}
