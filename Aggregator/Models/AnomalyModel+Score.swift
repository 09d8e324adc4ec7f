/// What a model says of a window, and why.
package import FlowModel

package struct ModelScore: Equatable, Sendable {
    /// 0 to 1: how much it is unlike all windows.
    package let outlier: Double
    /// What its host seldom passes.
    package let habit: Double
    /// How many spreads above the host's own usual it is; 0 for a host without one.
    package let deviation: Double
    /// What deviates most.
    package let feature: ModelFeature

    package var excess: Double { max(outlier - habit, 0) }
}

/// A feature beside its usual, and how much of the score it is.
package struct ModelReason: Equatable, Sendable {
    package let feature: ModelFeature
    package let value: Float, usual: Float
    package let weight: Double

    /// `812 hosts called (usually 6)`.
    package var text: String { "\(feature.text(value)) (usually \(feature.shortText(usual)))" }
}

extension AnomalyModel {
    package static let reasonsMax = 3

    package func score(_ sample: WindowSample) -> ModelScore {
        score(sample.features, of: sample.host, window: sample.window)
    }
    package func score(_ features: FeatureVector, of host: IPAddress, window: Int64) -> ModelScore {
        let baseline = baselines[host]
        let most = baseline?.deviation(features, hour: hour(of: window)) ?? (0, .octetsOut)
        return ModelScore(
            outlier: forest.score(features), habit: baseline.map { Double($0.habit) } ?? card.habit,
            deviation: most.value, feature: most.feature)
    }
    package func isOutlier(_ score: ModelScore) -> Bool { score.excess > card.outlierBound }
    package func isDeviation(_ score: ModelScore) -> Bool { score.deviation > card.deviationBound }

    func hour(of window: Int64) -> Int { WeekClock(width: card.settings.windowMilliseconds).hour(of: window) }

    /// The features without which the window would be least of an outlier: each is put back to its usual in turn, and
    /// what the score loses is its weight. Ordered by that, the earlier feature first of two alike.
    package func reasons(_ features: FeatureVector) -> [ModelReason] {
        let whole = forest.score(features)
        let reasons = ModelFeature.allCases.map { feature in
            var other = features
            other[feature] = usual[feature]
            return ModelReason(
                feature: feature, value: features[feature], usual: usual[feature],
                weight: whole - forest.score(other))
        }
        let telling = reasons.filter { $0.weight > 0 && $0.value != $0.usual }
        return Array((telling.isEmpty ? reasons : telling).sorted(by: Self.precedes).prefix(Self.reasonsMax))
    }
    /// The seasonal features that are furthest above what the host is used to at that hour.
    package func seasonalReasons(_ features: FeatureVector, of host: IPAddress, window: Int64) -> [ModelReason] {
        guard let baseline = baselines[host] else { return [] }
        let hour = self.hour(of: window)
        let reasons = ModelFeature.seasonal.compactMap { feature -> ModelReason? in
            guard let level = baseline.level(of: feature, hour: hour) else { return nil }
            let weight = baseline.deviation(features.only(feature), hour: hour).value
            return weight > 1
                ? ModelReason(feature: feature, value: features[feature], usual: level, weight: weight) : nil
        }
        return Array(reasons.sorted(by: Self.precedes).prefix(Self.reasonsMax))
    }
    private static func precedes(_ a: ModelReason, _ b: ModelReason) -> Bool {
        a.weight != b.weight ? a.weight > b.weight : a.feature.rawValue < b.feature.rawValue
    }
}

extension FeatureVector {
    fileprivate func only(_ feature: ModelFeature) -> FeatureVector {
        var vector = FeatureVector()
        vector[feature] = self[feature]
        return vector
    }
}
