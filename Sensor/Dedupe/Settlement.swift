/// Applies the rule to any number of rows of one conversation: those of a canonical point stay, others that they cover
/// go, and what is left over is settled among itself in the same way.
///
/// The result depends on the set of rows, not on their order.
struct Settlement {
    let referee: Referee
    /// Not yet settled, in order of point, then time.
    var rows: [Sighting]
    /// What was known of the conversation before; nil after the first round.
    var memory: Sighting?
    /// What will be remembered.
    private var latest: Sighting?
    /// The first canonical point has rows, so it stays canonical.
    private var isSticky = false
    private var disputed: Set<UInt32> = []

    /// A canonical point has at most so many stretches of time that are looked at, the latest, and what it leaves over
    /// is settled so many times. Rows beyond stay.
    private static let stretchesMax = 8, roundsMax = 4

    init(_ referee: Referee, _ rows: [Sighting], memory: Sighting?) {
        self.referee = referee
        self.rows = rows.sorted(by: Self.isBefore)
        self.memory = memory
    }

    mutating func run(_ known: inout Conversation, _ verdicts: inout WindowVerdicts) {
        for _ in 0..<Self.roundsMax where !rows.isEmpty { round(&known, &verdicts) }
        for row in rows where disputed.contains(row.row) { verdicts.disputed += 1 }
        if let latest { known.cover(latest) }
    }

    private mutating func round(_ known: inout Conversation, _ verdicts: inout WindowVerdicts) {
        let canonical = memory?.point ?? preferredPoint()
        let own = rows.filter { $0.point == canonical }
        if let first = own.first, memory != nil { referee.tellPending(&known, to: first, &verdicts) }
        for row in own where disputed.contains(row.row) { verdicts.disputed += 1 }
        let stretches = stretches(of: own)
        var rest: [Sighting] = []
        for row in rows where row.point != canonical {
            let stretch = nearest(row, stretches)
            switch referee.verdict(on: row, beside: stretch) {
            case .elsewhere:
                verdicts.isElsewhere(row.row)
                remember(row, stretch.row == Sighting.noRow ? own.first?.row : stretch.row, &known, &verdicts)
                continue
            case .disputed: disputed.insert(row.row)
            case .apart, .incomparable: break
            }
            rest.append(row)
        }
        conclude(stretches[stretches.count - 1], own, &known)
        memory = nil
        rows = rest
    }

    /// Notes that `row`'s exporter saw what the canonical row did.
    private func remember(
        _ row: Sighting, _ canonicalRow: UInt32?, _ known: inout Conversation, _ verdicts: inout WindowVerdicts
    ) {
        let observer = UInt32(row.point.exporter)
        if let canonicalRow {
            verdicts.note(observer, on: canonicalRow)  // of the same exporter: falls away when notes are written
        } else if row.point.exporter != memory?.point.exporter {
            known.pending = observer
        }
    }

    /// The first round's canonical point is remembered; if it had fallen silent, a later one that goes on after it.
    private mutating func conclude(_ last: Sighting, _ own: [Sighting], _ known: inout Conversation) {
        var coverage = last
        coverage.shorten(to: referee.horizon)
        guard let before = latest else {
            latest = coverage
            isSticky = !own.isEmpty
            return
        }
        guard !isSticky, coverage.end > before.end + referee.tolerance,
            referee.verdict(on: last, beside: before) == .apart
        else { return }
        latest = coverage
        known.pending = 0
    }
}

extension Settlement {
    private static func isBefore(_ a: Sighting, _ b: Sighting) -> Bool {
        if a.point != b.point { return a.point.bits < b.point.bits }
        if a.start != b.start { return a.start < b.start }
        if a.end != b.end { return a.end < b.end }
        // Sums of floating-point numbers depend on their order.
        return a.weight != b.weight ? a.weight < b.weight : a.row < b.row
    }

    /// The best point, by what its rows say together.
    private func preferredPoint() -> ObservationPoint {
        var best: Sighting?, sum = rows[0]
        func offer() {
            if best.map({ referee.isPreferred(sum, to: $0) }) ?? true { best = sum }
        }
        for row in rows.dropFirst() {
            if row.point == sum.point {
                sum.weight = sum.packets + row.packets
                sum.sampling = min(sum.sampling, row.sampling)
            } else {
                offer()
                sum = row
            }
        }
        offer()
        return best?.point ?? sum.point
    }

    /// The stretches of time that the canonical point covers, in order and apart from each other: its rows and what is
    /// remembered, joined. Never empty: there is one or the other.
    private func stretches(of own: [Sighting]) -> [Sighting] {
        var sources = own
        if let memory { sources.insert(memory, at: own.firstIndex { $0.start > memory.start } ?? own.count) }
        var stretches: [Sighting] = []
        for source in sources {
            if var last = stretches.last, last.join(source, tolerance: referee.tolerance) {
                if last.row == Sighting.noRow { last.row = source.row }
                stretches[stretches.count - 1] = last
            } else {
                if stretches.count == Self.stretchesMax { stretches.removeFirst() }
                stretches.append(source)
            }
        }
        return stretches
    }
    private func nearest(_ row: Sighting, _ stretches: [Sighting]) -> Sighting {
        var best = stretches[0]
        for stretch in stretches.dropFirst() where referee.overlap(of: row, stretch) > referee.overlap(of: row, best) {
            best = stretch
        }
        return best
    }
}
