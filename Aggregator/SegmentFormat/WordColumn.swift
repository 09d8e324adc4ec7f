internal import WireBytes

/// Words, one a row. As long as all are the same none is kept: columns that a site's routers do not fill cost nothing.
struct WordColumn {
    /// One a row, unless `constant` says it.
    private(set) var words: [UInt64] = []
    private(set) var constant: UInt64? = 0
    private var isEmpty = true

    /// Keeps the storage.
    mutating func removeAll() {
        words.removeAll(keepingCapacity: true)
        (constant, isEmpty) = (0, true)
    }

    /// Puts the first `length` of `more` at their places.
    /// - Parameter end: above all places so far, of this call and those before. Each place comes once.
    mutating func put(_ more: [UInt64], _ length: Int, at places: [UInt32], below end: Int) {
        guard length > 0 else { return }
        if let constant {
            let bits = more.span.extracting(0..<length).commonBits()
            if bits.any == bits.all, isEmpty || bits.any == constant {
                (self.constant, isEmpty) = (bits.any, false)
                return
            }
            (self.constant, isEmpty) = (nil, false)
            words.append(contentsOf: repeatElement(constant, count: end))
        }
        if words.count < end { words.append(contentsOf: repeatElement(0, count: end - words.count)) }
        let places = places.span, more = more.span
        var words = words.mutableSpan
        for index in 0..<length { words[Int(places[index])] = more[index] }
    }
}
