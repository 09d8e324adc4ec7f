internal import Detect
internal import ModelRegister
internal import Models

/// What is answered about models.
struct ModelBody: Encodable {
    let version: Int, promoted: Bool, trained: String, actor: String, bytes: Int
    let from: String, to: String, windowMinutes: Int, seed: UInt64, trees: Int, sample: Int
    let windows: Int, calibrationWindows: Int, hosts: Int, hostsLeftOut: Int
    let outlierBound: Double, deviationBound: Double, outlierShare: Double, deviationShare: Double
    let evaluations: [ModelEvaluationBody]

    init(_ model: ModelVersion) {
        let card = model.card
        (version, promoted, actor, bytes) = (model.version, model.isPromoted, model.actor, model.bytes)
        trained = EventTime(model.atMilliseconds).description
        (from, to) = (EventTime(card.from).description, EventTime(card.to).description)
        windowMinutes = Int(card.settings.windowMilliseconds / 60_000)
        (seed, trees, sample) = (card.settings.seed, card.settings.trees, card.settings.sample)
        (windows, calibrationWindows) = (card.fitted, card.calibrated)
        (hosts, hostsLeftOut) = (card.hosts, card.hostsLeftOut)
        (outlierBound, deviationBound) = (card.outlierBound, card.deviationBound)
        (outlierShare, deviationShare) = (card.outlierShare, card.deviationShare)
        evaluations = model.evaluations.map { ModelEvaluationBody($0) }
    }
}

struct ModelEvaluationBody: Encodable {
    struct Anomaly: Encodable { let kind: String, made: Int, found: Int }
    let at: String, actor: String, from: String, to: String, heldOut: Bool
    let windows: Int, outliers: Int, deviations: Int, flagged: Int, flaggedShare: Double
    let precision: Double, recall: Double, anomalies: [Anomaly], drift: Double, driftVerdict: String?

    init(_ kept: KeptEvaluation) {
        (at, actor) = (EventTime(kept.at).description, kept.actor)
        (from, to) = (EventTime(kept.from).description, EventTime(kept.to).description)
        heldOut = kept.isHeldOut
        (windows, outliers) = (kept.windows, kept.outliers)
        (deviations, flagged, flaggedShare) = (kept.deviations, kept.flagged, kept.flaggedShare)
        (precision, recall) = (kept.precision, kept.recall)
        anomalies = kept.kinds.map { Anomaly(kind: $0.anomaly, made: $0.made, found: $0.found) }
        (drift, driftVerdict) = (kept.drift, kept.driftVerdict)
    }
}

/// A new version, and what of history it could see.
struct ModelTrainingBody: Encodable {
    let model: ModelBody, records: Int, complete: Bool

    init(_ model: ModelVersion, records: Int, isComplete: Bool) {
        (self.model, self.records, complete) = (ModelBody(model), records, isComplete)
    }
}
struct ModelTestBody: Encodable {
    let evaluation: ModelEvaluationBody, records: Int, complete: Bool

    init(_ evaluation: KeptEvaluation, records: Int, isComplete: Bool) {
        (self.evaluation, self.records, complete) = (ModelEvaluationBody(evaluation), records, isComplete)
    }
}

/// What the promoted version has done since the pipeline began.
struct ModelWorkBody: Encodable {
    struct Feature: Encodable { let feature: String, index: Double }
    let version: Int, windows: UInt64, outliers: UInt64, deviations: UInt64
    let late: UInt64, evicted: UInt64, crowded: UInt64, forgotten: UInt64
    let drift: Double, driftVerdict: String?, driftWindows: Int, features: [Feature]

    init(_ work: ModelWork) {
        version = work.version
        (windows, outliers, deviations) = (work.counts.windows, work.counts.outliers, work.counts.deviations)
        (late, evicted, crowded) = (work.counts.late, work.counts.evicted, work.counts.crowded)
        forgotten = work.counts.forgotten
        (drift, driftVerdict) = (work.drift.index, work.drift.verdict?.rawValue)
        driftWindows = work.drift.windows
        features = work.drift.indexes.map { Feature(feature: $0.feature.name, index: $0.index) }
    }
}

struct ModelListBody: Encodable {
    struct Event: Encodable { let kind: String, version: Int, at: String, actor: String }
    let items: [ModelBody], promoted: Int?, work: ModelWorkBody?, events: [Event]

    init(_ models: [ModelVersion], _ work: ModelWork?, _ events: [ModelEvent]) {
        items = models.reversed().map { ModelBody($0) }
        promoted = models.first { $0.isPromoted }?.version
        self.work = work.map { ModelWorkBody($0) }
        self.events = events.map {
            Event(
                kind: $0.kind.rawValue, version: $0.version, at: EventTime($0.atMilliseconds).description,
                actor: $0.actor)
        }
    }
}
