/// What is told of a window, and when it is told again.
package import Detect
import FlowModel
import Identity

/// What a model raises.
package enum ModelRule: UInt8, Sendable, CaseIterable {
    case outlier = 1, deviation

    package var info: RuleInfo {
        switch self {
        case .outlier:
            RuleInfo(id: "model-outlier", title: "A host unlike all others", tactics: [], techniques: [])
        case .deviation:
            RuleInfo(
                id: "model-deviation", title: "A host unlike itself at this hour of the week", tactics: [],
                techniques: [])
        }
    }
    var severity: Severity { self == .outlier ? .medium : .low }
    var unit: String { self == .outlier ? "score" : "spreads" }
}

/// A finding is about a host and four hours: longer trouble is not told every ten minutes.
struct SaidKey: Hashable, Comparable {
    let rule: ModelRule, host: IPAddress, epoch: Int64
    static let width: Int64 = 4 * 3_600_000

    static func < (a: SaidKey, b: SaidKey) -> Bool {
        (a.epoch, a.rule.rawValue, a.host) < (b.epoch, b.rule.rawValue, b.host)
    }
}

/// What was said of it last.
struct Said: Equatable {
    var update: Int, score: Double
    /// Another window is worth saying when it scores so much more.
    static let step = 1.1
}

extension ModelFold {
    func epoch(of window: Int64) -> Int64 { window * cut.width / SaidKey.width }

    mutating func say(
        _ rule: ModelRule, _ host: IPAddress, _ window: Int64, _ state: HostWindow, _ score: ModelScore
    ) -> [Finding] {
        let value = rule == .outlier ? score.outlier : score.deviation
        let key = SaidKey(rule: rule, host: host, epoch: epoch(of: window))
        var update = 0
        if let before = said[key] {
            guard value > before.score * Said.step, before.update < Int(Int32.max) else { return [] }
            update = before.update + 1
        } else if said.count >= limits.saidMax {
            counts.forgotten &+= UInt64(said.count)
            said = [:]
        }
        said[key] = Said(update: update, score: value)
        return [finding(key, window, state, score, update: update)]
    }

    /// Those of four hours that are over.
    mutating func forget(before window: Int64) {
        let epoch = epoch(of: window)
        if said.contains(where: { $0.key.epoch < epoch }) { said = said.filter { $0.key.epoch >= epoch } }
    }

    private func finding(
        _ key: SaidKey, _ window: Int64, _ state: HostWindow, _ score: ModelScore, update: Int
    ) -> Finding {
        let info = key.rule.info, start = window * cut.width, windowStart = key.epoch * SaidKey.width
        let features = state.features, totals = state.totals
        let reasons =
            key.rule == .outlier
            ? model.reasons(features) : model.seasonalReasons(features, of: key.host, window: window)
        let observed = key.rule == .outlier ? score.outlier : score.deviation
        let bound = key.rule == .outlier ? score.habit + model.card.outlierBound : model.card.deviationBound
        // A host to which things are done is its victim, one that does them an attacker.
        let isDone = reasons.first.map { $0.feature == .octetsIn || $0.feature == .callsIn } ?? false
        return Finding(
            id: StableHash.hex128(tenant.rawValue, info.id, "\(key.host)", String(windowStart)), rule: info.id,
            title: "\(key.host) was \(key.rule == .outlier ? "unlike all hosts" : "unlike itself at this hour") for "
                + "\(cut.width / 60_000) min: " + reasons.map(\.text).joined(separator: ", "),
            severity: key.rule.severity, tactics: info.tactics, techniques: info.techniques,
            entities: [
                FindingEntity(
                    type: key.host.isV4 ? "ipv4-addr" : "ipv6-addr", role: isDone ? .victim : .attacker,
                    value: key.host.description)
            ], ports: [], start: start, end: start + cut.width - 1, windowStart: windowStart,
            evidence: Evidence(
                observed: observed, threshold: bound, unit: key.rule.unit, flows: totals.flows, packets: totals.packets,
                octets: totals.octets), update: update)
    }
}
