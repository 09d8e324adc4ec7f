import Detect
import FlowModel
import Foundation
import Intelligence
import Simulator

/// An attack that is in some traffic, and what counts as having found it.
struct KnownAttack {
    /// The rule that should be met first, and others that are right, too.
    var rules: [String]
    /// Addresses or networks as text; nil where nobody in particular is guilty, or hit.
    var attacker: IPNetwork?, victim: IPNetwork?
    /// In ms since 1970; nil when the set doesn't say.
    var start: Int64?

    func isFound(by finding: Finding) -> Bool {
        guard rules.contains(finding.rule) else { return false }
        return matches(attacker, finding, .attacker) && matches(victim, finding, .victim)
    }
    private func matches(_ network: IPNetwork?, _ finding: Finding, _ role: FindingEntity.Role) -> Bool {
        guard let network else { return true }
        return finding.entities.contains { entity in
            guard entity.role == role, let address = IPAddress(entity.value) else { return false }
            return network.contains(address)
        }
    }
}

/// Counts of one rule over some sets.
struct RuleScore {
    var attacks = 0, found = 0, findings = 0, wrong = 0
    var seconds: [Double] = []
}

/// Runs the detectors over traffic whose attacks are known.
enum Quality {
    struct Line: Encodable {
        let name = "quality"
        let set: String, sampling: UInt32, rule: String
        /// Attacks whose first rule this is; those that were found by any right rule; findings of this rule; those
        /// that no attack explains.
        let attacks: Int, found: Int, findings: Int, wrong: Int
        let precision: Double?, recall: Double?
        /// From the attack's first flow to the arrival of the record that completed the finding.
        let secondsToDetectMedian: Double?, secondsToDetectMax: Double?
    }
    struct BenignLine: Encodable {
        let name = "benign"
        let set: String, records: Int, low: Int, mediumOrHigher: Int, mediumOrHigherPer10M: Double
        let titles: [String]
    }
    /// A finding, when it was first said and as it was said last.
    struct Said {
        let received: Int64
        var finding: Finding
    }

    static func findings(
        in columns: FlowColumns, parameters: DetectorParameters = .init(), places: PlaceLookup = .none,
        intelligence: Intelligence = .none
    ) throws -> [Said] {
        var set = DetectorSet(tenant: try WeirBenchDetect.tenant(), parameters: parameters), said: [String: Said] = [:]
        set.use(places)
        set.use(intelligence)
        var received = Int64.min
        func note(_ findings: [Finding]) {
            for finding in findings {
                said[finding.id, default: Said(received: received, finding: finding)].finding = finding
            }
        }
        var start = 0
        while start < columns.count {  // ends: each batch has a row
            let rows = start..<batchEnd(columns, from: start)
            for row in rows { received = max(received, columns.receiveMilliseconds[row]) }
            note(set.observe(columns, rows: rows))
            start = rows.upperBound
        }
        note(set.finish())
        return said.values.sorted { ($0.received, $0.finding.id) < ($1.received, $1.finding.id) }
    }

    /// Batches are of 256 records, or of a sensor's usual window of three seconds: what is detected when depends on it.
    private static func batchEnd(_ columns: FlowColumns, from start: Int) -> Int {
        let last = columns.receiveMilliseconds[start] &+ 3_000
        var end = start + 1
        while end < min(start + 256, columns.count), columns.receiveMilliseconds[end] < last { end += 1 }
        return end
    }

    static func score(_ said: [Said], _ attacks: [KnownAttack], into scores: inout [String: RuleScore]) {
        for attack in attacks {
            let first = said.first { attack.isFound(by: $0.finding) }
            scores[attack.rules[0], default: RuleScore()].attacks += 1
            guard let first else { continue }
            scores[attack.rules[0], default: RuleScore()].found += 1
            guard let start = attack.start else { continue }
            scores[attack.rules[0], default: RuleScore()].seconds.append(Double(first.received - start) / 1_000)
        }
        for one in said {
            let isRight = attacks.contains { $0.isFound(by: one.finding) }
            scores[one.finding.rule, default: RuleScore()].findings += 1
            if !isRight {
                scores[one.finding.rule, default: RuleScore()].wrong += 1
                FileHandle.standardError.write(Data("unexplained: \(one.finding.title)\n".utf8))
            }
        }
    }

