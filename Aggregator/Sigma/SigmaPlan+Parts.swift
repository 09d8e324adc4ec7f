/// Parts of a tenant's rules: what a few of them need to be run by themselves.
package import FlowModel

extension SigmaPlan {
    /// The documents with these keys, all that they refer to, and the filters.
    package func documents(for keys: Set<String>) -> [SigmaDocument] {
        var wanted = keys, chosen: [SigmaDocument] = []
        var left = lines.map(\.document)
        while true {  // ends: each turn takes documents out of `left`, or is the last
            let now = left.filter { $0.isFilter || !$0.names.isDisjoint(with: wanted) }
            guard !now.isEmpty else { return chosen }
            left.removeAll { $0.isFilter || !$0.names.isDisjoint(with: wanted) }
            chosen += now
            for case .correlation(let correlation) in now { wanted.formUnion(correlation.rules.map(\.key)) }
        }
    }
}

extension SigmaDocument {
    /// What others may refer to it as.
    package var names: Set<String> { Set([metadata.id, metadata.name, metadata.title].compactMap { $0 }) }
    package var isFilter: Bool { if case .filter = self { true } else { false } }
}

extension SigmaRuleSet {
    /// What rules look at to tell whether a record matches.
    package enum Reach: Sendable {
        /// Addresses, ports, transport, control bits, counters, flags.
        case usual
        /// The same, and the times.
        case times
        /// Any column.
        case all
    }
    /// In any order of records the findings are the same, but for what they say of the way.
    package var isOrderFree: Bool { watches.allSatisfy { $0.kind == .match } }
    package var reach: Reach { rules.map(\.predicate.reach).max { $0.rank < $1.rank } ?? .usual }
    /// What is looked at to count a record that matches: by what it is grouped, and what is measured.
    package var countingReach: Reach {
        let columns = watches.flatMap(\.inputs).flatMap { input in
            if case .record(let group, let values) = input.origin { group + values } else { [SigmaField.Column]() }
        }
        return columns.map(\.reach).max { $0.rank < $1.rank } ?? .usual
    }

    /// Those of `rows`, which rise, that one rule at least matches.
    package func matching(_ columns: borrowing FlowColumns, _ rows: [Int32]) -> [Int32] {
        guard let first = rows.first, let last = rows.last else { return [] }
        var matches: [SigmaMatch] = [], kept: [Int32] = [], place = 0
        let all = Int(first)..<(Int(last) + 1)
        if 4 * rows.count > all.count {
            matcher.match(columns, rows: all, into: &matches)
        } else {
            for row in rows { matcher.match(columns, rows: Int(row)..<(Int(row) + 1), into: &matches) }
        }
        for match in matches where match.row != kept.last {
            while place < rows.count, rows[place] < match.row { place += 1 }
            if place < rows.count, rows[place] == match.row { kept.append(match.row) }
        }
        return kept
    }
}

extension SigmaRuleSet.Reach {
    var rank: Int {
        switch self {
        case .usual: 0
        case .times: 1
        case .all: 2
        }
    }
}

extension SigmaPredicate {
    fileprivate var reach: SigmaRuleSet.Reach {
        switch self {
        case .constant: .usual
        case .not(let inner): inner.reach
        case .and(let members), .or(let members): members.map(\.reach).max { $0.rank < $1.rank } ?? .usual
        case .test(let test): test.reach
        }
    }
}

extension SigmaField.Column {
    fileprivate var reach: SigmaRuleSet.Reach {
        switch self {
        case .address(let column): column.isEnd ? .usual : .all
        case .number(let column): column.reach
        }
    }
}

extension SigmaTest {
    fileprivate var reach: SigmaRuleSet.Reach {
        switch self {
        case .number(let column, _), .timePart(let column, _, _): column.reach
        case .sameNumber(let a, let b): a.reach.rank > b.reach.rank ? a.reach : b.reach
        case .address(let column, _), .addressText(let column, _): column.isEnd ? .usual : .all
        case .sameAddress(let a, let b): a.isEnd && b.isEnd ? .usual : .all
        }
    }
}

extension AddressColumn {
    fileprivate var isEnd: Bool { self != .nextHop && self != .exporter }
}

extension NumberColumn {
    fileprivate var reach: SigmaRuleSet.Reach {
        switch self {
        case .sourcePort, .destinationPort, .originatorPort, .responderPort, .transport, .octets, .packets,
            .originatorOctets, .responderOctets, .originatorPackets, .responderPackets, .flows, .controlBits, .refused,
            .initiated, .connectionState, .service, .sourceIsV6, .destinationIsV6, .originatorIsLocal,
            .responderIsLocal:
            .usual
        case .duration, .start, .end, .received: .times
        default: .all
        }
    }
}
