/// All that is known about an address, a network or a system: the answer behind `GET /v1/intel/lookup`, for one or for
/// many.
package import FlowModel

/// Where an address is and whom it belongs to, as some table has it.
package struct AddressOrigin: Codable, Equatable, Sendable {
    /// Two letters of ISO 3166-1.
    package var country: String?
    package var systemNumber: UInt32?
    package var systemName: String?
    /// Of the tenant's own networks, the narrowest that has it: its name and tags.
    package var network: String?
    package var tags: [String]?
    /// What DNS calls it: whoever runs the address says so.
    package var name: String?
    /// What the tenant's own enrichers say.
    package var annotations: [Annotation]?

    /// What one enricher says of an address.
    package struct Annotation: Codable, Equatable, Sendable {
        package var program: String
        package var country: String?, systemNumber: UInt32?, name: String?
        package var labels: [String]?

        package init(
            program: String, country: String? = nil, systemNumber: UInt32? = nil, name: String? = nil,
            labels: [String] = []
        ) {
            (self.program, self.country, self.systemNumber, self.name) = (program, country, systemNumber, name)
            self.labels = labels.isEmpty ? nil : labels
        }
    }

    package init(country: String? = nil, systemNumber: UInt32? = nil, systemName: String? = nil) {
        (self.country, self.systemNumber, self.systemName) = (country, systemNumber, systemName)
    }
}

/// When and how often a tenant's flows had an indicator. Made for one tenant by who keeps its history.
package protocol SightingSource: Sendable {
    /// - Returns: one for each subject, in their order; nil where nothing was seen.
    /// - Throws: what keeps history from being read; the answer then has no sightings and says why.
    func sightings(of subjects: [IndicatorSubject]) async throws -> [Sighting?]
}

package struct Sighting: Codable, Equatable, Sendable {
    /// Event times in ms since 1970 UTC.
    package var first: Int64, last: Int64
    package var flows: UInt64, octets: UInt64
    /// Own hosts that were in contact.
    package var hosts: Int

    package init(first: Int64, last: Int64, flows: UInt64, octets: UInt64, hosts: Int) {
        (self.first, self.last, self.flows, self.octets, self.hosts) = (first, last, flows, octets, hosts)
    }
}

package struct LookupAnswer: Codable, Equatable, Sendable {
    package struct Known: Codable, Equatable, Sendable {
        package var feed: String, indicator: String
        package var port: UInt16?
        package var confidence: Int
        /// In ms since 1970 UTC.
        package var firstSeen: Int64?, lastSeen: Int64?, expires: Int64?
        package var isExpired: Bool
        package var labels: [String]
        package var malwareFamily: String?
        package var techniques: [String]
        package var trafficLight: TrafficLight?
    }
    /// As it was asked.
    package var query: String
    /// `line 3`, in answers to lists.
    package var place: String?
    /// Why there is no answer: the question is not one.
    package var fault: String?
    /// As it was understood.
    package var subject: String?
    package var known: [Known] = []
    /// For networks: how many narrower networks and addresses in it are indicators.
    package var within: Int?
    package var score: Score?
    package var allowedBy: [String] = []
    package var origin: AddressOrigin?
    package var sighting: Sighting?
    /// Why there are no sightings though there may be some.
    package var sightingsFault: String?
}

package struct IndicatorLookup: Sendable {
    private let intelligence: Intelligence
    /// In ms since 1970 UTC: of the question, for expiry and age.
    private let time: Int64
    private let origin: @Sendable (IPAddress) -> AddressOrigin?

    package init(
        _ intelligence: Intelligence, at time: Int64, origin: @escaping @Sendable (IPAddress) -> AddressOrigin?
    ) {
        self.intelligence = intelligence
        self.time = time
        self.origin = origin
    }

    /// What is known about `text`: an address, a network or a system (`AS64496`).
    package func answer(_ text: String) -> LookupAnswer {
        var answer = LookupAnswer(query: Limit.short(text))
        guard let subject = IndicatorSubject(text) else {
            answer.fault = "neither an address nor a network nor a system such as AS64496"
            return answer
        }
        answer.subject = subject.description
        switch subject {
        case .network(let network): fill(&answer, network)
        case .autonomousSystem(let number):
            fill(&answer, intelligence.indicators.matches(.absent, system: number, at: nil))
        }
        return answer
    }

    private func fill(_ answer: inout LookupAnswer, _ network: IPNetwork) {
        let (indicators, isHost) = (intelligence.indicators, network.isHost)
        answer.allowedBy =
            isHost
            ? intelligence.allowed.lists(holding: network.address) : intelligence.allowed.lists(holding: network)
        if isHost {
            let origin = origin(network.address)
            answer.origin = origin
            fill(&answer, indicators.matches(network.address, system: origin?.systemNumber ?? 0, at: nil))
        } else {
            let (matches, within) = indicators.covering(network)
            answer.within = within
            fill(&answer, matches)
        }
    }

    private func fill(_ answer: inout LookupAnswer, _ matches: [IndicatorSet.Match]) {
        let feeds = intelligence.indicators.feeds
        answer.known = matches.map { match in
            let (indicator, context) = (match.indicator, match.indicator.context)
            return LookupAnswer.Known(
                feed: feeds[match.feed].name, indicator: indicator.subject.description,
                port: indicator.port == 0 ? nil : indicator.port, confidence: Int(indicator.confidence),
                firstSeen: indicator.firstSeen, lastSeen: indicator.lastSeen, expires: indicator.expires,
                isExpired: isExpired(indicator), labels: context.labels, malwareFamily: context.malwareFamily,
                techniques: context.techniques, trafficLight: context.trafficLight)
        }
        let valid = matches.filter { !isExpired($0.indicator) }
        guard !valid.isEmpty else { return }
        answer.score = intelligence.rules.score(
            valid, feeds: feeds, contact: nil, allowedBy: answer.allowedBy, at: time)
    }
    private func isExpired(_ indicator: Indicator) -> Bool { indicator.expires.map { $0 <= time } ?? false }

    /// Answers for a list, one for each of its rows; one more where it had too many.
    package func answers(to list: LookupList) -> [LookupAnswer] {
        list.rows.map { row in
            var answer = row.fault == nil ? answer(row.text) : LookupAnswer(query: Limit.short(row.text))
            answer.fault = row.fault ?? answer.fault
            answer.place = "line \(row.line)"
            return answer
        }
    }

    /// Adds to `answers` what `source` has seen of their subjects.
    package static func addSightings(
        to answers: [LookupAnswer], from source: some SightingSource
    ) async -> [LookupAnswer] {
        var answers = answers
        let asked = answers.indices.compactMap { index in
            answers[index].subject.flatMap { IndicatorSubject($0) }.map { (index: index, subject: $0) }
        }
        guard !asked.isEmpty else { return answers }
        do {
            let sightings = try await source.sightings(of: asked.map(\.subject))
            for (question, sighting) in zip(asked, sightings) { answers[question.index].sighting = sighting }
        } catch {
            for question in asked { answers[question.index].sightingsFault = "\(error)" }
        }
        return answers
    }
}
