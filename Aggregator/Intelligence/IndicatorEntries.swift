/// The indicators of a set, a column for each of their parts, and how they are put together from feeds.
import FlowModel
import NetworkTable

struct IndicatorEntries: Sendable {
    /// What is shared by the indicators of one feed, with the subject left out.
    struct Profile: Hashable, Sendable {
        let feed: Int
        let context: IndicatorContext
    }
    private(set) var subjects: SubjectColumn
    private(set) var profiles: [Profile] = []
    private var profile: [UInt32] = [], port: [UInt16] = [], confidence: [UInt8] = []
    /// In s since 1970 UTC; 0 is not known, and for `expires` never.
    private var firstSeen: [UInt32] = [], lastSeen: [UInt32] = [], expires: [UInt32] = []

    /// What an entry is about: found from where it stands, so that it takes no room.
    struct SubjectColumn: Sendable {
        let table: NetworkTable, firstEntry: [UInt32], systems: [UInt32], firstSystemEntry: [UInt32]

        func subject(_ entry: Int) -> IndicatorSubject {
            if let first = firstSystemEntry.first, entry >= Int(first) {
                return .autonomousSystem(systems[Self.place(of: entry, in: firstSystemEntry)])
            }
            return .network(table[Self.place(of: entry, in: firstEntry)])
        }
        private static func place(of entry: Int, in firsts: [UInt32]) -> Int {
            var low = 0, high = firsts.count
            while low < high {  // ends: the distance shrinks
                let middle = (low + high) >> 1
                if Int(firsts[middle]) <= entry { low = middle + 1 } else { high = middle }
            }
            return low - 1
        }
    }

    var count: Int { profile.count }

    func isValid(_ entry: Int, at time: Int64?) -> Bool {
        guard let time, expires[entry] != 0 else { return true }
        return time < Int64(expires[entry]) * 1_000
    }
    func hasPort(_ entry: Int, _ wanted: UInt16) -> Bool {
        port[entry] == 0 || wanted == 0 || port[entry] == wanted
    }

    func match(_ entry: Int) -> IndicatorSet.Match {
        let profile = profiles[Int(profile[entry])]
        func time(_ seconds: UInt32) -> Int64? { seconds == 0 ? nil : Int64(seconds) * 1_000 }
        let indicator = Indicator(
            subjects.subject(entry), port: port[entry], confidence: confidence[entry],
            firstSeen: time(firstSeen[entry]), lastSeen: time(lastSeen[entry]), expires: time(expires[entry]),
            context: profile.context)
        return IndicatorSet.Match(feed: profile.feed, indicator: indicator)
    }

    /// - Parameter ordered: by subject, in the order that `subjects` counts them in.
    init(_ ordered: [Placed], subjects: SubjectColumn) {
        self.subjects = subjects
        var numbers: [Profile: UInt32] = [:], last: (profile: Profile, number: UInt32)?
        profile.reserveCapacity(ordered.count)
        port.reserveCapacity(ordered.count)
        confidence.reserveCapacity(ordered.count)
        firstSeen.reserveCapacity(ordered.count)
        lastSeen.reserveCapacity(ordered.count)
        expires.reserveCapacity(ordered.count)
        for placed in ordered {
            let own = Profile(feed: placed.feed, context: placed.indicator.context)
            if last?.profile.context !== own.context || last?.profile.feed != own.feed {
                let number = numbers[own] ?? UInt32(profiles.count)
                if Int(number) == profiles.count {
                    profiles.append(own)
                    numbers[own] = number
                }
                last = (own, number)
            }
            profile.append(last?.number ?? 0)
            port.append(placed.indicator.port)
            confidence.append(placed.indicator.confidence)
            firstSeen.append(seconds(placed.indicator.firstSeen))
            lastSeen.append(seconds(placed.indicator.lastSeen))
            expires.append(seconds(placed.indicator.expires))
        }
    }
}

/// A known time is never 0, and what lies past the year 2106 is the end of it.
private func seconds(_ milliseconds: Int64?) -> UInt32 {
    milliseconds.map { UInt32(clamping: max($0 / 1_000, 1)) } ?? 0
}

/// An indicator with where its subject stands: networks by place in the table, then systems by number.
struct Placed {
    let feed: Int
    let indicator: Indicator
    let place: UInt64

