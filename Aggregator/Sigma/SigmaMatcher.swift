/// Many rules over a batch. An index tells for each record, by its ports and addresses, which few rules could match;
/// only those are run.
///
/// Invariants: the matches are those of each rule asked alone, in the order of rows and then of rules; no memory is
/// taken for a row but for the matches themselves.
import FilterLanguage
package import FlowModel

package struct SigmaMatch: Hashable, Sendable {
    /// Of the batch; the rule's place among those of the matcher.
    package let row: Int32, rule: Int32

    package init(row: Int32, rule: Int32) { (self.row, self.rule) = (row, rule) }
}

package struct SigmaMatcher: Sendable {
    private var program = SigmaProgram()
    /// Where each rule begins in the program.
    private var entries: [Int32] = []
    private var index = RuleIndex()
    package var count: Int { entries.count }
    /// Rules that no port or address selects: they are run for every record.
    package var unindexed: Int { index.always.count }

    package init(_ rules: [CompiledSigmaRule]) {
        var builder = RuleIndexBuilder()
        for (number, rule) in rules.prefix(SigmaLimit.rulesMax).enumerated() {
            entries.append(program.add(rule.predicate))
            builder.add(Int32(number), AccessPath(rule.predicate), RuleGuard(rule.predicate))
        }
        index = builder.build()
    }

    /// Adds the matches of `rows` to `matches`. What another observer's record stands for, and copies for another
    /// shard, match nothing.
    package func match(_ columns: borrowing FlowColumns, rows: Range<Int>, into matches: inout [SigmaMatch]) {
        guard !entries.isEmpty else { return }
        let skipped = RecordFlags.observedElsewhere.union(.secondary).rawValue
        // Of the columns that are looked at in every row, so that nothing is counted or looked up in the loop.
        let (flags, transports) = (columns.flags, columns.protocolIdentifier)
        let (sourcePorts, destinationPorts) = (columns.sourceTransportPort, columns.destinationTransportPort)
        let index = self.index, asksAll = !index.always.isEmpty, hasAddresses = index.hasAddresses
        for row in rows where flags[row] & skipped == 0 {
            let ports = index.list(source: sourcePorts[row], destination: destinationPorts[row])
            let transport = index.list(transport: transports[row])
            var source: UInt16 = 0, destination: UInt16 = 0
            if hasAddresses {
                source = index.list(source: IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row]))
                destination = index.list(
                    destination: IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row]))
            }
            guard asksAll || ports.source | ports.destination | transport | source | destination != 0 else { continue }
            let before = matches.count
            var sight = RowSight(row: row)
            let values = GuardSight(columns, row: row)
            for candidate in index.always { attempt(candidate, values, columns, &sight, &matches) }
            if ports.source != 0 { run(ports.source, values, columns, &sight, &matches) }
            // Twice the same list: the rules of one service whose both ends have its port.
            if ports.destination != 0, ports.destination != ports.source {
                run(ports.destination, values, columns, &sight, &matches)
            }
            if transport != 0 { run(transport, values, columns, &sight, &matches) }
            if source != 0 { run(source, values, columns, &sight, &matches) }
            if destination != 0, destination != source { run(destination, values, columns, &sight, &matches) }
            if matches.count > before + 1 { Self.tidy(&matches, from: before) }
        }
    }

    private func run(
        _ list: UInt16, _ values: GuardSight, _ columns: borrowing FlowColumns, _ sight: inout RowSight,
        _ matches: inout [SigmaMatch]
    ) {
        for at in index.range(of: list) { attempt(index.candidates[at], values, columns, &sight, &matches) }
    }
    @inline(__always)
    private func attempt(
        _ candidate: RuleCandidate, _ values: GuardSight, _ columns: borrowing FlowColumns, _ sight: inout RowSight,
        _ matches: inout [SigmaMatch]
    ) {
        guard values.passes(candidate.guarding), program.run(entries[Int(candidate.rule)], columns, &sight) else {
            return
        }
        matches.append(SigmaMatch(row: Int32(sight.row), rule: candidate.rule))
    }

    /// In order, each once: two indexes may have led to one rule.
    private static func tidy(_ matches: inout [SigmaMatch], from start: Int) {
        for at in (start + 1)..<matches.count {  // few: by insertion
            var place = at
            while place > start, matches[place - 1].rule > matches[place].rule {
                matches.swapAt(place - 1, place)
                place -= 1
            }
        }
        var kept = start
        for at in (start + 1)..<matches.count where matches[at].rule != matches[kept].rule {
            kept += 1
            matches[kept] = matches[at]
        }
        matches.removeLast(matches.count - kept - 1)
    }
}

