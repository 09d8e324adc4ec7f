import Detect
import FlowModel
import Intelligence
import Platform
import Sigma

/// What detection costs, by site: as one figure, and by detector.
enum Cost {
    struct Line: Encodable {
        let name = "cost"
        let traffic: String, records: Int, detectors: String
        /// Medians. A detector's own are those beside reading the records, which "none" shows and all share.
        let nanosecondsPerRecord: Double, ownNanosecondsPerRecord: Double?
        /// CPU seconds a million records.
        let secondsPerMillion: Double
    }
    /// All that a tenant can have switched on, together.
    struct Whole: Encodable {
        let name = "detection"
        let traffic: String, records: Int, indicators: Int, rules: Int, findings: Int
        let secondsPerMillion: Double
        let bar = Cost.bar, isWithinBar: Bool
    }
    /// CPU seconds a million records that detection may cost.
    static let bar = 0.5

    struct Load {
        let intelligence: Intelligence
        let rules: SigmaRuleSet
        let indicatorCount: Int, ruleCount: Int

        init(indicators: Int, rules: Int) throws {
            (indicatorCount, ruleCount) = (indicators, rules)
            intelligence = Intelligence(
                indicators: MadeIndicators.set(indicators), allowed: AllowTable(), rules: ScoreRules())
            self.rules = try MadeRules.set(rules)
        }
    }

    static func measure(records: Int, rounds: Int, only: [String], files: [String], load: Load) throws {
        var sites: [(String, FlowColumns)] = try files.map { ($0, try MadeTraffic.capture($0)) }
        if sites.isEmpty {
            sites = try ["office", "datacenter", "isp-edge", "iot"].map {
                ($0, MadeTraffic.simulated(try WeirBenchDetect.plan($0, records: records)).columns)
            }
        }
        let kinds = only.isEmpty ? ["whole", "none", "all", "indicators", "rules"] + DetectorSet.names : only
        for (name, columns) in sites {
            var times = [[Double]](repeating: [], count: kinds.count), findings = 0
            for _ in 0..<max(rounds, 1) {
                for (index, kind) in kinds.enumerated() {
                    let (seconds, found) = try once(kind, columns, load)
                    times[index].append(seconds)
                    if kind == "whole" { findings = found }
                }
            }
            let medians = times.map { $0.sorted()[$0.count / 2] * 1e9 }
            let reading = kinds.firstIndex(of: "none").map { medians[$0] }
            for (kind, median) in zip(kinds, medians) where kind == "whole" {
                try WeirBenchDetect.say(
                    Whole(
                        traffic: name, records: columns.count, indicators: load.indicatorCount, rules: load.ruleCount,
                        findings: findings, secondsPerMillion: rounded(median / 10) / 100,
                        isWithinBar: median / 1_000 <= bar))
            }
            for (kind, median) in zip(kinds, medians) where kind != "whole" {
                // Rules read the records by themselves.
                let shared = kind == "rules" ? 0 : reading
                try WeirBenchDetect.say(
                    Line(
                        traffic: name, records: columns.count, detectors: kind,
                        nanosecondsPerRecord: rounded(median),
                        ownNanosecondsPerRecord: shared.map { rounded(max(median - $0, 0)) },
                        secondsPerMillion: rounded(median / 10) / 100))
            }
        }
    }

    /// CPU seconds a record, and findings. Batches are as the aggregator has them: just made, and so in the processor's
    /// cache.
    private static func once(_ kind: String, _ columns: FlowColumns, _ load: Load) throws -> (Double, Int) {
        let tenant = try WeirBenchDetect.tenant(), isWhole = kind == "whole"
        var set = DetectorSet(tenant: tenant, only: detectors(kind))
        if isWhole || kind == "indicators" { set.use(load.intelligence) }
        var fold = isWhole || kind == "rules" ? SigmaFold(tenant: tenant, rules: load.rules) : nil
        var batch = FlowColumns(capacity: batchRows), seconds = 0.0, findings = 0
        for start in stride(from: 0, to: columns.count, by: batchRows) {
            batch.removeAll()
            for exporter in columns.exporters { _ = batch.intern(exporter) }
            for row in start..<min(start + batchRows, columns.count) { batch.append(columns[row]) }
            let before = cpuSeconds()
            if kind != "rules" { findings += set.observe(batch).count }
            findings += fold?.observe(batch).count ?? 0
            seconds += cpuSeconds() - before
        }
        return (seconds / Double(max(columns.count, 1)), findings)
    }
    private static func detectors(_ kind: String) -> Set<String>? {
        switch kind {
        case "whole", "all": nil
        case "indicators": ["threat-intelligence"]
        default: [kind]
        }
    }
    private static let batchRows = 8_192
    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// Listed addresses all over the Internet, one in twenty of IPv6, from a fixed seed. Some of them are those that
/// simulated sites call.
enum MadeIndicators {
    static func set(_ count: Int) -> IndicatorSet {
        var generator = SeededGenerator(seed: 1)
        let context = IndicatorContext(labels: ["c2"])
        let listed = (0..<count).map { number in
            let address =
                number % 20 == 0
                ? IPAddress(
                    high: 0x2A00_0000_0000_0000 | UInt64.random(in: 0..<1 << 56, using: &generator) & ~0xFFFF,
                    low: UInt64.random(in: 0...(.max), using: &generator))
                : IPAddress(v4: UInt32.random(in: 0x0B00_0000..<0xDF00_0000, using: &generator))
            return Indicator(
                .network(IPNetwork(address, length: address.isV4 ? 32 : 128)), confidence: 50, context: context)
        }
        return IndicatorSet([(FeedSource(name: "bench"), listed)])
    }
}
