package import Intelligence

/// How a feed does, for people.
package struct FeedState: Codable, Equatable, Sendable {
    package enum Kind: String, Codable, Sendable { case indicators, allowList }
    package var name: String
    package var kind: Kind
    /// Of all tenants, or of the one that asks.
    package var isShared: Bool
    /// Without a file's folder and a URL's path.
    package var place: String
    package var format: String
    /// In use now; of an allow-list networks.
    package var indicators = 0
    /// Of the contents in use, by `FeedRefusal`.
    package var refused: [String: Int] = [:]
    package var examples: [FeedRead.Example] = []
    /// All in ms since 1970 UTC: when the source last said what is in use, when it was last asked, and when it will be.
    package var confirmed: Int64?, asked: Int64?
    /// In a row.
    package var failures = 0
    /// Of the last one; nil after a success.
    package var problem: String?

    static let examplesMax = 10

    init(_ feed: FeedSettings, kind: Kind, isShared: Bool) {
        name = feed.source.name
        self.kind = kind
        self.isShared = isShared
        place = feed.shownPlace
        format = feed.format.rawValue
    }

    mutating func note(_ parse: FeedParse, confirmed: Int64) {
        indicators = parse.count
        refused = Dictionary(uniqueKeysWithValues: parse.read.refusals.map { ($0.key.rawValue, $0.value) })
        examples = Array(parse.read.examples.prefix(Self.examplesMax))
        self.confirmed = confirmed
    }
}
