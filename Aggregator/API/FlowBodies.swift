internal import FlowModel
internal import Query
internal import QueryEngine

/// Answers about flows as JSON has them.
struct Sums: Encodable {
    let octetDeltaCount: UInt64, packetDeltaCount: UInt64, deltaFlowCount: UInt64
    init(_ tally: Tally) {
        (octetDeltaCount, packetDeltaCount, deltaFlowCount) = (tally.octets, tally.packets, tally.flows)
    }
}

/// A group's key: `key` is its values with spaces between, `keys` each by its name.
struct KeyBody: Encodable {
    let key: String, keys: [String: String]
    init(_ group: FlowGroupKey, _ keys: [FlowKey], _ veil: DrawnVeil) {
        let group = veil.shown(group)
        key = keys.map { $0.text(of: group) }.joined(separator: " ")
        self.keys = Dictionary(
            keys.map { ($0.rawValue, $0.text(of: group)) }, uniquingKeysWith: { first, _ in first })
    }
}

struct GroupBody: Encodable {
    private let key: KeyBody, sums: Sums, measure: FlowMeasure, value: UInt64

    init(_ group: FlowGroup, _ keys: [FlowKey], _ measure: FlowMeasure, _ veil: DrawnVeil) {
        (key, sums, self.measure) = (KeyBody(group.key, keys, veil), Sums(group.tally), measure)
        value = measure.value(of: group)
    }
    func encode(to encoder: any Encoder) throws {
        try key.encode(to: encoder)
        try sums.encode(to: encoder)
        guard ![.octets, .packets, .flows].contains(measure) else { return }
        var container = encoder.container(keyedBy: Name.self)
        try container.encode(value, forKey: Name(stringValue: measure.rawValue))
    }
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

struct TopBody: Encodable {
    let items: [GroupBody], total: Sums, groupCount: Int, other: Sums, complete: Bool,
        plan: EffortBody?
    let names: NamesBody?
}

/// Names of addresses, by address. Nil for none.
struct NamesBody: Encodable {
    private let names: [String: String]

    init?(_ names: [IPAddress: String]) {
        guard !names.isEmpty else { return nil }
        self.names = Dictionary(uniqueKeysWithValues: names.map { ("\($0.key)", $0.value) })
    }
    func encode(to encoder: any Encoder) throws { try names.encode(to: encoder) }
}

struct SeriesBody: Encodable {
    struct Line: Encodable {
        let key: String, keys: [String: String], total: Sums
        let octetDeltaCount: [UInt64], packetDeltaCount: [UInt64], deltaFlowCount: [UInt64]

        init(_ key: KeyBody, total: Tally, _ buckets: [Tally]) {
            (self.key, keys, self.total) = (key.key, key.keys, Sums(total))
            octetDeltaCount = buckets.map(\.octets)
            packetDeltaCount = buckets.map(\.packets)
            deltaFlowCount = buckets.map(\.flows)
        }
    }
    /// ms since 1970 UTC, and ms.
    let from: Int64, period: Int64
    let items: [Line], other: Line, groupCount: Int, fromRollups: Bool, complete: Bool,
        plan: EffortBody?

    init(_ answer: SeriesAnswer, _ keys: [FlowKey], _ veil: DrawnVeil, explains: Bool) {
        let series = answer.series
        (from, period, groupCount) = (series.from, series.period, series.groupCount)
        items = series.series.map { Line(KeyBody($0.key, keys, veil), total: $0.total, $0.buckets) }
        var rest = Tally()
        for bucket in series.other { rest += bucket }
        other = Line(KeyBody(FlowGroupKey(), [], veil), total: rest, series.other)
        (fromRollups, complete) = (answer.isFromRollups, answer.effort.isComplete)
        plan = explains ? EffortBody(answer.effort) : nil
    }
}

struct PercentilesBody: Encodable {
    struct Line: Encodable {
        let key: String, keys: [String: String], total: Sums
        /// Bits per second.
        let percentile: UInt64, most: UInt64, mean: UInt64
    }
    let percent: Double, items: [Line], complete: Bool, plan: EffortBody?

    init(_ answer: PercentileAnswer, _ keys: [FlowKey], _ veil: DrawnVeil, explains: Bool) {
        percent = answer.percent
        items = answer.lines.map { line in
            let key = KeyBody(line.key, keys, veil)
            return Line(
                key: key.key, keys: key.keys, total: Sums(line.total), percentile: line.percentile,
                most: line.most,
                mean: line.mean)
        }
        complete = answer.effort.isComplete
        plan = explains ? EffortBody(answer.effort) : nil
    }
}

struct DistinctBody: Encodable {
    struct Line: Encodable {
        let key: String, keys: [String: String], count: UInt64
    }
    let count: UInt64, items: [Line], complete: Bool, plan: EffortBody?

    init(_ answer: DistinctAnswer, _ groups: [FlowKey], _ veil: DrawnVeil, explains: Bool) {
        count = answer.count.value
        items = answer.groups.map { group in
            let key = KeyBody(group.key, groups, veil)
            return Line(key: key.key, keys: key.keys, count: group.rows)
        }
        complete = answer.effort.isComplete
        plan = explains ? EffortBody(answer.effort) : nil
    }
}

struct ConversationsBody: Encodable {
    struct Line: Encodable {
        let source: String, destination: String, protocolIdentifier: UInt8
        let sourceTransportPort: UInt16, destinationTransportPort: UInt16
        let sent: Sums, received: Sums, start: Int64, end: Int64
    }
    let items: [Line], count: Int, complete: Bool, plan: EffortBody?

    init(_ answer: ConversationsAnswer, _ veil: DrawnVeil, explains: Bool) {
        items = answer.conversations.map { one in
            Line(
                source: veil.shown(one.source).description, destination: veil.shown(one.destination).description,
                protocolIdentifier: one.protocolIdentifier, sourceTransportPort: one.sourceTransportPort,
                destinationTransportPort: one.destinationTransportPort, sent: Sums(one.sent),
                received: Sums(one.received), start: one.period.lowerBound, end: one.period.upperBound)
        }
        (count, complete) = (answer.count, answer.effort.isComplete)
        plan = explains ? EffortBody(answer.effort) : nil
    }
}

/// What an answer cost and what was skipped.
struct EffortBody: Encodable {
    let segments: Int, skippedByTime: Int, skippedByBounds: Int, skippedByBloom: Int, blocks: Int,
        blocksSkipped: Int
    let rows: Int, matched: Int, bytesRead: Int, scratchBytes: Int, unreadable: Int, cutShort: Bool

    init(_ effort: QueryEffort) {
        (segments, skippedByTime) = (effort.segments, effort.skippedByTime)
        (skippedByBounds, skippedByBloom) = (effort.skippedByBounds, effort.skippedByBloom)
        (blocks, blocksSkipped, rows, matched) = (
            effort.blocks, effort.blocksSkipped, effort.rows, effort.matched
        )
        (bytesRead, scratchBytes) = (effort.bytesRead, effort.scratchBytes)
        (unreadable, cutShort) = (effort.unreadable, effort.isCutShort)
    }
}
