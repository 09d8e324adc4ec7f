/// A promoted model at work on a tenant's batches: windows of hosts as they fill, and findings about those that are
/// over and unlike the rest.
///
/// A pure fold like the detectors': no clock, no chance; a window is over when the records' own time has passed its end
/// by `latenessMilliseconds`. Memory is bounded: of more than `entriesMax` hosts' windows the oldest window goes
/// unscored (`evicted`); while only one window is open, further hosts find no room (`crowded`). What comes for a
/// window that is over is `late`.
/// Not here: which model that is (`ModelRegister`), what it says of a window (`AnomalyModel`).
package import Detect
package import FlowModel
package import Identity

/// A version of a tenant's models, for use.
package struct PromotedModel: Equatable, Sendable {
    package let version: Int
    package let model: AnomalyModel

    package init(version: Int, model: AnomalyModel) { (self.version, self.model) = (version, model) }
}

/// What a fold has done so far.
package struct ModelCounts: Equatable, Sendable {
    /// Windows scored, and those told.
    package internal(set) var windows: UInt64 = 0, outliers: UInt64 = 0, deviations: UInt64 = 0
    package internal(set) var late: UInt64 = 0, evicted: UInt64 = 0, crowded: UInt64 = 0
    /// Findings whose repeats are no longer known as such.
    package internal(set) var forgotten: UInt64 = 0
    package init() {}

    package static func + (a: ModelCounts, b: ModelCounts) -> ModelCounts {
        var sum = a
        for part in parts { sum[keyPath: part] &+= b[keyPath: part] }
        return sum
    }
    static var parts: [WritableKeyPath<ModelCounts, UInt64>] {
        [\.windows, \.outliers, \.deviations, \.late, \.evicted, \.crowded, \.forgotten]
    }
}

package struct ModelFold: Sendable {
    package struct Limits: Equatable, Sendable {
        /// Windows of hosts that fill at a time.
        package var entriesMax = 50_000
        /// Findings whose repeats are told as updates.
        package var saidMax = 10_000
        /// How much later than its window a record may come, in ms.
        package var latenessMilliseconds: Int64 = 300_000
        package init() {}
    }
    package let tenant: TenantID
    package let promoted: PromotedModel
    package internal(set) var counts = ModelCounts()
    let cut: WindowCut, limits: Limits
    var filling: [Int64: [IPAddress: HostWindow]] = [:]
    var fillingCount = 0
    /// The latest time of a record so far, in ms; windows before `closed` are over.
    var watermark: Int64 = 0, closed: Int64 = 0
    var recent = DriftCounts()
    var said: [SaidKey: Said] = [:]

    var model: AnomalyModel { promoted.model }

    /// - Parameter parameters: which hosts are the tenant's own.
    package init(
        tenant: TenantID, promoted: PromotedModel, parameters: DetectorParameters, limits: Limits = Limits()
    ) {
        (self.tenant, self.promoted, self.limits) = (tenant, promoted, limits)
        cut = WindowCut(width: promoted.model.card.settings.windowMilliseconds, parameters: parameters)
    }

    /// How far recent windows are from those that the model was made of.
    package var drift: ModelDrift { model.reference.drift(to: recent) }

    /// Takes in one batch, whole and in log order.
    /// - Returns: what is told of the windows that are over, by start and id.
    package mutating func observe(_ columns: FlowColumns) -> [Finding] {
        for row in columns.rows {
            guard let record = WindowRecord(columns, row: row, cut) else { continue }
            watermark = max(watermark, record.time)
            let window = cut.number(of: record.time)
            guard window >= closed else {
                counts.late &+= 1
                continue
            }
            if record.isSourceInside { update(record.source, window) { $0.addSource(record) } }
            if record.isDestinationInside { update(record.destination, window) { $0.addDestination(record) } }
        }
        return close(before: (watermark - limits.latenessMilliseconds) / cut.width)
    }

    private mutating func update(_ host: IPAddress, _ window: Int64, _ change: (inout HostWindow) -> Void) {
        var hosts = filling.removeValue(forKey: window) ?? [:]  // one owner: no copy
        defer { if !hosts.isEmpty { filling[window] = hosts } }
        if hosts[host] == nil {
            if fillingCount >= limits.entriesMax { evict(before: window) }
            guard fillingCount < limits.entriesMax else {
                counts.crowded &+= 1
                return
            }
            fillingCount += 1
        }
        change(&hosts[host, default: HostWindow()])
    }
    /// The oldest window goes, if it is older than this one.
    private mutating func evict(before window: Int64) {
        guard let oldest = filling.keys.min(), oldest < window, let hosts = filling.removeValue(forKey: oldest) else {
            return
        }
        fillingCount -= hosts.count
        counts.evicted &+= UInt64(hosts.count)
        closed = max(closed, oldest + 1)
    }

    private mutating func close(before end: Int64) -> [Finding] {
        guard end > closed else { return [] }
        closed = end
        var findings: [Finding] = []
        for window in filling.keys.filter({ $0 < end }).sorted() {
            guard let hosts = filling.removeValue(forKey: window) else { continue }
            fillingCount -= hosts.count
            for (host, state) in hosts.sorted(by: { $0.key < $1.key }) where state.isTelling {
                findings += weigh(host, window, state)
            }
        }
        forget(before: end)
        // Of one id, the last word.
        let last = [String: Finding](findings.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }

    private mutating func weigh(_ host: IPAddress, _ window: Int64, _ state: HostWindow) -> [Finding] {
        let features = state.features, score = model.score(features, of: host, window: window)
        recent.add(features, model.reference)
        counts.windows &+= 1
        var findings: [Finding] = []
        if model.isOutlier(score) {
            counts.outliers &+= 1
            findings += say(.outlier, host, window, state, score)
        }
        if model.isDeviation(score) {
            counts.deviations &+= 1
            findings += say(.deviation, host, window, state, score)
        }
        return findings
    }
}
