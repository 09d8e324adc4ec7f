/// How a model does on a stretch of history that it was not made of: what it tells of it, and how many made anomalies
/// it sees in it.
///
/// Held-out windows count as benign: attacks among them are counted as false. Each made anomaly is a window of the
/// stretch, drawn by the seed, in which a few features are what an attack makes of them; it is alone, so nothing
/// helps but its features.
import Detect

/// Attacks, as they change a window.
package enum MadeAnomaly: String, Sendable, CaseIterable {
    /// Hundreds of hosts, and of one host's ports, tried in vain; gigabytes sent out; gigabytes got from very many;
    /// a host that breaks into others; a host's own busiest windows, at its quietest hour.
    case sweep, portScan, exfiltration, flood, worm, wrongHour

    /// The window as it would be.
    func applied(to sample: WindowSample, _ numbers: inout SeededNumbers) -> WindowSample {
        var features = sample.features
        func raise(_ feature: ModelFeature, _ low: Float, _ high: Float, _ numbers: inout SeededNumbers) {
            features[feature] = max(features[feature], numbers.between(low, high))
        }
        switch self {
        case .sweep:
            raise(.peers, 8, 11, &numbers)
            raise(.calls, 9, 12, &numbers)
            features[.failedShare] = numbers.between(0.9, 1)
            features[.packetOctets] = numbers.between(5.3, 6.2)
        case .portScan:
            raise(.ports, 8, 10, &numbers)
            raise(.calls, 9, 12, &numbers)
            features[.failedShare] = numbers.between(0.9, 1)
            features[.packetOctets] = numbers.between(5.3, 6.2)
        case .exfiltration:
            raise(.octetsOut, 30, 34, &numbers)
            features[.outsideShare] = numbers.between(0.95, 1)
            features[.sentShare] = numbers.between(0.95, 1)
            features[.packetOctets] = numbers.between(10, 10.5)
        case .flood:
            raise(.octetsIn, 33, 37, &numbers)
            raise(.callsIn, 15, 19, &numbers)
            features[.sentShare] = numbers.between(0, 0.05)
        case .worm:
            raise(.peers, 7, 9, &numbers)
            raise(.calls, 10, 13, &numbers)
            features[.failedShare] = numbers.between(0.4, 0.8)
            features[.outsideShare] = numbers.between(0, 0.1)
        case .wrongHour: break
        }
        return WindowSample(host: sample.host, window: sample.window, features: features)
    }
}

package struct ModelEvaluation: Equatable, Sendable {
    package struct Kind: Equatable, Sendable {
        package let anomaly: MadeAnomaly
        package internal(set) var made = 0, found = 0
        package var recall: Double { made == 0 ? 0 : Double(found) / Double(made) }
    }
    /// In ms since 1970.
    package let from: Int64, to: Int64
    /// Windows of the stretch, and those that were told, as outliers and as deviations.
    package internal(set) var windows = 0, outliers = 0, deviations = 0, flagged = 0
    package internal(set) var kinds: [Kind] = []
    package internal(set) var drift: ModelDrift

    package var flaggedShare: Double { windows == 0 ? 0 : Double(flagged) / Double(windows) }
    package var made: Int { kinds.reduce(0) { $0 + $1.made } }
    package var found: Int { kinds.reduce(0) { $0 + $1.found } }
    package var recall: Double { made == 0 ? 0 : Double(found) / Double(made) }
    /// Of what would be told of the stretch with the made anomalies in it, the share that was made.
    package var precision: Double { found + flagged == 0 ? 0 : Double(found) / Double(found + flagged) }
    /// Whether the stretch overlaps what the model was made of: then nothing was held out.
    package internal(set) var isHeldOut = true

    package static let perKind = 200
}

extension AnomalyModel {
    /// - Parameter samples: by window, then host, of [from, to).
    /// - Throws: `.tooFewWindows` when there is nothing to evaluate on.
    package func evaluate(
        _ samples: [WindowSample], from: Int64, to: Int64, seed: UInt64
    ) throws(TrainingError) -> ModelEvaluation {
        guard samples.count >= Self.windowsMin / 10 else {
            throw .tooFewWindows(samples.count, min: Self.windowsMin / 10)
        }
        var recent = DriftCounts()
        for sample in samples { recent.add(sample.features, reference) }
        var result = ModelEvaluation(from: from, to: to, drift: reference.drift(to: recent))
        result.isHeldOut = from >= card.to || to <= card.from
        result.windows = samples.count
        for sample in samples {
            let score = self.score(sample), outlier = isOutlier(score), deviation = isDeviation(score)
            result.outliers += outlier ? 1 : 0
            result.deviations += deviation ? 1 : 0
            result.flagged += outlier || deviation ? 1 : 0
        }
        var numbers = SeededNumbers(seed: seed)
        for anomaly in MadeAnomaly.allCases {
            var kind = ModelEvaluation.Kind(anomaly: anomaly)
            for _ in 0..<ModelEvaluation.perKind {
                let drawn = samples[numbers.below(samples.count)]
                guard let made = self.made(anomaly, drawn, samples, &numbers) else { continue }
                let score = self.score(made)
                kind.made += 1
                kind.found += isOutlier(score) || isDeviation(score) ? 1 : 0
            }
            result.kinds.append(kind)
        }
        return result
    }

    /// Nil: there is none of this kind of that host.
    private func made(
        _ anomaly: MadeAnomaly, _ sample: WindowSample, _ samples: [WindowSample], _ numbers: inout SeededNumbers
    ) -> WindowSample? {
        guard anomaly == .wrongHour else { return anomaly.applied(to: sample, &numbers) }
        guard let baseline = baselines[sample.host],
            let quiet = (0..<168).min(by: { baseline.level(at: $0) < baseline.level(at: $1) }),
            let busy = samples.lazy.filter({ $0.host == sample.host }).max(by: {
                $0.features[.octetsOut] < $1.features[.octetsOut]
            }),
            // A host whose hours are alike has no wrong one.
            busy.features[.octetsOut] - baseline.level(at: quiet) >= 4
        else { return nil }
        let perHour = 3_600_000 / card.settings.windowMilliseconds
        let start = sample.window - Int64(hour(of: sample.window)) * perHour
        return WindowSample(
            host: sample.host, window: start + Int64(quiet) * perHour, features: busy.features)
    }
}

extension HostBaseline {
    fileprivate func level(at hour: Int) -> Float { level(of: .octetsOut, hour: hour) ?? .greatestFiniteMagnitude }
}
