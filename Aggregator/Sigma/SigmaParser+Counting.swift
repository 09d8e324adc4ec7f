/// Counting in conditions, as rules before Sigma 2 did it: `selection | count(dst_port) by src_ip > 10` with a
/// `timeframe`. Such a rule is read as two documents that say the same today: the events, and a correlation of them.
import Detect

/// What stands behind the `|` of a condition, understood.
struct LegacyCount: Sendable {
    /// What stands before.
    let condition: String
    let kind: SigmaCorrelation.Kind
    let field: String?, group: String?
    let bound: SigmaCorrelation.Bound
    let milliseconds: Int64, timespan: String
    let place: SigmaPlace
}

extension DocumentReader {
    /// Notes what the rule counts, if it can be said as a correlation; else the condition is refused where it is read.
    mutating func readCount(_ map: [YAMLEntry]) {
        guard let condition = map.first(where: { $0.key == "condition" }), let text = condition.value.text,
            let frame = map.first(where: { $0.key == "timeframe" }), let pipe = text.firstIndex(of: "|")
        else { return }
        guard let span = readTimespan(frame, in: frame.value) else { return }
        let words = Self.words(text[text.index(after: pipe)...])
        guard let (kind, field) = words.first.flatMap(Self.measure) else { return }
        var rest = words.dropFirst(), group: String?
        if rest.first?.lowercased() == "by", rest.count == 4 {
            group = rest[rest.startIndex + 1]
            rest = rest.dropFirst(2)
        }
        guard rest.count == 2, let comparison = Self.comparisons[rest[rest.startIndex]],
            let value = Double(rest[rest.startIndex + 1]), value.isFinite, abs(value) <= 1e18
        else { return }
        count = LegacyCount(
            condition: String(text[..<pipe]), kind: kind, field: field, group: group,
            bound: .init(comparison: comparison, value: value), milliseconds: span.milliseconds, timespan: span.text,
            place: condition.place)
    }

    private static let comparisons: [String: SigmaCorrelation.Comparison] = [
        ">": .gt, ">=": .gte, "<": .lt, "<=": .lte, "=": .eq, "==": .eq,
    ]

    /// `count(a)` stays one word, whatever spaces are in it; comparisons are words of their own.
    private static func words(_ text: Substring) -> [String] {
        var words: [String] = [], word = "", depth = 0
        func isComparison(_ character: Character?) -> Bool { character.map { "<>=".contains($0) } ?? false }
        for character in text {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character.isWhitespace, depth > 0 { continue }
            if character.isWhitespace || isComparison(character) != isComparison(word.last) {
                if !word.isEmpty { words.append(word) }
                word = ""
            }
            if !character.isWhitespace { word.append(character) }
        }
        return word.isEmpty ? words : words + [word]
    }

    private static func measure(_ word: String) -> (SigmaCorrelation.Kind, String?)? {
        guard let open = word.firstIndex(of: "("), word.last == ")" else { return nil }
        let inner = word[word.index(after: open)...].dropLast()
        let field = inner.isEmpty ? nil : String(inner)
        return switch (word[..<open].lowercased(), field) {
        case ("count", nil): (.eventCount, nil)
        case ("count", let field?): (.valueCount, field)
        case ("sum", let field?): (.valueSum, field)
        case ("avg", let field?): (.valueAverage, field)
        default: nil
        }
    }

    /// The rule itself, or the two documents that it stands for.
    func documents(_ document: SigmaDocument) -> [SigmaDocument] {
        guard let count, case .rule(var events) = document else { return [document] }
        let digits = Array(StableHash.hex128("sigma events", metadata.key).utf8)
        var parts: [String] = [], from = 0
        for length in [8, 4, 4, 4, 12] {
            parts.append(String(decoding: digits[from..<(from + length)], as: UTF8.self))
            from += length
        }
        // A random UUID by its form (RFC 9562, 5.4), so that every reader takes it.
        let id = "\(parts[0])-\(parts[1])-4\(parts[2].dropFirst())-8\(parts[3].dropFirst())-\(parts[4])"
        let reference = SigmaCorrelation.Reference(key: id, place: count.place)
        var correlation = SigmaCorrelation(
            metadata: metadata, kind: count.kind, rules: [reference], timespanMilliseconds: count.milliseconds,
            timespan: count.timespan, place: count.place)
        correlation.groupBy = count.group.map { [.init(key: $0, place: count.place)] } ?? []
        correlation.valueFields = count.field.map { [.init(key: $0, place: count.place)] } ?? []
        correlation.bounds = [count.bound]
        events.metadata = SigmaMetadata(title: cut("Events of: \(metadata.title)", to: 200), place: metadata.place)
        (events.metadata.id, events.metadata.status) = (id, metadata.status)
        events.metadata.level = .informational
        return [.rule(events), .correlation(correlation)]
    }
}
