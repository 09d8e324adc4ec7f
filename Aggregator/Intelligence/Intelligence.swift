/// What strangers are known for: indicators from feeds, what must not be reported, and how much a match matters.
///
/// Feeds come in as bytes and give indicators (`FeedRead`), with a name and a count for everything that gives none. All
/// of a tenant's, with the shared ones, make an `IndicatorSet`, which a record's two addresses are matched with in some
/// nanoseconds; `ScoreRules` weigh a match and say why; `IndicatorLookup` answers questions about single addresses.
/// Invariants: values without a clock, disk or network; what is read is bounded by `Limit` and never traps; the same
/// feeds in the same order give the same set.
/// Not here: fetching feeds, who has been in contact with whom (`Detect`), countries and systems (`Enrichment`).
package import FlowModel

/// All that detection needs to know about strangers at a time; replaced as a whole between two batches.
package struct Intelligence: Sendable {
    package let indicators: IndicatorLayers
    package let allowed: AllowTable
    package let rules: ScoreRules

    package static let none = Intelligence(indicators: .empty, allowed: AllowTable(), rules: ScoreRules())

    package init(indicators: IndicatorSet, allowed: AllowTable, rules: ScoreRules) {
        self.init(layers: IndicatorLayers(shared: indicators), allowed: allowed, rules: rules)
    }
    package init(layers: IndicatorLayers, allowed: AllowTable, rules: ScoreRules) {
        indicators = layers
        self.allowed = allowed
        self.rules = rules
    }

    /// What `address` scores in `contact` at `time`; nil when no indicator holds it then.
    /// - Parameters:
    ///   - port: the peer's own port, 0 where it is not known.
    ///   - system: of the address; 0 is unknown.
    package func score(
        _ address: IPAddress, port: UInt16, system: UInt32, contact: ContactFacts?, at time: Int64
    ) -> Score? {
        let matches = indicators.matches(address, port: port, system: system, at: time)
        guard !matches.isEmpty else { return nil }
        return rules.score(
            matches, feeds: indicators.feeds, contact: contact, allowedBy: allowed.lists(holding: address), at: time)
    }
}