/// What every record that matches a rule has: one of these conditions at least. Nil: nothing that an index knows.
struct AccessPath: Sendable {
    enum Key: Sendable {
        case sourcePort(NumberSet), destinationPort(NumberSet), transport(NumberSet)
        case source(AddressSet), destination(AddressSet)
    }
    var keys: [Key]?
    /// How many of a thousand records it may let through, guessed.
    var share = 1_000

    private init(keys: [Key]?, share: Int) { (self.keys, self.share) = (keys, share) }

    init(_ predicate: SigmaPredicate) {
        self = Self.path(predicate)
        if share >= 600 { self = .none }  // an index would lead to it almost always
    }
    private static let none = AccessPath(keys: nil, share: 1_000)

    private static func path(_ predicate: SigmaPredicate) -> AccessPath {
        switch predicate {
        case .constant(true), .not: return none
        case .constant(false): return AccessPath(keys: [], share: 0)
        case .test(let test): return path(test)
        case .and(let members):
            return members.map(AccessPath.init).filter { $0.keys != nil }.min { $0.share < $1.share } ?? none
        case .or(let members):
            var all = AccessPath(keys: [], share: 0)
            for path in members.map(AccessPath.init) {
                guard let keys = path.keys else { return none }
                all = AccessPath(keys: (all.keys ?? []) + keys, share: all.share + path.share)
            }
            return all
        }
    }

    private static func path(_ test: SigmaTest) -> AccessPath {
        switch test {
        case .number(.destinationPort, let set): return AccessPath(keys: [.destinationPort(set)], share: share(set))
        case .number(.sourcePort, let set): return AccessPath(keys: [.sourcePort(set)], share: share(set))
        case .number(.originatorPort, let set), .number(.responderPort, let set):
            return AccessPath(keys: [.sourcePort(set), .destinationPort(set)], share: 2 * share(set))
        case .number(.transport, let set):
            let hasTCP = set.contains(UInt64(IPProtocol.tcp)), hasUDP = set.contains(UInt64(IPProtocol.udp))
            return AccessPath(keys: [.transport(set)], share: hasTCP ? 700 : hasUDP ? 300 : 30)
        case .number(.service, let set):
            let ports = ports(of: set)
            return AccessPath(keys: [.sourcePort(ports), .destinationPort(ports)], share: 2 * share(ports))
        case .address(.destination, let set): return AccessPath(keys: [.destination(set)], share: share(set))
        case .address(.source, let set): return AccessPath(keys: [.source(set)], share: share(set))
        case .address(.originator, let set), .address(.responder, let set):
            return AccessPath(keys: [.source(set), .destination(set)], share: 2 * share(set))
        default: return none
        }
    }

    /// Of these services, by their raw values.
    static func ports(of services: NumberSet) -> NumberSet {
        NumberSet(
            (UInt16(1)...UInt16.max).lazy.filter { port in
                [true, false].contains { isUDP in
                    Service(port: port, isUDP: isUDP).map { services.contains(UInt64($0.rawValue)) } ?? false
                }
            }.map { UInt64($0)...UInt64($0) })
    }

    /// A port below 1024 is worth as much as 500 above it.
    private static func share(_ set: NumberSet) -> Int {
        var share = 0
        for range in set.ranges where range.lowerBound <= 65_535 {
            let upper = min(range.upperBound, 65_535)
            let low = range.lowerBound < 1_024 ? min(upper, 1_023) - range.lowerBound + 1 : 0
            let high = upper >= 1_024 ? upper - max(range.lowerBound, 1_024) + 1 : 0
            share += Int(min(low, 100)) * 10 + Int(high) / 100
        }
        return max(min(share, 1_000), 1)
    }
    private static func share(_ set: AddressSet) -> Int {
        var share = 1
        for range in set.ranges {
            let isV4 = range.lowerBound.isV4
            let (lower, upper) = (range.lowerBound, range.upperBound)
            let size = isV4 ? upper.low - lower.low : upper.high &- lower.high
            let bits = UInt64.bitWidth - size.leadingZeroBitCount
            // A private network, or a sixteenth of all there is, is many records' own.
            if bits >= (isV4 ? 28 : 57) || (lower.isSitePrivate && bits > 8) {
                share += 300
            } else {
                share += lower.isSitePrivate ? 20 : 1
            }
        }
        return min(share, 1_000)
    }
}
