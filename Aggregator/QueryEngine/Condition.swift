package import BatchFormat
package import FlowModel
package import Identity

/// A filter, ready to be asked about blocks: a tree of tests of columns, each list of members sorted by cost.
package indirect enum Condition: Sendable {
    case all, none
    case and([Condition])
    case or([Condition])
    case not(Condition)
    case test(Test)

    /// One test of a column.
    package struct Test: Sendable {
        let column: ColumnTest
    }

    static func column(_ test: ColumnTest) -> Condition { .test(Test(column: test)) }

    static func conjunction(_ members: [Condition]) -> Condition {
        var kept: [Condition] = []
        for member in members {
            switch member {
            case .all: continue
            case .none: return .none
            case .and(let inner): kept += inner
            default: kept.append(member)
            }
        }
        return kept.isEmpty ? .all : kept.count == 1 ? kept[0] : .and(kept.sorted { $0.cost < $1.cost })
    }
    static func disjunction(_ members: [Condition]) -> Condition {
        var kept: [Condition] = []
        for member in members {
            switch member {
            case .none: continue
            case .all: return .all
            case .or(let inner): kept += inner
            default: kept.append(member)
            }
        }
        return kept.isEmpty ? .none : kept.count == 1 ? kept[0] : .or(kept.sorted { $0.cost < $1.cost })
    }
    static func negation(_ member: Condition) -> Condition {
        switch member {
        case .all: .none
        case .none: .all
        case .not(let inner): inner
        default: .not(member)
        }
    }

    var cost: Int {
        switch self {
        case .all, .none: 0
        case .and(let members), .or(let members): members.reduce(0) { $0 + $1.cost }
        case .not(let inner): inner.cost
        case .test(let test): test.column.cost
        }
    }

    /// What must be decoded before `keep`.
    package var fields: FieldSet {
        switch self {
        case .all, .none: []
        case .and(let members), .or(let members): members.reduce(into: []) { $0.formUnion($1.fields) }
        case .not(let inner): inner.fields
        case .test(let test): test.column.fields
        }
    }

    /// Conditions that must all hold, cheapest first: what the later ones look at need not be read where the first
    /// ones leave nothing.
    package var stages: [Condition] {
        switch self {
        case .all: []
        case .and(let members): members
        default: [self]
        }
    }

    /// Keeps the rows of a block of which it is true. Exact, whatever bounds say.
    package func keep(_ mask: inout RowMask, in block: RowBlock) {
        switch self {
        case .all: return
        case .none: mask.clear()
        case .and(let members):
            for (place, member) in members.enumerated() {
                if place > 0, mask.isEmpty { return }
                member.keep(&mask, in: block)
            }
        case .or(let members):
            var rest = mask
            mask.clear()
            for member in members {
                var found = rest
                member.keep(&found, in: block)
                mask.formUnion(found)
                rest.subtract(found)
                if rest.isEmpty { return }
            }
        case .not(let inner):
            var found = mask
            inner.keep(&found, in: block)
            mask.subtract(found)
        case .test(let test): test.column.keep(&mask, in: block)
        }
    }
}

/// What bounds tell of a block: whether no row, every row, or perhaps some match.
package enum Verdict: Sendable {
    case none, some, all
}

/// What is known of a block before it is read.
package protocol BlockBounds {
    /// Inclusive bounds of a column of unsigned numbers; `flowDirection` is one higher than in records.
    func words(_ column: ColumnID) -> ClosedRange<UInt64>
    func times(_ column: ColumnID) -> ClosedRange<Int64>
    func addresses(_ end: BlockAddress) -> ClosedRange<IPAddress>
    /// All that a row's exporter or sensor can be.
    var exporters: [ExporterKey] { get }
    var sensors: [SensorIdentity] { get }
}

package enum BlockAddress: Sendable {
    case source, destination, nextHop
}

extension Condition {
    /// What bounds say. `none` and `all` are certain.
    package func verdict(_ bounds: some BlockBounds) -> Verdict {
        switch self {
        case .all: return .all
        case .none: return .none
        case .and(let members):
            var isAll = true
            for member in members {
                let verdict = member.verdict(bounds)
                if verdict == .none { return .none }
                isAll = isAll && verdict == .all
            }
            return isAll ? .all : .some
        case .or(let members):
            var isNone = true
            for member in members {
                let verdict = member.verdict(bounds)
                if verdict == .all { return .all }
                isNone = isNone && verdict == .none
            }
            return isNone ? .none : .some
        case .not(let inner):
            switch inner.verdict(bounds) {
            case .none: return .all
            case .all: return .none
            case .some: return .some
            }
        case .test(let test): return test.column.verdict(bounds)
        }
    }

