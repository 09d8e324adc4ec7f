/// How much a match matters, by rules that a tenant can set, and with every number that went into it.
///
/// The strength of an indicator is `weight of its feed × confidence × age × adjustments`, each from 0 to 1. Feeds
/// that agree add up as independent witnesses do: `1 - Π (1 - strength)`, of each feed its strongest indicator;
/// `agreement` scales what each further feed adds. The score is that in hundredths. Whatever an allow-list holds
/// scores nothing.
/// Invariants: the same indicators, rules and contact give the same score on every machine: only sums, products and
/// comparisons are used. Not here: what a contact is (`Detect`).

/// What happened between an own host and an indicator, as far as it is known.
package struct ContactFacts: Equatable, Sendable {
    package enum Direction: String, Sendable, Codable, CaseIterable { case outbound, inbound, unknown }
    package enum Outcome: String, Sendable, Codable, CaseIterable {
        /// The called end answered.
        case answered
        case unanswered
        /// A firewall refused it.
        case refused
    }
    package var direction: Direction
    package var outcome: Outcome
    /// The service's port; 0 where it is not known.
    package var port: UInt16

    package init(direction: Direction, outcome: Outcome, port: UInt16 = 0) {
        (self.direction, self.outcome, self.port) = (direction, outcome, port)
    }
}

package struct ScoreRules: Codable, Equatable, Sendable {
    /// A factor for what meets all conditions that are given; a list meets when one of it does.
    package struct Adjustment: Codable, Equatable, Sendable {
        /// Said in the explanation.
        package var name: String
        /// 0 to 1.
        package var factor: Double
        package var feeds, labels, malwareFamilies: [String]?
        package var subjects: [SubjectKind]?
        package var directions: [ContactFacts.Direction]?
        package var outcomes: [ContactFacts.Outcome]?
        package var ports: [UInt16]?

        package init(_ name: String, factor: Double) {
            self.name = name
            self.factor = factor
        }
    }
    package enum SubjectKind: String, Sendable, Codable, CaseIterable { case address, network, autonomousSystem }

    /// After this many days without being seen an indicator counts half; 0 is no ageing.
    package var halfLifeDays = 30.0
    /// Age alone never brings it below this.
    package var ageFactorMin = 0.1
    /// 0 to 1: what a further feed adds; 0 counts the strongest feed alone.
    package var agreement = 1.0
    package var adjustments = Self.usual
    /// Scores below this are not reported.
    package var reportMin = 10.0
    package var mediumMin = 40.0, highMin = 70.0, criticalMin = 90.0

    package init() {}

    /// Scanners call on everyone: what they send counts little, and least where nobody answered. Own hosts that call
    /// a listed address count in full. Systems, networks and anonymous relays hold many who did nothing.
    package static let usual: [Adjustment] = {
        var inbound = Adjustment("called from outside, no answer", factor: 0.15)
        (inbound.directions, inbound.outcomes) = ([.inbound], [.unanswered, .refused])
        var answered = Adjustment("called from outside, answered", factor: 0.4)
        (answered.directions, answered.outcomes) = ([.inbound], [.answered])
        var silent = Adjustment("called by an own host, no answer", factor: 0.6)
        (silent.directions, silent.outcomes) = ([.outbound], [.unanswered, .refused])
        var unknown = Adjustment("who called is not known", factor: 0.6)
        unknown.directions = [.unknown]
        var system = Adjustment("a whole system", factor: 0.25)
        system.subjects = [.autonomousSystem]
        var network = Adjustment("a network", factor: 0.7)
        network.subjects = [.network]
        var relay = Adjustment("an anonymous relay", factor: 0.5)
        relay.labels = ["tor", "anonymization", "proxy", "vpn"]
        var scanner = Adjustment("known for scanning", factor: 0.5)
        scanner.labels = ["scanner", "mass-scanner"]
        return [inbound, answered, silent, unknown, system, network, relay, scanner]
    }()

    /// Missing keys take the defaults.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func number(_ key: CodingKeys, _ usual: Double) throws -> Double {
            try container.decodeIfPresent(Double.self, forKey: key) ?? usual
        }
        halfLifeDays = try number(.halfLifeDays, halfLifeDays)
        ageFactorMin = try number(.ageFactorMin, ageFactorMin)
        agreement = try number(.agreement, agreement)
        reportMin = try number(.reportMin, reportMin)
        mediumMin = try number(.mediumMin, mediumMin)
        highMin = try number(.highMin, highMin)
        criticalMin = try number(.criticalMin, criticalMin)
        adjustments = try container.decodeIfPresent([Adjustment].self, forKey: .adjustments) ?? Self.usual
        try check()
    }
    enum CodingKeys: CodingKey {
        case halfLifeDays, ageFactorMin, agreement, adjustments, reportMin, mediumMin, highMin, criticalMin
    }

    /// - Throws: `SettingFault` that names what is out of range.
    package func check() throws(SettingFault) {
        try SettingFault.check((0...36_500).contains(halfLifeDays), "halfLifeDays", "0...36500")
        try SettingFault.check((0...1).contains(ageFactorMin), "ageFactorMin", "0...1")
        try SettingFault.check((0...1).contains(agreement), "agreement", "0...1")
        let limits = [0, reportMin, mediumMin, highMin, criticalMin, 100.01]
        let rises = zip(limits, limits.dropFirst()).allSatisfy { $0 <= $1 }
        try SettingFault.check(rises, "reportMin, mediumMin, highMin, criticalMin", "0...100, in rising order")
        try SettingFault.check(adjustments.count <= Limit.adjustmentsMax, "adjustments", "0...\(Limit.adjustmentsMax)")
        for adjustment in adjustments {
            try SettingFault.check((0...1).contains(adjustment.factor), "factor of '\(adjustment.name)'", "0...1")
        }
    }
}

