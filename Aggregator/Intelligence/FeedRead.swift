/// What came of reading a feed: the indicators, and for everything else a name and a count.
package import FlowModel

/// Why a line, an object or an attribute gave no indicator. The raw value is the metric label.
package enum FeedRefusal: String, Sendable, Codable, CaseIterable {
    /// Neither an address nor a network nor a system.
    case notAnIndicator = "not_an_indicator"
    /// Something else to look for, which flows don't show: a name, a URL, a hash.
    case otherKind = "other_kind"
    case notPublic = "not_public"
    case tooWide = "too_wide"
    case lineTooLong = "line_too_long"
    /// The document is larger, or has more in it, than is read.
    case tooMuch = "too_much"
    /// Its end lay before the reading.
    case expired
    case revoked
    /// MISP: the attribute is not meant for detection (`to_ids` is false).
    case notForDetection = "not_for_detection"
    case deleted
    /// The object or document does not have the form it must have.
    case malformed
    /// A STIX pattern, or a part of one, that flows can't tell.
    case pattern
    /// A confidence, a time or a port that can't be one.
    case badValue = "bad_value"
}

package struct FeedRead: Equatable, Sendable {
    package struct Example: Equatable, Sendable, Codable {
        /// `line 7`, or the id of an object.
        package var place: String
        package var reason: FeedRefusal
        package var detail: String
    }
    package let source: FeedSource
    /// When it was read, in ms since 1970 UTC.
    package let time: Int64
    package private(set) var indicators: [Indicator] = []
    package private(set) var refusals: [FeedRefusal: Int] = [:]
    /// The first of what was refused; at most `Limit.examplesMax`.
    package private(set) var examples: [Example] = []

    package init(source: FeedSource, time: Int64) {
        self.source = source
        self.time = time
    }

    package var refused: Int { refusals.values.reduce(0, +) }

    package mutating func refuse(_ reason: FeedRefusal, at place: @autoclosure () -> String, _ detail: String = "") {
        refusals[reason, default: 0] += 1
        guard examples.count < Limit.examplesMax else { return }
        examples.append(Example(place: Limit.short(place()), reason: reason, detail: Limit.short(detail)))
    }

    /// Takes `indicator` with the source's lifetime where it has no end, unless it is none this source may give.
    package mutating func take(_ indicator: Indicator, at place: @autoclosure () -> String) {
        var indicator = indicator
        if indicator.expires == nil, let days = source.lifetimeDays {
            indicator.expires = (indicator.lastSeen ?? time).adding(days: days)
        }
        let reason = refusal(of: indicator)
        if let reason {
            refuse(reason, at: place(), indicator.subject.description)
        } else if indicators.count >= Limit.indicatorsMax {
            refuse(.tooMuch, at: place())
        } else {
            indicators.append(indicator)
        }
    }

    /// Appends one that was taken before.
    mutating func append(_ indicator: Indicator) {
        if indicators.count < Limit.indicatorsMax { indicators.append(indicator) } else { refuse(.tooMuch, at: "feed") }
    }
    /// Takes the indicators from `index` on out again.
    mutating func removeIndicators(from index: Int) -> [Indicator] {
        defer { indicators.removeSubrange(index...) }
        return Array(indicators[index...])
    }

    private func refusal(of indicator: Indicator) -> FeedRefusal? {
        if let expires = indicator.expires, expires <= time { return .expired }
        guard case .network(let network) = indicator.subject else { return nil }
        guard network.length >= (network.address.isV4 ? Limit.v4LengthMin : Limit.v6LengthMin) else { return .tooWide }
        return source.allowsPrivate || network.isOnInternet ? nil : .notPublic
    }

    /// The source's own labels, light and confidence, for indicators that come without.
    package var defaultContext: IndicatorContext {
        IndicatorContext(labels: source.labels, trafficLight: source.trafficLight)
    }
    var defaultConfidence: UInt8 { UInt8(clamping: min(max(source.confidence, 0), 100)) }
}

extension Int64 {
    func adding(days: Double) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(Int64(Swift.min(Swift.max(days, 0), 1e6) * 86_400_000))
        return overflow ? .max : sum
    }
}

extension IPNetwork {
    /// Whether hosts on the Internet can have its addresses: of IPv6 those of 2000::/3; of IPv4 all but what IANA's
    /// registry of special-purpose addresses keeps from being routed. Examples (RFC 5737) count as hosts.
    package var isOnInternet: Bool {
        if !address.isV4 { return address.high >> 61 == 1 }
        return !Self.special.contains { $0.contains(address) || contains($0.address) }
    }
    private static let special: [IPNetwork] = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
    ].compactMap { IPNetwork($0) }
}