    static func isBefore(_ a: Placed, _ b: Placed) -> Bool {
        a.place != b.place
            ? a.place < b.place
            : a.feed != b.feed ? a.feed < b.feed : a.indicator.port < b.indicator.port
    }
    /// Whether both are one feed's word on one thing.
    func isSame(as other: Placed) -> Bool {
        place == other.place && feed == other.feed && indicator.port == other.indicator.port
    }
    /// The one seen later; of those the one more certain, then the one that stays longer.
    func isBetter(than other: Placed) -> Bool {
        func rank(_ placed: Placed) -> (Int64, UInt8, Int64) {
            let indicator = placed.indicator
            return (indicator.lastSeen ?? 0, indicator.confidence, indicator.expires ?? .max)
        }
        return rank(self) > rank(other)
    }
}

extension IndicatorSet {
    /// A set of all that `feeds` said. Of two feeds with one name the first counts, with the indicators of both.
    /// - Parameter announced: of the systems among the indicators; of others it is not looked at.
    package init(
        _ feeds: [(source: FeedSource, indicators: [Indicator])], announced: AnnouncedNetworks = .none
    ) {
        var sources: [FeedSource] = [], numbers: [String: Int] = [:]
        for feed in feeds where numbers[feed.source.name] == nil {
            numbers[feed.source.name] = sources.count
            sources.append(feed.source)
        }
        let total = feeds.reduce(0) { $0 + $1.indicators.count }
        let table = NetworkTable(
            feeds.lazy.flatMap { $0.indicators.lazy.compactMap(\.network) }.prefix(Limit.indicatorsMax))
        var placed: [Placed] = []
        placed.reserveCapacity(min(total, Limit.indicatorsMax))
        for feed in feeds {
            let number = numbers[feed.source.name] ?? 0
            for indicator in feed.indicators where placed.count < Limit.indicatorsMax {
                guard let place = Self.place(of: indicator.subject, in: table) else { continue }
                placed.append(Placed(feed: number, indicator: indicator, place: place))
            }
        }
        refused = total - placed.count
        let kept = Self.latest(placed.sorted(by: Placed.isBefore))
        superseded = placed.count - kept.count
        self.feeds = sources
        self.table = table
        self.announced = announced
        filter = AddressFilter(
            [table, announced.table].lazy.flatMap { some in (0..<some.count).lazy.map { some[$0] } })
        firstEntry = Self.firsts(kept, places: (0...table.count).lazy.map { UInt64($0) })
        let networkEntries = firstEntry.last ?? 0
        let numbered = kept[Int(networkEntries)...].map { UInt32(truncatingIfNeeded: $0.place) }
        systems = numbered.enumerated().filter { $0.offset == 0 || numbered[$0.offset - 1] != $0.element }.map(
            \.element)
        systemFilter = SystemFilter(systems)
        firstSystemEntry = Self.firsts(kept, places: (systems.map { Self.systemBase | UInt64($0) } + [.max]))
        entries = IndicatorEntries(
            kept,
            subjects: .init(
                table: table, firstEntry: firstEntry, systems: systems, firstSystemEntry: firstSystemEntry))
    }

    /// The same of feeds as they were read.
    /// - Parameter announced: the networks of systems.
    package init(reads: [FeedRead], announced: (Set<UInt32>) -> AnnouncedNetworks = { _ in .none }) {
        var systems: Set<UInt32> = []
        for read in reads {
            for case .autonomousSystem(let number) in read.indicators.lazy.map(\.subject) { systems.insert(number) }
        }
        self.init(
            reads.map { ($0.source, $0.indicators) }, announced: systems.isEmpty ? .none : announced(systems))
    }

    private static let systemBase: UInt64 = 1 << 40

    private static func place(of subject: IndicatorSubject, in table: NetworkTable) -> UInt64? {
        switch subject {
        case .network(let network): table.place(of: network).map { UInt64($0) }
        case .autonomousSystem(let number): systemBase | UInt64(number)
        }
    }
    private static func latest(_ sorted: [Placed]) -> [Placed] {
        var kept: [Placed] = []
        kept.reserveCapacity(sorted.count)
        for placed in sorted {
            guard let last = kept.last, last.isSame(as: placed) else {
                kept.append(placed)
                continue
            }
            if placed.isBetter(than: last) { kept[kept.count - 1] = placed }
        }
        return kept
    }
    /// For each of `places`, which rise, the index of the first indicator that stands there or later.
    private static func firsts(_ kept: [Placed], places: some Sequence<UInt64>) -> [UInt32] {
        var firsts: [UInt32] = [], index = 0
        for place in places {
            while index < kept.count, kept[index].place < place { index += 1 }
            firsts.append(UInt32(index))
        }
        return firsts
    }
}

extension Indicator {
    /// Nil also for one that is too wide to be an indicator: the filter would have to name each part of it.
    fileprivate var network: IPNetwork? {
        guard case .network(let network) = subject,
            network.length >= (network.address.isV4 ? Limit.v4LengthMin : Limit.v6LengthMin)
        else { return nil }
        return network
    }
}
