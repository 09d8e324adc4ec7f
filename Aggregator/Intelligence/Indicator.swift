/// One indicator: what to look for among addresses, and what its feed says about it.
package import FlowModel

/// What a record can be matched with. A lone address is a network of one.
package enum IndicatorSubject: Hashable, Sendable, CustomStringConvertible {
    case network(IPNetwork)
    case autonomousSystem(UInt32)

    package var description: String {
        switch self {
        case .network(let network): network.isHost ? "\(network.address)" : "\(network)"
        case .autonomousSystem(let number): "AS\(number)"
        }
    }

    /// Reads `192.0.2.1`, `2001:db8::/32`, `AS64496`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        if let network = IPNetwork(text) {
            self = .network(network)
        } else if let number = Self.systemNumber(text, prefixNeeded: true) {
            self = .autonomousSystem(number)
        } else {
            return nil
        }
    }

    /// The address, where it is about one alone.
    package var host: IPAddress? {
        guard case .network(let network) = self, network.isHost else { return nil }
        return network.address
    }

    /// `AS64496`, or `64496` where the place says what it is. 0 is no system (RFC 7607).
    static func systemNumber(_ text: some StringProtocol, prefixNeeded: Bool) -> UInt32? {
        let hasPrefix = text.utf8.starts(with: "AS".utf8) || text.utf8.starts(with: "as".utf8)
        guard hasPrefix || !prefixNeeded else { return nil }
        let digits = hasPrefix ? text.dropFirst(2) : text[...]
        guard (1...10).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt32(digits), number != 0
        else { return nil }
        return number
    }
}

extension IPNetwork {
    var isHost: Bool { length == (address.isV4 ? 32 : 128) }
}

/// To whom an indicator may be shown: the Traffic Light Protocol 2.0 of FIRST; `white` of version 1 is `clear`.
package enum TrafficLight: String, Sendable, Codable, CaseIterable, Comparable {
    case clear, green, amber
    case amberStrict = "amber+strict"
    case red

    package init?(label: some StringProtocol) {
        let name = label.lowercased().replacing("_", with: "+").replacing("-", with: "+")
        self.init(rawValue: name == "white" ? "clear" : name)
    }
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    package static func < (a: TrafficLight, b: TrafficLight) -> Bool { a.rank < b.rank }
}

/// What many indicators of a feed have in common. A class, so that a million of them hold one.
package final class IndicatorContext: Hashable, Sendable {
    package let labels: [String]
    package let malwareFamily: String?
    /// ATT&CK technique ids, such as `T1071.001`.
    package let techniques: [String]
    package let trafficLight: TrafficLight?

    package init(
        labels: [String] = [], malwareFamily: String? = nil, techniques: [String] = [],
        trafficLight: TrafficLight? = nil
    ) {
        self.labels = Array(labels.prefix(Limit.labelsMax)).map(Limit.short)
        self.malwareFamily = malwareFamily.map(Limit.short)
        self.techniques = Array(techniques.prefix(Limit.labelsMax)).map(Limit.short)
        self.trafficLight = trafficLight
    }

    package static func == (a: IndicatorContext, b: IndicatorContext) -> Bool {
        a === b
            || (a.labels == b.labels && a.malwareFamily == b.malwareFamily && a.techniques == b.techniques
                && a.trafficLight == b.trafficLight)
    }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(labels)
        hasher.combine(malwareFamily)
        hasher.combine(techniques)
        hasher.combine(trafficLight)
    }
}

package struct Indicator: Equatable, Sendable {
    package var subject: IndicatorSubject
    /// The peer's port, where the indicator names one; 0 is any.
    package var port: UInt16 = 0
    /// 0 to 100.
    package var confidence: UInt8
    /// All in ms since 1970 UTC; nil is not known. From `expires` on it matches nothing; nil is never.
    package var firstSeen: Int64?
    package var lastSeen: Int64?
    package var expires: Int64?
    package var context: IndicatorContext

    package init(
        _ subject: IndicatorSubject, port: UInt16 = 0, confidence: UInt8, firstSeen: Int64? = nil,
        lastSeen: Int64? = nil, expires: Int64? = nil, context: IndicatorContext
    ) {
        self.subject = subject
        self.port = port
        self.confidence = min(confidence, 100)
        (self.firstSeen, self.lastSeen, self.expires) = (firstSeen, lastSeen, expires)
        self.context = context
    }
}

