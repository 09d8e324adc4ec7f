internal import FlowModel

/// The so many largest of the entries that it is shown: a heap with the least of them on top, by measure, then by key.
struct TopList {
    private let limit: Int
    /// Nil: by the fourth sum.
    private let measure: FlowMeasure?
    private let layout: KeyLayout
    private let shape: EntryShape
    private let names: KeyNames
    /// Entries of `shape.stride` words, in the order of a heap, and their values.
    private var words: [UInt64] = []
    private var values: [UInt64] = []
    /// Whether comparing words is comparing keys: not where numbers stand for names.
    private let isOrdered: Bool

    init(limit: Int, measure: FlowMeasure?, _ layout: KeyLayout, _ shape: EntryShape, _ names: KeyNames) {
        self.limit = limit
        self.measure = measure
        self.layout = layout
        self.shape = shape
        self.names = names
        isOrdered = !layout.keys.contains { [.exporter, .sensor, .site].contains($0) }
    }

    mutating func add(_ entries: Span<UInt64>, number: Int) {
        guard limit > 0 else { return }
        var at = 0
        for _ in 0..<number {
            add(entries, at)
            at += shape.stride
        }
    }
    private mutating func add(_ entries: Span<UInt64>, _ at: Int) {
        let value = value(entries, at)
        if values.count < limit {
            values.append(value)
            for word in 0..<shape.stride { words.append(entries[at + word]) }
            rise(from: values.count - 1)
        } else if value >= values[0] {
            let isBetter = value > values[0] || isBefore(entries, at, place: 0)
            guard isBetter else { return }
            values[0] = value
            for word in 0..<shape.stride { words[word] = entries[at + word] }
            sink(from: 0)
        }
    }

    @inline(__always)
    private func value(_ entries: Span<UInt64>, _ at: Int) -> UInt64 {
        let sums = at + shape.keys
        guard let measure else { return entries[sums + 3] }
        let tally = Tally(flows: entries[sums], octets: entries[sums + 1], packets: entries[sums + 2])
        guard measure.needsTimes, shape.minimums > 0, shape.maximums == 1 else {
            return measure.value(of: tally, milliseconds: 0)
        }
        var first = entries[sums + shape.sums]
        for word in 1..<max(shape.minimums, 1) { first = min(first, entries[sums + shape.sums + word]) }
        let start = Int64(rising: first), end = Int64(rising: entries[at + shape.stride - 1])
        let (span, overflows) = end.subtractingReportingOverflow(start)
        return measure.value(of: tally, milliseconds: overflows || span < 0 ? 0 : UInt64(span))
    }

    /// Whether an entry's key comes before that of the entry at a place of the heap.
    private func isBefore(_ entries: Span<UInt64>, _ at: Int, place: Int) -> Bool {
        let start = place * shape.stride
        guard isOrdered else {
            let own = (0..<shape.keys).map { entries[at + $0] }
            return layout.key(own, at: 0, names) < layout.key(words, at: start, names)
        }
        for word in 0..<shape.keys where entries[at + word] != words[start + word] {
            return entries[at + word] < words[start + word]
        }
        return false
    }
    /// Whether the entry at `a` is worse than that at `b`.
    private func isWorse(_ a: Int, _ b: Int) -> Bool {
        if values[a] != values[b] { return values[a] < values[b] }
        return words.withSpan { isBefore($0, b * shape.stride, place: a) }
    }
    private mutating func rise(from start: Int) {
        var place = start
        while place > 0, isWorse(place, (place - 1) / 2) {
            exchange(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }
    private mutating func sink(from start: Int) {
        var place = start
        while true {  // ends: `place` grows
            var worst = place
            for child in [2 * place + 1, 2 * place + 2] where child < values.count && isWorse(child, worst) {
                worst = child
            }
            guard worst != place else { return }
            exchange(place, worst)
            place = worst
        }
    }
    private mutating func exchange(_ a: Int, _ b: Int) {
        values.swapAt(a, b)
        for word in 0..<shape.stride { words.swapAt(a * shape.stride + word, b * shape.stride + word) }
    }

    /// The entries, in no order.
    var entries: [[UInt64]] {
        values.indices.map { Array(words[($0 * shape.stride)..<(($0 + 1) * shape.stride)]) }
    }

    /// The groups, in no order, each with the words of its key.
    func groups(hasTimes: Bool) -> [(group: FlowGroup, key: [UInt64])] {
        values.indices.map { place in
            let start = place * shape.stride, sums = start + shape.keys
            var group = FlowGroup(
                key: layout.key(words, at: start, names),
                tally: Tally(flows: words[sums], octets: words[sums + 1], packets: words[sums + 2]),
                rows: words[sums + 3])
            if hasTimes {
                let first = Int64(rising: words[sums + shape.sums]), last = Int64(rising: words[sums + shape.sums + 1])
                group.period = first...max(first, last)
            }
            return (group, Array(words[start..<sums]))
        }
    }
}

extension FlowMeasure {
    /// Whether a group comes before another: the larger one, of equal ones the one with the smaller key.
    func puts(_ a: FlowGroup, before b: FlowGroup) -> Bool {
        let (left, right) = (value(of: a), value(of: b))
        return left != right ? left > right : a.key < b.key
    }
}

extension [UInt64] {
    @inline(__always)
    func withSpan<Value>(_ body: (Span<UInt64>) -> Value) -> Value { body(span) }
}
