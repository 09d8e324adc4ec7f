/// Who else saw a flow: sets of exporters, each kept once. A row's place is 1 + its set's number; 0 is "nobody else".
package struct ObserverSets: Sendable {
    /// Each a sorted list of numbers of the columns' exporters, without the row's own.
    package private(set) var sets: [[UInt32]] = []
    private var numbers: [[UInt32]: UInt32] = [:]

    package static let setsMax = 65_536, membersMax = 64

    package init() {}

    /// The place of a set, the same for the same set; 0 when it is empty or there are too many. Of more than
    /// `membersMax` members the first stay.
    package mutating func place(of exporters: [UInt32]) -> UInt32 {
        let set = Array(Set(exporters).sorted().prefix(Self.membersMax))
        guard !set.isEmpty else { return 0 }
        if let known = numbers[set] { return known }
        guard sets.count < Self.setsMax else { return 0 }
        sets.append(set)
        let place = UInt32(sets.count)
        numbers[set] = place
        return place
    }
    /// The set at `place`; empty for 0 and for a place never given out.
    package func set(at place: UInt32) -> [UInt32] {
        place > 0 && Int(place) <= sets.count ? sets[Int(place) - 1] : []
    }
    /// Takes over a set of another store whose exporters have the numbers `translated` here.
    package mutating func copy(_ place: UInt32, from other: ObserverSets, _ translated: [UInt32]) -> UInt32 {
        self.place(of: other.set(at: place).compactMap { Int($0) < translated.count ? translated[Int($0)] : nil })
    }
    package mutating func removeAll() {
        sets.removeAll(keepingCapacity: true)
        numbers.removeAll(keepingCapacity: true)
    }
}
