import FlowModel
import Intelligence
import TestKit
import Testing

/// What the tests of feeds share.
enum Feeds {
    /// 2026-08-22T00:00:00Z.
    static let now: Int64 = 1_787_356_800_000
    static let day: Int64 = 86_400_000

    static func read(_ name: String = "feed", _ body: (inout FeedRead) -> Void) -> FeedRead {
        var read = FeedRead(source: FeedSource(name: name), time: now)
        body(&read)
        return read
    }
    static func list(_ text: String) -> FeedRead { read { $0.readList(Array(text.utf8)) } }
    static func subject(_ text: String) throws -> IndicatorSubject { try #require(IndicatorSubject(text)) }
    static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    static let folder = "enrich/threatintel"
    static let present = !Fixtures.files(in: folder, suffix: ".txt").isEmpty

    /// An indicator with nothing but what is given.
    static func indicator(
        _ text: String, port: UInt16 = 0, confidence: UInt8 = 80, lastSeen: Int64? = now, expires: Int64? = nil,
        labels: [String] = [], family: String? = nil, techniques: [String] = []
    ) throws -> Indicator {
        Indicator(
            try subject(text), port: port, confidence: confidence, lastSeen: lastSeen, expires: expires,
            context: IndicatorContext(labels: labels, malwareFamily: family, techniques: techniques))
    }
    static func source(_ name: String, weight: Double) -> FeedSource {
        var source = FeedSource(name: name)
        source.weight = weight
        return source
    }
}
