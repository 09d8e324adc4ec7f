/// The rule for the two frequent cases: one row of a conversation known from before, two of a new one. What they do is
/// what `Settlement` does with any number, without its lists.
extension Referee {
    /// One row of a conversation that is known from before.
    @inline(__always)
    func settle(_ row: Sighting, _ known: inout Conversation, _ verdicts: inout WindowVerdicts) {
        var coverage = known.sighting(Sighting.noRow)
        if row.point == coverage.point {
            tellPending(&known, to: row, &verdicts)
            continueWith(row, &coverage)
            known.cover(coverage)
            return
        }
        switch verdict(on: row, beside: coverage) {
        case .elsewhere:
            verdicts.isElsewhere(row.row)
            if row.point.exporter != coverage.point.exporter { known.pending = UInt32(row.point.exporter) }
        case .disputed: verdicts.disputed += 1
        case .incomparable: break
        case .apart:
            // The canonical observer has fallen silent: whoever still sees the flow takes its place.
            guard row.end > coverage.end + tolerance else { break }
            known.cover(row)
            known.pending = 0
        }
    }

    /// Two rows of a conversation that was not known; `known` has nothing pending.
    @inline(__always)
    func settle(_ a: Sighting, _ b: Sighting, _ known: inout Conversation, _ verdicts: inout WindowVerdicts) {
        if a.point == b.point {
            var coverage = a
            continueWith(b, &coverage)
            known.cover(coverage)
            return
        }
        let isFirst = isPreferred(a, to: b)
        var canonical = isFirst ? a : b
        let other = isFirst ? b : a
        switch verdict(on: other, beside: canonical) {
        case .elsewhere:
            verdicts.isElsewhere(other.row)
            if other.point.exporter != canonical.point.exporter {
                verdicts.note(UInt32(other.point.exporter), on: canonical.row)
            }
        case .disputed: verdicts.disputed += 1
        case .incomparable, .apart: break
        }
        canonical.shorten(to: horizon)
        known.cover(canonical)
    }

    private func continueWith(_ row: Sighting, _ coverage: inout Sighting) {
        if coverage.join(row, tolerance: tolerance) {
            coverage.shorten(to: horizon)
        } else if row.end > coverage.end {
            coverage = row
        }
    }
    /// An observer whose row went while the canonical one had none in the window is told to its next.
    @inline(__always)
    func tellPending(_ known: inout Conversation, to row: Sighting, _ verdicts: inout WindowVerdicts) {
        guard known.pending != 0 else { return }
        verdicts.note(known.pending, on: row.row)
        known.pending = 0
    }
}