/// A source of indicators, and how far it is believed.
package struct FeedSource: Codable, Equatable, Sendable {
    /// Stable and unique among a tenant's feeds.
    package var name: String
    /// 0 to 1: how often this feed is right. 0 is a feed that is shown and never scores.
    package var weight: Double = 0.5
    /// 0 to 100, for indicators that say nothing themselves.
    package var confidence: Int = 50
    /// Added to each indicator's own.
    package var labels: [String] = []
    package var trafficLight: TrafficLight?
    /// For indicators without an end of their own: days after they were last seen; nil is never.
    package var lifetimeDays: Double? = 30
    /// Whether addresses that are not on the Internet may be indicators: a site's own list may want that.
    package var allowsPrivate = false

    package init(name: String) { self.name = name }

    /// Missing keys take the defaults.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(name: try container.decode(String.self, forKey: .name))
        weight = try container.decodeIfPresent(Double.self, forKey: .weight) ?? weight
        confidence = try container.decodeIfPresent(Int.self, forKey: .confidence) ?? confidence
        labels = try container.decodeIfPresent([String].self, forKey: .labels) ?? labels
        trafficLight = try container.decodeIfPresent(TrafficLight.self, forKey: .trafficLight)
        lifetimeDays = try container.decodeIfPresent(Double.self, forKey: .lifetimeDays) ?? lifetimeDays
        allowsPrivate = try container.decodeIfPresent(Bool.self, forKey: .allowsPrivate) ?? allowsPrivate
        try check()
    }
    enum CodingKeys: String, CodingKey {
        case name, weight, confidence, labels, trafficLight, lifetimeDays, allowsPrivate
    }

    /// - Throws: `SettingFault` that names what is out of range.
    package func check() throws(SettingFault) {
        try SettingFault.check(!name.isEmpty && name.utf8.count <= Limit.textOctetsMax, "name", "1...256 octets")
        try SettingFault.check((0...1).contains(weight), "weight", "0...1")
        try SettingFault.check((0...100).contains(confidence), "confidence", "0...100")
        try SettingFault.check((0...36_500).contains(lifetimeDays ?? 0), "lifetimeDays", "0...36500")
    }
}

/// A setting of a feed or of the scoring that can't be meant.
package struct SettingFault: Error, Equatable, Sendable, CustomStringConvertible {
    package let key: String, allowed: String
    package var description: String { "\(key) must be in \(allowed)" }

    package init(key: String, allowed: String) { (self.key, self.allowed) = (key, allowed) }
    static func check(_ isRight: Bool, _ key: String, _ allowed: String) throws(SettingFault) {
        guard isRight else { throw SettingFault(key: key, allowed: allowed) }
    }
}

/// Every bound of this module.
package enum Limit {
    package static let feedOctetsMax = 256 << 20
    package static let lineOctetsMax = 4_096
    /// A page of TAXII, an event of MISP: decoded as a whole, so smaller than what is read by the line.
    package static let documentOctetsMax = 64 << 20
    package static let objectsMax = 1_000_000
    /// Indicators of all feeds of one set.
    package static let indicatorsMax = 2_000_000
    package static let labelsMax = 16
    package static let textOctetsMax = 256
    package static let columnsMax = 256
    package static let patternOctetsMax = 64 << 10
    package static let patternDepthMax = 32
    package static let patternTermsMax = 10_000
    package static let examplesMax = 50
    package static let lookupLinesMax = 10_000
    package static let adjustmentsMax = 256
    package static let pagesMax = 10_000
    /// Wider networks are refused: one wrong line must not mark a large part of the Internet.
    package static let v4LengthMin = 8, v6LengthMin = 20

    static func short(_ text: String) -> String {
        text.utf8.count <= textOctetsMax ? text : String(decoding: text.utf8.prefix(textOctetsMax), as: UTF8.self)
    }
}
