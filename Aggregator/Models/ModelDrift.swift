/// How far what hosts do now has moved from what a model was made of: the population stability index of each feature
/// (the sum of (p - q) ln(p / q) over ten parts that were equally full then).
import Detect

/// By the usual reading of the index: below 0.1, below 0.25, above.
package enum DriftVerdict: String, Sendable, CaseIterable { case steady, moving, moved }

package struct ModelDrift: Equatable, Sendable {
    /// Windows that were compared.
    package let windows: Int
    /// By feature, in their order.
    package let indexes: [(feature: ModelFeature, index: Double)]

    /// The largest of them.
    package var index: Double { indexes.map(\.index).max() ?? 0 }
    /// Nil: too few windows to tell.
    package var verdict: DriftVerdict? {
        guard windows >= Self.windowsMin else { return nil }
        return index < 0.1 ? .steady : index < 0.25 ? .moving : .moved
    }
    package static let windowsMin = 500

    package static func == (a: ModelDrift, b: ModelDrift) -> Bool {
        a.windows == b.windows && a.indexes.elementsEqual(b.indexes) { $0 == $1 }
    }
}

/// The parts, and how full they were.
struct DriftReference: Equatable, Sendable {
    static let parts = 10
    /// For each feature nine bounds and ten counts.
    private(set) var bounds: [Float], counts: [UInt32]

    init(_ samples: [WindowSample]) {
        bounds = []
        for feature in ModelFeature.allCases {
            let sorted = samples.map { $0.features[feature] }.sorted()
            for part in 1..<Self.parts {
                bounds.append(Numbers.quantile(Double(part) / Double(Self.parts), of: sorted))
            }
        }
        counts = DriftCounts.empty
        for sample in samples { add(sample.features, to: &counts) }
    }

    func add(_ features: FeatureVector, to counts: inout [UInt32]) {
        for feature in ModelFeature.allCases {
            let first = feature.rawValue * (Self.parts - 1), value = features[feature]
            var part = 0
            while part < Self.parts - 1, value > bounds[first + part] { part += 1 }
            let place = feature.rawValue * Self.parts + part
            if counts[place] < .max { counts[place] += 1 }
        }
    }

    func drift(to now: DriftCounts) -> ModelDrift {
        let indexes = ModelFeature.allCases.map { feature in
            let places = (feature.rawValue * Self.parts)..<((feature.rawValue + 1) * Self.parts)
            return (feature, Self.index(Array(counts[places]), Array(now.counts[places])))
        }
        return ModelDrift(windows: now.windows, indexes: indexes)
    }
    /// Half a window is added to each part, so that an empty one is no infinity.
    private static func index(_ then: [UInt32], _ now: [UInt32]) -> Double {
        func shares(_ counts: [UInt32]) -> [Double] {
            let all = counts.reduce(0.0) { $0 + Double($1) } + Double(parts) / 2
            return counts.map { (Double($0) + 0.5) / all }
        }
        return zip(shares(then), shares(now)).reduce(0.0) { sum, pair in
            sum + (pair.1 - pair.0) * (Numbers.log2(pair.1) - Numbers.log2(pair.0)) * Numbers.ln2
        }
    }

    func save(to writer: inout SnapshotWriter) {
        for bound in bounds { writer.add(UInt64(bound.bitPattern)) }
        for count in counts { writer.add(UInt64(count)) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        (bounds, counts) = ([], [])
        for _ in 0..<(ModelFeature.allCases.count * (Self.parts - 1)) {
            let bound = Float(bitPattern: try reader.nextSmall(UInt32.self))
            guard bound.isFinite else { throw .damaged }
            bounds.append(bound)
        }
        for _ in 0..<DriftCounts.empty.count { counts.append(try reader.nextSmall(UInt32.self)) }
    }
}

/// How full the parts are lately: when there are `windowsMax` windows in them, all are halved.
struct DriftCounts: Equatable, Sendable {
    private(set) var counts = empty
    private(set) var windows = 0
    static let windowsMax = 10_000
    static let empty = [UInt32](repeating: 0, count: ModelFeature.allCases.count * DriftReference.parts)

    mutating func add(_ features: FeatureVector, _ reference: DriftReference) {
        if windows >= Self.windowsMax {
            for place in counts.indices { counts[place] /= 2 }
            windows /= 2
        }
        reference.add(features, to: &counts)
        windows += 1
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(windows)
        for count in counts { writer.add(UInt64(count)) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        windows = Int(try reader.nextSmall(UInt16.self))
        guard windows <= Self.windowsMax else { throw .damaged }
        counts = []
        for _ in 0..<Self.empty.count { counts.append(try reader.nextSmall(UInt32.self)) }
    }
}