    /// Without what bounds already answer: the same for every row within them.
    package func simplified(by bounds: some BlockBounds) -> Condition {
        switch self {
        case .all, .none: self
        case .and(let members): .conjunction(members.map { $0.simplified(by: bounds) })
        case .or(let members): .disjunction(members.map { $0.simplified(by: bounds) })
        case .not(let inner): .negation(inner.simplified(by: bounds))
        case .test(let test):
            switch test.column.verdict(bounds) {
            case .none: .none
            case .all: .all
            case .some: self
            }
        }
    }

    /// All networks that `canMatch` may ask about, whatever the answers are.
    package var networks: [IPNetwork] {
        switch self {
        case .all, .none, .not: []
        case .and(let members), .or(let members): members.flatMap(\.networks)
        case .test(let test): test.column.networks
        }
    }

    /// Whether a row can match when a source or destination outside what `may` says can't occur: for Bloom filters.
    /// - Parameter may: whether an address of a network can be the source or destination of a row.
    package func canMatch(_ may: (IPNetwork) -> Bool) -> Bool {
        switch self {
        case .all: true
        case .none: false
        case .and(let members): members.allSatisfy { $0.canMatch(may) }
        case .or(let members): members.contains { $0.canMatch(may) }
        // Of what is not there a Bloom filter says nothing.
        case .not: true
        case .test(let test): test.column.canMatch(may)
        }
    }
}

extension ColumnTest {
    func verdict(_ bounds: some BlockBounds) -> Verdict {
        switch self {
        case .words(let column, let set): return set.verdict(bounds.words(column))
        case .time(let column, let ranges):
            let times = bounds.times(column)
            if ranges.contains(where: { $0.lowerBound <= times.lowerBound && times.upperBound <= $0.upperBound }) {
                return .all
            }
            return ranges.contains { $0.overlaps(times) } ? .some : .none
        case .bits(let column, let mask, let wanted):
            let words = bounds.words(column)
            guard words.lowerBound == words.upperBound else { return .some }
            return UInt16(truncatingIfNeeded: words.lowerBound) & mask == wanted ? .all : .none
        case .address(let end, let ranges):
            let column: BlockAddress =
                switch end {
                case .source: .source
                case .destination: .destination
                case .nextHop: .nextHop
                }
            return ranges.verdict(bounds.addresses(column))
        case .exporter(let test): return Self.verdict(of: bounds.exporters.map { test.holds($0) })
        case .sensor(let test):
            return Self.verdict(of: bounds.sensors.map { test.holds(site: $0.site, name: $0.name) })
        case .derived, .sampled, .element: return .some
        }
    }
    private static func verdict(of answers: [Bool]) -> Verdict {
        answers.contains(true) ? answers.contains(false) ? .some : .all : .none
    }

    /// Ranges beyond this many are not asked of a Bloom filter one by one.
    private static let networksMax = 4_096

    /// What `canMatch` may ask about.
    var networks: [IPNetwork] {
        guard case .address(let end, let ranges) = self, end != .nextHop, ranges.ranges.count <= Self.networksMax
        else { return [] }
        return ranges.ranges.compactMap { IPNetwork(covering: $0) }
    }
    func canMatch(_ may: (IPNetwork) -> Bool) -> Bool {
        guard case .address(let end, let ranges) = self, end != .nextHop else { return true }
        guard ranges.ranges.count <= Self.networksMax else { return true }
        return ranges.ranges.contains { range in
            guard let network = IPNetwork(covering: range) else { return true }
            return may(network)
        }
    }
}

extension IPNetwork {
    /// The smallest network that holds both ends; nil when they are of different families.
    init?(covering range: ClosedRange<IPAddress>) {
        let (low, high) = (range.lowerBound, range.upperBound)
        guard low.isV4 == high.isV4 else { return nil }
        let common =
            low.high != high.high
            ? (low.high ^ high.high).leadingZeroBitCount : 64 + (low.low ^ high.low).leadingZeroBitCount
        self.init(low, length: low.isV4 ? common - 96 : common)
    }
}
