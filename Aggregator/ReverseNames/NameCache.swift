internal import FlowModel

/// What was answered about addresses, for as long as it holds. Bounded: the longest kept makes room.
struct NameCache: Sendable {
    private struct Entry {
        let name: String?, end: Duration, number: UInt64
    }
    private let entriesMax: Int
    private var entries: [IPAddress: Entry] = [:]
    /// In the order they came, from `first` on; one that was replaced since has another number.
    private var order: [(address: IPAddress, number: UInt64)] = []
    private var first = 0, numbers: UInt64 = 0

    init(entriesMax: Int) { self.entriesMax = max(entriesMax, 1) }

    var count: Int { entries.count }

    /// - Returns: nil when it is to be asked; `.some(nil)` when there is no name.
    func name(of address: IPAddress, now: Duration) -> String?? {
        guard let entry = entries[address], entry.end > now else { return nil }
        return .some(entry.name)
    }

    mutating func note(_ name: String?, of address: IPAddress, until end: Duration) {
        if entries[address] == nil, entries.count >= entriesMax { makeRoom() }
        numbers &+= 1
        entries[address] = Entry(name: name, end: end, number: numbers)
        order.append((address, numbers))
        // What was replaced leaves its place in the order behind.
        if first > entriesMax || order.count > 4 * entriesMax {
            order = order[first...].filter { entries[$0.address]?.number == $0.number }
            first = 0
        }
    }
    private mutating func makeRoom() {
        while first < order.count {  // ends: each turn takes one
            let oldest = order[first]
            first += 1
            guard entries[oldest.address]?.number == oldest.number else { continue }
            entries[oldest.address] = nil
            return
        }
    }
}

/// So many questions a second and no more, in any second.
struct QuestionRate: Sendable {
    private let perSecond: Int
    private var left: Double, at = Duration.zero

    init(perSecond: Int) { (self.perSecond, left) = (perSecond, Double(perSecond)) }

    /// Whether one more may be asked now.
    mutating func take(now: Duration) -> Bool {
        let passed = max(now - at, .zero).components
        let seconds = min(Double(passed.seconds) + Double(passed.attoseconds) / 1e18, 1)
        left = min(left + seconds * Double(perSecond), Double(perSecond))
        at = max(now, at)
        guard left >= 1 else { return false }
        left -= 1
        return true
    }
}
