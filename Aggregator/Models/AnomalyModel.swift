/// A tenant's model of what its hosts do: an outlier model over windows of hosts, a seasonal baseline of each host, the
/// bounds above which a window is told, and what it was made of.
///
/// Invariants: a value, made by `train` from samples and settings alone: the same ones give the same bytes. Reading any
/// bytes gives a model or an error. Not here: where models are kept and which is used (`ModelRegister`), where windows
/// come from (`ModelTraining`, `ModelFold`).
package import Detect
import FlowModel
package import Identity

/// What a model is to be made with.
package struct ModelSettings: Equatable, Sendable, Codable {
    /// Width of a window, in ms.
    package var windowMilliseconds: Int64 = 600_000
    package var seed: UInt64 = 1
    package var trees = 100
    /// Windows that a tree is grown from.
    package var sample = 256
    /// Share of usual windows that each of the two parts may tell.
    package var flaggedShare = 0.001
    package init() {}

    package static let widths: Set<Int64> = [300_000, 600_000]
    /// The longest stretch that a model is made of: 13 weeks.
    package static let stretchMax: Int64 = 13 * 7 * 86_400_000
}

/// What a model was made of, and how it does on what it was not fitted to.
package struct ModelCard: Equatable, Sendable, Codable {
    package var settings: ModelSettings
    /// The data's range, in ms since 1970.
    package var from: Int64, to: Int64
    /// Windows it was fitted to (the first four fifths of the range), and those that its bounds come from (the rest).
    package var fitted = 0, calibrated = 0
    /// With a baseline of their own; and those without, for want of room, here or while windows were gathered.
    package var hosts = 0, hostsLeftOut = 0
    /// The score that one of 100 windows passes: the habit of a host that is not known.
    package var habit = 0.0
    /// A window above is told: its score beyond its host's habit, and its spreads above the usual.
    package var outlierBound = 0.0, deviationBound = 0.0
    /// Shares of the windows that the bounds come from that are above.
    package var outlierShare = 0.0, deviationShare = 0.0
}

/// Why there is no model.
package enum TrainingError: Error, Equatable, Sendable {
    /// Fewer windows of hosts than a model can be made of.
    case tooFewWindows(Int, min: Int)
    case badPeriod
}

