internal import Intelligence

/// What came of a feed's octets.
struct FeedParse: Sendable {
    var read: FeedRead
    /// Of allow-lists.
    var allowList: AllowList?

    /// - Parameter time: when the source said so, in ms since 1970 UTC: from then on indicators age.
    init(_ bytes: [UInt8], of feed: FeedSettings, isAllowList: Bool, time: Int64) {
        read = FeedRead(source: feed.source, time: time)
        switch (feed.format, isAllowList) {
        case (.warningList, _): allowList = read.readWarningList(bytes)
        case (_, true): allowList = read.readAllowList(bytes)
        case (.list, _): read.readList(bytes)
        case (.table, _): read.readTable(bytes, columns: feed.columns ?? TableColumns(value: "1"))
        case (.stix, _): read.readSTIX(bytes)
        case (.misp, _): read.readMISP(bytes)
        case (.mispFeed, _): for page in Pages.split(bytes).dropFirst() { read.readMISP(page) }
        case (.taxii, _): read.readTAXII(pages: Pages.split(bytes))
        }
        allowList?.name = feed.source.name
    }

    var count: Int { allowList?.networks.count ?? read.indicators.count }

    /// Why this can't be what was meant: nothing of it could be used, and some of it should have been. An empty feed
    /// is none of these, nor one of which all has expired or is of another kind.
    var problem: String? {
        guard count == 0 else { return nil }
        let broken: [FeedRefusal] = [.malformed, .notAnIndicator, .tooMuch, .lineTooLong, .badValue, .pattern]
        let refused = broken.reduce(0) { $0 + (read.refusals[$1] ?? 0) }
        guard refused > 0 else { return nil }
        let example = read.examples.first { broken.contains($0.reason) }
        let first = example.map { ", first \($0.place): \($0.reason.rawValue) \($0.detail)" } ?? ""
        return "nothing of it is an indicator: \(refused) refused\(first)"
    }
}