/// A number from 0 to 100 and all it is made of.
package struct Score: Codable, Equatable, Sendable {
    package struct Term: Codable, Equatable, Sendable {
        package var name: String
        package var factor: Double
    }
    /// One feed's part: that of its strongest indicator.
    package struct Part: Codable, Equatable, Sendable {
        package var feed: String
        package var indicator: String
        /// The product of the terms.
        package var strength: Double
        package var terms: [Term]
    }
    package var value: Double
    /// The strongest first.
    package var parts: [Part]
    /// Names of the allow-lists that bring it to nothing.
    package var allowedBy: [String]

    package static let none = Score(value: 0, parts: [], allowedBy: [])
}

extension ScoreRules {
    /// - Parameters:
    ///   - contact: nil where an indicator is looked up and nothing happened: conditions on contacts are not met then.
    ///   - time: event time, or that of the question, in ms since 1970 UTC.
    package func score(
        _ matches: [IndicatorSet.Match], feeds: [FeedSource], contact: ContactFacts?, allowedBy: [String],
        at time: Int64
    ) -> Score {
        var best: [Int: Score.Part] = [:]
        for match in matches where match.feed < feeds.count {
            let part = part(match.indicator, feeds[match.feed], contact, at: time)
            if let known = best[match.feed], known.strength >= part.strength { continue }
            best[match.feed] = part
        }
        let parts = best.sorted { a, b in
            a.value.strength != b.value.strength ? a.value.strength > b.value.strength : a.key < b.key
        }
        .map(\.value)
        guard allowedBy.isEmpty else { return Score(value: 0, parts: parts, allowedBy: allowedBy) }
        var doubt = 1.0
        for (index, part) in parts.enumerated() {
            doubt *= 1 - part.strength * (index == 0 ? 1 : agreement)
        }
        return Score(value: ((1 - doubt) * 1_000).rounded() / 10, parts: parts, allowedBy: [])
    }

    private func part(
        _ indicator: Indicator, _ feed: FeedSource, _ contact: ContactFacts?, at time: Int64
    ) -> Score.Part {
        var terms = [
            Score.Term(name: "weight of the feed", factor: feed.weight),
            Score.Term(name: "confidence", factor: Double(indicator.confidence) / 100),
        ]
        if let seen = indicator.lastSeen {
            terms.append(Score.Term(name: "age", factor: ageFactor(milliseconds: max(time - seen, 0))))
        }
        for adjustment in adjustments where adjustment.meets(indicator, feed, contact) {
            terms.append(Score.Term(name: adjustment.name, factor: adjustment.factor))
        }
        let strength = terms.reduce(1) { $0 * min(max($1.factor, 0), 1) }
        return Score.Part(
            feed: feed.name, indicator: indicator.subject.description, strength: strength, terms: terms)
    }

    /// Halved each half-life, and along a straight line between: powers differ from one C library to the next.
    func ageFactor(milliseconds: Int64) -> Double {
        guard halfLifeDays > 0 else { return 1 }
        let lives = Double(milliseconds) / (halfLifeDays * 86_400_000)
        guard lives < 60 else { return ageFactorMin }
        let whole = lives.rounded(.down)
        let factor = (1 - (lives - whole) / 2) / Double(UInt64(1) << UInt64(whole))
        return max((factor * 10_000).rounded() / 10_000, ageFactorMin)
    }
}

extension ScoreRules.Adjustment {
    fileprivate func meets(_ indicator: Indicator, _ feed: FeedSource, _ contact: ContactFacts?) -> Bool {
        if let feeds, !feeds.contains(feed.name) { return false }
        if let labels, !labels.contains(where: { hasLabel($0, indicator) }) { return false }
        if let malwareFamilies {
            guard let family = indicator.context.malwareFamily, malwareFamilies.contains(family) else { return false }
        }
        if let subjects, !subjects.contains(ScoreRules.SubjectKind(indicator.subject)) { return false }
        guard directions != nil || outcomes != nil || ports != nil else { return true }
        guard let contact else { return false }
        return directions?.contains(contact.direction) != false && outcomes?.contains(contact.outcome) != false
            && ports?.contains(contact.port) != false
    }
    private func hasLabel(_ label: String, _ indicator: Indicator) -> Bool {
        indicator.context.labels.contains { $0.lowercased() == label.lowercased() }
    }
}

extension ScoreRules.SubjectKind {
    init(_ subject: IndicatorSubject) {
        switch subject {
        case .network(let network): self = network.isHost ? .address : .network
        case .autonomousSystem: self = .autonomousSystem
        }
    }
}