package struct AnomalyModel: Equatable, Sendable {
    package private(set) var card: ModelCard
    let forest: IsolationForest
    let baselines: [IPAddress: HostBaseline]
    /// The median of each feature.
    package let usual: FeatureVector
    let reference: DriftReference

    package static let hostsMax = 4_096, windowsMin = 500, bytesMax = 64 << 20
    /// Bounds are never lower: what scores less is like the rest, however even the rest is.
    static let outlierBoundMin = 0.04, deviationBoundMin = 6.0

    /// - Parameters:
    ///   - samples: by window, then host, as `WindowGatherer` gives them.
    ///   - hostsLeftOut: for which it had no room.
    package static func train(
        _ samples: [WindowSample], from: Int64, to: Int64, hostsLeftOut: Int = 0, settings: ModelSettings
    ) throws(TrainingError) -> AnomalyModel {
        guard to > from, from >= 0, to - from <= ModelSettings.stretchMax else { throw .badPeriod }
        let end = (from + (to - from) / 5 * 4) / settings.windowMilliseconds
        let split = samples.firstIndex { $0.window >= end } ?? samples.count
        let fitted = Array(samples[..<split]), rest = samples[split...]
        guard fitted.count >= windowsMin, rest.count >= windowsMin / 10 else {
            throw .tooFewWindows(samples.count, min: windowsMin)
        }
        var model = AnomalyModel(fitted, end: end, from: from, to: to, settings: settings)
        model.card.hostsLeftOut += hostsLeftOut
        model.calibrate(rest)
        return model
    }

    private init(_ fitted: [WindowSample], end: Int64, from: Int64, to: Int64, settings: ModelSettings) {
        card = ModelCard(settings: settings, from: from, to: to)
        card.fitted = fitted.count
        forest = IsolationForest(fitted, trees: settings.trees, sample: settings.sample, seed: settings.seed)
        var usual = FeatureVector()
        for feature in ModelFeature.allCases {
            usual[feature] = Numbers.quantile(0.5, of: fitted.map { $0.features[feature] }.sorted())
        }
        self.usual = usual
        reference = DriftReference(fitted)
        var histories: [IPAddress: [(window: Int64, features: FeatureVector)]] = [:]
        for sample in fitted { histories[sample.host, default: []].append((sample.window, sample.features)) }
        // Those with the longest past, the lower address first.
        let chosen = histories.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.prefix(Self.hostsMax)
        var baselines: [IPAddress: HostBaseline] = [:], scores: [Float] = []
        for (host, windows) in chosen {
            var baseline = HostBaseline(windows, end: end, width: settings.windowMilliseconds)
            let own = Self.scores(of: windows.map(\.features), forest)
            baseline.habit = Numbers.quantile(0.99, of: own)
            baselines[host] = baseline
            scores += own
        }
        self.baselines = baselines
        card.habit = Double(Numbers.quantile(0.99, of: scores.sorted()))
        (card.hosts, card.hostsLeftOut) = (chosen.count, histories.count - chosen.count)
    }

    /// Of some of a host's windows, rising.
    private static func scores(of windows: [FeatureVector], _ forest: IsolationForest) -> [Float] {
        stride(from: 0, to: windows.count, by: max(windows.count / 500, 1))
            .map { Float(forest.score(windows[$0])) }.sorted()
    }

    /// Puts the bounds where the wanted share of windows that nothing was fitted to is above.
    private mutating func calibrate(_ rest: ArraySlice<WindowSample>) {
        let scores = rest.map { score($0) }
        func bound(_ values: [Double], least: Double) -> Double {
            let sorted = values.sorted(), above = Int(card.settings.flaggedShare * Double(sorted.count))
            let place = sorted.count - 1 - min(max(above, 0), sorted.count - 1)
            return max(sorted.indices.contains(place) ? sorted[place] : least, least)
        }
        card.outlierBound = bound(scores.map(\.excess), least: Self.outlierBoundMin)
        card.deviationBound = bound(scores.map(\.deviation), least: Self.deviationBoundMin)
        card.calibrated = scores.count
        let all = Double(max(scores.count, 1))
        card.outlierShare = Double(scores.count { $0.excess > card.outlierBound }) / all
        card.deviationShare = Double(scores.count { $0.deviation > card.deviationBound }) / all
    }

    // MARK: Bytes

    /// Format: the words of a snapshot (`Detect.SnapshotWriter`, with a checksum), the first of which are these two.
    private static let mark: UInt64 = 0x5757_4D4F_4445_4C31, version: UInt64 = 1

    /// The model as bytes, in one way only.
    package func bytes(of tenant: TenantID) -> [UInt8] {
        var writer = SnapshotWriter()
        for word in [Self.mark, Self.version, StableHash.of(tenant.rawValue)] { writer.add(word) }
        card.save(to: &writer)
        for lane in ModelFeature.allCases { writer.add(UInt64(usual[lane].bitPattern)) }
        reference.save(to: &writer)
        forest.save(to: &writer)
        writer.add(baselines.count)
        for (host, baseline) in baselines.sorted(by: { $0.key < $1.key }) {
            writer.add(host.high)
            writer.add(host.low)
            baseline.save(to: &writer)
        }
        return writer.finish()
    }

    /// - Throws: `.otherTenant` for a model that is not of `tenant`; `.damaged` and `.notASnapshot` for anything that
    ///   `bytes` never writes.
    package init(_ bytes: [UInt8], of tenant: TenantID) throws(SnapshotError) {
        guard bytes.count <= Self.bytesMax else { throw .damaged }
        var reader = try SnapshotReader(bytes)
        guard try reader.next() == Self.mark, try reader.next() == Self.version else { throw .notASnapshot }
        guard try reader.next() == StableHash.of(tenant.rawValue) else { throw .otherTenant }
        card = try ModelCard(from: &reader)
        var usual = FeatureVector()
        for lane in ModelFeature.allCases {
            usual[lane] = Float(bitPattern: try reader.nextSmall(UInt32.self))
            guard usual[lane].isFinite else { throw .damaged }
        }
        self.usual = usual
        reference = try DriftReference(from: &reader)
        forest = try IsolationForest(from: &reader)
        let count = try reader.nextCount()
        guard count <= Self.hostsMax else { throw .damaged }
        var baselines: [IPAddress: HostBaseline] = [:]
        for _ in 0..<count {
            let host = IPAddress(high: try reader.next(), low: try reader.next())
            guard baselines.updateValue(try HostBaseline(from: &reader), forKey: host) == nil else { throw .damaged }
        }
        self.baselines = baselines
        try reader.finish()
    }
}

extension ModelCard {
    func save(to writer: inout SnapshotWriter) {
        for word in [settings.windowMilliseconds, from, to] { writer.add(word) }
        writer.add(settings.seed)
        for count in [settings.trees, settings.sample, fitted, calibrated, hosts, hostsLeftOut] { writer.add(count) }
        for value in [settings.flaggedShare, habit, outlierBound, deviationBound, outlierShare, deviationShare] {
            writer.add(value)
        }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        settings = ModelSettings()
        settings.windowMilliseconds = try reader.nextSigned()
        (from, to) = (try reader.nextSigned(), try reader.nextSigned())
        guard ModelSettings.widths.contains(settings.windowMilliseconds), from >= 0, to > from else { throw .damaged }
        settings.seed = try reader.next()
        func count() throws(SnapshotError) -> Int { Int(try reader.nextSmall(Int32.self)) }
        (settings.trees, settings.sample) = (try count(), try count())
        (fitted, calibrated, hosts, hostsLeftOut) = (try count(), try count(), try count(), try count())
        func number() throws(SnapshotError) -> Double {
            let value = try reader.nextDouble()
            guard value.isFinite, value >= 0 else { throw .damaged }
            return value
        }
        (settings.flaggedShare, habit) = (try number(), try number())
        (outlierBound, deviationBound) = (try number(), try number())
        (outlierShare, deviationShare) = (try number(), try number())
        guard settings.trees >= 0, settings.sample >= 0, min(fitted, calibrated, hosts, hostsLeftOut) >= 0 else {
            throw .damaged
        }
    }
}