    private static func say(_ scores: [String: RuleScore], set: String, sampling: UInt32) throws {
        for (rule, score) in scores.sorted(by: { $0.key < $1.key }) {
            let seconds = score.seconds.sorted(), right = Double(score.findings - score.wrong)
            try WeirBenchDetect.say(
                Line(
                    set: set, sampling: sampling, rule: rule, attacks: score.attacks, found: score.found,
                    findings: score.findings, wrong: score.wrong,
                    precision: score.findings == 0 ? nil : right / Double(score.findings),
                    recall: score.attacks == 0 ? nil : Double(score.found) / Double(score.attacks),
                    secondsToDetectMedian: seconds.isEmpty ? nil : seconds[seconds.count / 2],
                    secondsToDetectMax: seconds.last))
        }
    }

    static func labelled(in folder: String) throws {
        var scores: [String: RuleScore] = [:]
        for set in LabelledSet.all {
            for file in set.files(in: folder) {
                let columns = try MadeTraffic.capture(file)
                let said = try findings(in: columns)
                guard !set.attacks.isEmpty else {
                    try say(benign: set.id, columns.count, said.map(\.finding))
                    continue
                }
                score(said, set.attacks, into: &scores)
            }
        }
        try say(scores, set: "labelled captures", sampling: 1)
    }

    /// Every attack at once in each of the sites, twice, for ten minutes.
    static func simulated() throws {
        for sampling in [1, 100, 1_000] as [UInt32] {
            var scores: [String: RuleScore] = [:]
            for mix in MixName.allCases {
                for seed in 1...2 as ClosedRange<UInt64> {
                    var plan = try WeirBenchDetect.plan("\(mix.rawValue),attacks", records: 120_000, seconds: 600)
                    plan.seed = seed
                    if sampling > 1 { plan.knobs.sampling = sampling }
                    let (columns, truth) = MadeTraffic.simulated(plan)
                    score(try findings(in: columns), truth.attacks.map(KnownAttack.init), into: &scores)
                }
            }
            try say(scores, set: "simulated sites", sampling: sampling)
        }
    }

    /// What captures and sites lack: each attack among what looks like it, five times.
    static func made() throws {
        for sampling in [1, 100, 1_000] as [UInt32] {
            var scores: [String: RuleScore] = [:]
            for seed in 1...5 as ClosedRange<UInt64> {
                for made in MadeAttack.all(seed: seed) {
                    let said = try findings(
                        in: made.columns(sampling: sampling, seed: seed), parameters: made.parameters,
                        places: made.places, intelligence: made.intelligence)
                    score(said, [made.attack], into: &scores)
                }
            }
            try say(scores, set: "made", sampling: sampling)
        }
    }

    static func benign(records: Int) throws {
        for mix in MixName.allCases {
            let columns = MadeTraffic.simulated(try WeirBenchDetect.plan(mix.rawValue, records: records, seconds: 600))
                .columns
            try say(benign: mix.rawValue, columns.count, try findings(in: columns).map(\.finding))
        }
    }
    private static func say(benign set: String, _ records: Int, _ findings: [Finding]) throws {
        let high = findings.filter { $0.severity >= .medium }
        try WeirBenchDetect.say(
            BenignLine(
                set: set, records: records, low: findings.count - high.count, mediumOrHigher: high.count,
                mediumOrHigherPer10M: Double(high.count) / Double(max(records, 1)) * 1e7,
                titles: findings.prefix(20).map { "\($0.severity.rawValue) \($0.rule): \($0.title)" }))
    }
}
