internal import FlowModel

/// The rule: which of two sightings is the canonical one, and whether the other is superfluous beside it. Pure.
struct Referee {
    /// What the rule says of a row beside a canonical one.
    enum Verdict {
        /// The same packets, counted there.
        case elsewhere
        /// At another time: nobody else saw it.
        case apart
        /// At the same time, but the canonical observer saw less than half as much: another path, perhaps.
        case disputed
        /// Sampled differently: neither says what the other saw.
        case incomparable
    }
    let tolerance: Int64
    /// The longest stretch that is remembered, in ms.
    let horizon: Int64
    /// By the memory's number of an exporter: its place in the operator's list, and its key.
    var ranks: [UInt32] = []
    var keys: [ExporterKey] = []

    /// A row is superfluous only if at least half of its span lies within the canonical sighting, a tolerance wider
    /// at both ends. With different active timeouts the end of a long flow comes from one observer before the other
    /// has reported it: to call any touch an overlap would lose that end.
    func verdict(on row: Sighting, beside canonical: Sighting) -> Verdict {
        guard isComparable(row, canonical) else { return .incomparable }
        let overlap = overlap(of: row, canonical), span = row.end - row.start
        guard overlap >= 0, 2 * overlap >= span else { return .apart }
        return isDisputed(row, canonical, share: overlap < span ? Float(overlap) / Float(span) : 1)
            ? .disputed : .elsewhere
    }
    /// In ms; negative when they are apart.
    func overlap(of row: Sighting, _ canonical: Sighting) -> Int64 {
        min(row.end, canonical.end + tolerance) - max(row.start, canonical.start - tolerance)
    }

    /// Samples of two exporters are independent: each is an estimate of its own. So a sampled row is superfluous only
    /// beside one that is known to have seen every packet, or beside one of its own exporter at the same interval.
    private func isComparable(_ row: Sighting, _ canonical: Sighting) -> Bool {
        if row.sampling <= 1 { return canonical.sampling <= 1 }
        if canonical.sampling == 1 { return true }
        return row.sampling == canonical.sampling && row.point.exporter == canonical.point.exporter
    }
    /// - Parameter share: the part of the row's span that the canonical sighting covers.
    private func isDisputed(_ row: Sighting, _ canonical: Sighting, share: Float) -> Bool {
        guard canonical.sampling <= 1, (row.weight < 0) == (canonical.weight < 0) else { return false }
        return 2 * abs(canonical.weight) < abs(row.weight) * share
    }

    /// A total order of points, so that the choice does not depend on the order of rows: the operator's list, the
    /// lower sampling interval (a known 1, then unknown, then what is sampled), ingress, more packets, the lower key.
    func isPreferred(_ a: Sighting, to b: Sighting) -> Bool {
        let rankA = ranks[a.point.exporter], rankB = ranks[b.point.exporter]
        if rankA != rankB { return rankA < rankB }
        let samplingA = samplingOrder(a.sampling), samplingB = samplingOrder(b.sampling)
        if samplingA != samplingB { return samplingA < samplingB }
        if a.point.isEgress != b.point.isEgress { return b.point.isEgress }
        if a.packets != b.packets { return a.packets > b.packets }
        let keyA = keys[a.point.exporter], keyB = keys[b.point.exporter]
        if keyA != keyB { return isLower(keyA, keyB) }
        return a.point.bits < b.point.bits
    }
    private func samplingOrder(_ interval: Float) -> Float { interval == 0 ? 1.5 : interval }

    private func isLower(_ a: ExporterKey, _ b: ExporterKey) -> Bool {
        if a.address != b.address { return a.address < b.address }
        if a.observationDomain != b.observationDomain { return a.observationDomain < b.observationDomain }
        return a.exportProtocol.rawValue < b.exportProtocol.rawValue
    }
}
