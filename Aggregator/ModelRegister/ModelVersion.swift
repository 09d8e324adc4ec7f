/// What is known of one version of a tenant's models beside the model itself.
package import Identity
package import Models

/// What happened to a version.
package enum ModelEventKind: String, Sendable, CaseIterable, Codable {
    case trained, evaluated, promoted, rolledBack
    /// To make room for newer ones.
    case removed
}

package struct ModelEvent: Equatable, Sendable {
    package let kind: ModelEventKind
    /// Of a rollback: the version that was given up.
    package let version: Int
    /// In ms since 1970.
    package let atMilliseconds: Int64
    package let actor: String
}

/// An evaluation as it is kept.
package struct KeptEvaluation: Equatable, Sendable, Codable {
    package struct Kind: Equatable, Sendable, Codable {
        package let anomaly: String, made: Int, found: Int
    }
    /// In ms since 1970.
    package let from: Int64, to: Int64, at: Int64
    package let actor: String
    package let windows: Int, outliers: Int, deviations: Int, flagged: Int
    package let flaggedShare: Double, precision: Double, recall: Double
    package let isHeldOut: Bool, kinds: [Kind]
    /// The largest of the features' indexes, and what that means; nil: too few windows.
    package let drift: Double, driftVerdict: String?

    package init(_ evaluation: ModelEvaluation, by actor: String, at now: Int64) {
        (from, to, at, self.actor) = (evaluation.from, evaluation.to, now, actor)
        (windows, outliers) = (evaluation.windows, evaluation.outliers)
        (deviations, flagged) = (evaluation.deviations, evaluation.flagged)
        (flaggedShare, precision) = (evaluation.flaggedShare, evaluation.precision)
        (recall, isHeldOut) = (evaluation.recall, evaluation.isHeldOut)
        kinds = evaluation.kinds.map { Kind(anomaly: $0.anomaly.rawValue, made: $0.made, found: $0.found) }
        (drift, driftVerdict) = (evaluation.drift.index, evaluation.drift.verdict?.rawValue)
    }
}

package struct ModelVersion: Equatable, Sendable {
    package let version: Int
    package let card: ModelCard
    /// In ms since 1970.
    package let atMilliseconds: Int64
    package let actor: String
    package let bytes: Int
    /// Oldest first, at most `ModelRegister.evaluationsMax`.
    package let evaluations: [KeptEvaluation]
    /// The one that scores.
    package let isPromoted: Bool
}

/// What a promoted model has done lately, as the pipeline tells it.
package struct ModelWork: Equatable, Sendable {
    package let version: Int
    package let counts: ModelCounts
    package let drift: ModelDrift

    package init(_ fold: ModelFold) {
        (version, counts, drift) = (fold.promoted.version, fold.counts, fold.drift)
    }
}

package enum ModelRegisterError: Error, Equatable, Sendable {
    case unknownVersion(Int)
    /// None was promoted.
    case nothingToRollBack
    case tooLarge(bytes: Int, max: Int)
    /// Kept bytes that are no model.
    case damaged(version: Int)
    case keyDestroyed(TenantID)
    /// The tenant's key can't be had now; later.
    case keyUnavailable(String)
    /// The disk is full.
    case full
    case storage(String)
}
