/// An isolation forest (Liu, Ting and Zhou, "Isolation Forest", ICDM 2008): trees that split a sample at random; what
/// few splits set apart is an outlier.
///
/// Two things differ from the original. A tree never splits a feature in which its sample is all alike, so a sample of
/// quiet windows alone is blind to an attack in just that feature: an eighth of each sample is drawn evenly over the
/// features' plausible ranges (the "background" of Steinwart, Hush and Scovel, "A Classification Framework for Anomaly
/// Detection", JMLR 2005). And half of the splits are drawn over the plausible range rather than the sample's, as in
/// half-space trees (Tan, Ting and Liu, IJCAI 2011), so that what lies beyond all of the sample is set apart, too.
/// Invariants: the same samples in the same order and the same seed give the same forest, bit for bit; a walk down a
/// tree ends, whatever bytes it was read from: branches lead on only.
import Detect

struct IsolationForest: Equatable, Sendable {
    /// In preorder: the left branch comes next.
    struct Node: Equatable, Sendable {
        /// `ModelFeature.rawValue`; `leaf` for the end.
        var feature: UInt8
        /// Below goes left. Unused in a leaf.
        var bound: Float
        /// Place of the right branch; in a leaf how many of the sample came here.
        var other: UInt32
        static let leaf: UInt8 = 0xFF
    }
    private(set) var trees: [[Node]]
    /// How many windows a tree was grown from.
    let sampleCount: Int
    /// Longest path that is told apart.
    private let scale: Double

    static let depthMax = 12, treesMax = 256, sampleMax = 1_024
    /// Of a tree, for each window that it was grown from.
    private static let nodesMax = 2 * depthMax

    /// - Parameters:
    ///   - samples: at least one.
    ///   - sample: windows a tree is grown from, background included.
    init(_ samples: [WindowSample], trees count: Int, sample: Int, seed: UInt64) {
        sampleCount = min(max(sample, 16), Self.sampleMax)
        scale = Self.expected(sampleCount)
        trees = []
        guard !samples.isEmpty else { return }
        var numbers = SeededNumbers(seed: seed)
        for _ in 0..<min(max(count, 1), Self.treesMax) {
            var chosen: [FeatureVector] = []
            for place in 0..<sampleCount {
                chosen.append(
                    place < sampleCount / 8
                        ? Self.background(&numbers) : samples[numbers.below(samples.count)].features)
            }
            var tree: [Node] = []
            Self.grow(&tree, chosen[...], depth: 0, &numbers)
            trees.append(tree)
        }
    }
    private static func background(_ numbers: inout SeededNumbers) -> FeatureVector {
        var vector = FeatureVector()
        for feature in ModelFeature.allCases { vector[feature] = numbers.between(0, feature.plausibleMax) }
        return vector
    }

    private static func grow(
        _ tree: inout [Node], _ sample: ArraySlice<FeatureVector>, depth: Int, _ numbers: inout SeededNumbers
    ) {
        guard depth < depthMax, sample.count > 1, let split = split(sample, &numbers) else {
            return tree.append(Node(feature: Node.leaf, bound: 0, other: UInt32(clamping: sample.count)))
        }
        let place = tree.count
        tree.append(Node(feature: UInt8(split.feature), bound: split.bound, other: 0))
        let left = sample.filter { $0[split.feature] < split.bound }
        grow(&tree, left[...], depth: depth + 1, &numbers)
        tree[place].other = UInt32(clamping: tree.count)
        let right = sample.filter { !($0[split.feature] < split.bound) }
        grow(&tree, right[...], depth: depth + 1, &numbers)
    }
    /// Any feature, and a bound between its least and its largest, or anywhere that is plausible.
    private static func split(
        _ sample: ArraySlice<FeatureVector>, _ numbers: inout SeededNumbers
    ) -> (feature: Int, bound: Float)? {
        let features = ModelFeature.allCases, feature = features[numbers.below(features.count)]
        let values = sample.map { $0[feature] }
        guard let low = values.min(), let high = values.max() else { return nil }
        let isNear = numbers.below(2) == 0
        guard isNear, low < high else { return (feature.rawValue, numbers.between(0, feature.plausibleMax)) }
        return (feature.rawValue, numbers.between(low, high))
    }

    /// 0 to 1, higher for what is set apart by fewer splits; half is like most.
    func score(_ features: FeatureVector) -> Double {
        guard !trees.isEmpty, scale > 0 else { return 0 }
        var sum = 0.0
        for tree in trees { sum += Self.path(features, tree) }
        return Numbers.halved(sum / Double(trees.count) / scale)
    }
    private static func path(_ features: FeatureVector, _ tree: [Node]) -> Double {
        var place = 0, depth = 0
        while place < tree.count, tree[place].feature != Node.leaf {  // ends: places rise
            let node = tree[place]
            place = features[Int(node.feature)] < node.bound ? place + 1 : Int(node.other)
            depth += 1
        }
        return Double(depth) + (place < tree.count ? expected(Int(tree[place].other)) : 0)
    }
    /// Mean path in a tree of so many that nothing sets apart.
    private static func expected(_ count: Int) -> Double {
        guard count > 1 else { return 0 }
        guard count > 2 else { return 1 }
        let last = Double(count - 1)
        // The harmonic number by Euler's constant and two terms: within 1e-5 from 3 on.
        let harmonic =
            Numbers.log2(last) * Numbers.ln2 + 0.577_215_664_901_532_9 + 1 / (2 * last)
            - 1 / (12 * last * last)
        return 2 * harmonic - 2 * last / Double(count)
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(sampleCount)
        writer.add(trees.count)
        for tree in trees {
            writer.add(tree.count)
            for node in tree {
                writer.add(UInt64(node.feature))
                writer.add(UInt64(node.bound.bitPattern))
                writer.add(UInt64(node.other))
            }
        }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        sampleCount = Int(try reader.nextSmall(UInt16.self))
        guard (16...Self.sampleMax).contains(sampleCount) else { throw .damaged }
        scale = Self.expected(sampleCount)
        trees = []
        let count = try reader.nextCount()
        guard (1...Self.treesMax).contains(count) else { throw .damaged }
        for _ in 0..<count { trees.append(try Self.tree(from: &reader, sampleCount)) }
    }
    /// Branches lead on only, so that every walk ends.
    private static func tree(from reader: inout SnapshotReader, _ sampleCount: Int) throws(SnapshotError) -> [Node] {
        let count = try reader.nextCount()
        guard (1...nodesMax * sampleCount).contains(count) else { throw .damaged }
        var tree: [Node] = []
        for place in 0..<count {
            let node = Node(
                feature: try reader.nextSmall(UInt8.self), bound: Float(bitPattern: try reader.nextSmall(UInt32.self)),
                other: try reader.nextSmall(UInt32.self))
            if node.feature == Node.leaf {
                guard node.other <= UInt32(sampleCount) else { throw .damaged }
            } else {
                guard node.feature < ModelFeature.allCases.count, node.bound.isFinite, place + 1 < count,
                    node.other > UInt32(place + 1), node.other < UInt32(count)
                else { throw .damaged }
            }
            tree.append(node)
        }
        return tree
    }
}
