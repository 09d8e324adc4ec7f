/// A document of Sigma as it was written, understood but not yet compiled: rules, correlations, filters.

/// What all three kinds of documents tell of themselves.
package struct SigmaMetadata: Hashable, Sendable {
    package var title: String
    package var id: String?
    package var name: String?
    package var related: [SigmaRelated] = []
    package var taxonomy: String?
    package var status: SigmaStatus?
    package var summary: String?
    package var license: String?
    package var author: String?
    package var references: [String] = []
    /// `YYYY-MM-DD`.
    package var date: String?
    package var modified: String?
    package var fields: [String] = []
    package var falsePositives: [String] = []
    package var level: SigmaLevel?
    package var tags: [String] = []
    package var scope: [String] = []
    /// Keys that the specification doesn't know.
    var custom: [YAMLEntry] = []
    var place: SigmaPlace

    /// What references call it by: its id, else its name, else its title.
    package var key: String { id ?? name ?? title }
}

package struct SigmaRelated: Hashable, Sendable {
    package var id: String
    /// `derived`, `obsolete`, `merged`, `renamed` or `similar`.
    package var type: String

    package init(id: String, type: String) { (self.id, self.type) = (id, type) }
}
package enum SigmaStatus: String, Sendable, CaseIterable { case stable, test, experimental, deprecated, unsupported }
package enum SigmaLevel: String, Sendable, CaseIterable { case informational, low, medium, high, critical }

package struct SigmaLogSource: Hashable, Sendable {
    package var category: String?
    package var product: String?
    package var service: String?
    package var definition: String?
    var custom: [YAMLEntry] = []
    var place: SigmaPlace

    /// Whether this names all that `other` is: what it leaves open may be anything.
    func covers(_ other: SigmaLogSource) -> Bool {
        (category == nil || category == other.category) && (product == nil || product == other.product)
            && (service == nil || service == other.service)
    }
}

/// A value in a selection.
package struct SigmaValue: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case null
        case flag(Bool)
        case integer(Int64)
        /// As written.
        case decimal(String)
        case text(String)
    }
    package var kind: Kind
    var place: SigmaPlace
}

/// `field|modifier|…: values`; without a field, words to be found anywhere in a log line.
package struct SigmaItem: Hashable, Sendable {
    package var field: String?
    package var modifiers: [String]
    package var values: [SigmaValue]
    /// Written as a list, even if of one value.
    package var isList: Bool
    var place: SigmaPlace
}

/// A map is true when all its items are, a list when one of its members is.
package indirect enum SigmaSelection: Hashable, Sendable {
    case all([SigmaItem])
    case any([SigmaSelection])
}

package struct SigmaSearch: Hashable, Sendable {
    package var name: String
    package var selection: SigmaSelection
    var place: SigmaPlace
}

package struct SigmaDetection: Hashable, Sendable {
    package var searches: [SigmaSearch]
    /// Linked by "or".
    package var conditions: [SigmaCondition]
}

package struct SigmaRule: Hashable, Sendable {
    package var metadata: SigmaMetadata
    package var logsource: SigmaLogSource
    package var detection: SigmaDetection
}

package struct SigmaCorrelation: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case eventCount = "event_count", valueCount = "value_count", temporal, temporalOrdered = "temporal_ordered"
        case valueSum = "value_sum", valueAverage = "value_avg", valuePercentile = "value_percentile"
        var isTemporal: Bool { self == .temporal || self == .temporalOrdered }
        /// Measures a number, so its field must be one.
        var isMeasure: Bool { self == .valueSum || self == .valueAverage || self == .valuePercentile }
    }
    package enum Comparison: String, Sendable, CaseIterable { case gt, gte, lt, lte, eq, neq }
    package struct Bound: Hashable, Sendable {
        package var comparison: Comparison
        package var value: Double
    }
    package struct Reference: Hashable, Sendable {
        package var key: String
        var place: SigmaPlace
    }
    package struct Alias: Hashable, Sendable {
        package var name: String
        /// The field of each rule, by what the rule is referred to as.
        package var fields: [Reference: String]
        var place: SigmaPlace
    }
    package var metadata: SigmaMetadata
    package var kind: Kind
    package var rules: [Reference]
    package var aliases: [Alias] = []
    package var groupBy: [Reference] = []
    package var timespanMilliseconds: Int64
    /// As written, such as `90m`.
    package var timespan: String
    /// All must hold.
    package var bounds: [Bound] = []
    /// What is counted or measured.
    package var valueFields: [Reference] = []
    /// 1 to 100, for `value_percentile`.
    package var percentile: Double?
    /// A condition in words over the rules' names, for temporal correlations.
    package var expression: SigmaCondition?
    /// The rules that it refers to raise findings of their own, too.
    package var generates = false
    var place: SigmaPlace
}

package struct SigmaFilter: Hashable, Sendable {
    package var metadata: SigmaMetadata
    package var logsource: SigmaLogSource
    /// What the rules are referred to as; nil for all that have its log source.
    package var rules: [SigmaCorrelation.Reference]?
    package var detection: SigmaDetection
}

package enum SigmaDocument: Hashable, Sendable {
    case rule(SigmaRule)
    case correlation(SigmaCorrelation)
    case filter(SigmaFilter)

    package var metadata: SigmaMetadata {
        switch self {
        case .rule(let rule): rule.metadata
        case .correlation(let correlation): correlation.metadata
        case .filter(let filter): filter.metadata
        }
    }
}
