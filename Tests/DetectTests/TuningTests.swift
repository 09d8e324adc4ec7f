import FlowModel
import TestKit
import Testing

@testable import Detect

@Suite("Detectors' limits") struct TuningTests {
    /// Names as `DetectorLimit` has them, of all numbers in the parameters.
    private func numbers(in value: Any, prefix: String = "") -> [String: Double] {
        var found: [String: Double] = [:]
        for case (let label?, let child) in Mirror(reflecting: value).children {
            let name = prefix + (label.hasSuffix("Milliseconds") ? String(label.dropLast(12)) : label)
            switch child {
            case let number as Int: found[name] = Double(number)
            case let number as Int64: found[name] = Double(number)
            case let number as Double: found[name] = number
            default: if child is FloodUsual { found.merge(numbers(in: child, prefix: name + ".")) { $1 } }
            }
        }
        return found
    }

    @Test("every number of the parameters is one, under its name, and its usual value may be set") func complete() {
        let usual = DetectorParameters(), numbers = numbers(in: usual)
        #expect(Set(DetectorLimit.all.map(\.name)) == Set(numbers.keys))
        let names = Set(DetectorSet.names)
        for limit in DetectorLimit.all {
            #expect(limit.value(in: usual) == numbers[limit.name], "\(limit.name)")
            #expect(limit.problem(limit.value(in: usual)) == nil, "\(limit.name)")
            #expect(names.isSuperset(of: limit.detectors), "\(limit.name)")
            var tuning = DetectorTuning()
            #expect(tuning.set(limit.name, limit.range.upperBound) == nil)
            let tuned = self.numbers(in: tuning.applied(to: usual))
            #expect(tuned.filter { numbers[$0] != $1 } == [limit.name: limit.range.upperBound], "\(limit.name)")
            #expect(tuning.set(limit.name, limit.range.upperBound + 1) != nil)
            #expect(tuning.set(limit.name, limit.range.lowerBound - 0.001) != nil)
        }
        var tuning = DetectorTuning()
        #expect(tuning.set("scanPortsMin", 8.5) == "8.5 is no whole number")
        #expect(tuning.set("scanPort", 8) != nil && tuning.isEmpty)
    }

    @Test("whatever is set within the ranges, nothing traps, and a snapshot is the state") func extremes() throws {
        // Few records: at the ends a long flow has a thousand buckets.
        let records = Array(Traffic.mixture(seed: 5).prefix(300)), tenant = try Traffic.tenant()
        try forAll(runs: 6, from: 0) { generator, seed in
            var tuning = DetectorTuning()
            for limit in DetectorLimit.all {
                let ends = [limit.range.lowerBound, limit.range.upperBound]
                // The first two seeds' runs are all of one end.
                let value = seed < 2 ? ends[Int(seed)] : ends.randomElement(using: &generator)
                if let value, seed < 2 || Bool.random(using: &generator) {
                    #expect(tuning.set(limit.name, value) == nil)
                }
            }
            let parameters = tuning.applied(to: DetectorParameters())
            var set = DetectorSet(tenant: tenant, parameters: parameters)
            _ = Traffic.run(&set, Array(records.prefix(records.count / 2)), batch: 200)
            let bytes = set.snapshot()
            var again = try DetectorSet(restoring: bytes, tenant: tenant, parameters: parameters)
            #expect(again.snapshot() == bytes, "SEED=\(seed)")
            let rest = Array(records.suffix(records.count / 2))
            #expect(Traffic.run(&set, rest, batch: 200) == Traffic.run(&again, rest, batch: 200), "SEED=\(seed)")
            #expect(set.finish() == again.finish(), "SEED=\(seed)")
        }
    }

    @Test("a limit counts: what is below it is not told") func counts() throws {
        let scan = Traffic.verticalScan(ports: 20..<32)
        #expect(try Traffic.detect(scan).map(\.rule) == ["port-scan-vertical"])
        var tuning = DetectorTuning()
        #expect(tuning.set("scanPortsMin", 13) == nil)
        let strict = tuning.applied(to: DetectorParameters())
        #expect(try Traffic.detect(scan, parameters: strict).isEmpty)
        let more = try Traffic.detect(Traffic.verticalScan(ports: 20..<40), parameters: strict)
        #expect(more.first?.evidence.threshold == 13)
    }

    @Test("with other limits what was learned goes on; with another shape detectors begin anew") func kept() throws {
        let tenant = try Traffic.tenant()
        var before = DetectorSet(tenant: tenant)
        #expect(Traffic.run(&before, Traffic.verticalScan(ports: 20..<26), batch: 10).isEmpty)
        let bytes = before.snapshot(), more = Array(Traffic.mixture(seed: 6).prefix(100))
        // Any limit that is no shape may be another, at either end of its range.
        for limit in DetectorLimit.all {
            for value in [limit.range.lowerBound, limit.range.upperBound] {
                var parameters = DetectorParameters()
                limit.set(value, in: &parameters)
                if limit.isShape, value != limit.value(in: DetectorParameters()) {
                    #expect(throws: SnapshotError.otherParameters, "\(limit.name)") {
                        try DetectorSet(restoring: bytes, tenant: tenant, parameters: parameters)
                    }
                } else {
                    var after = try DetectorSet(restoring: bytes, tenant: tenant, parameters: parameters)
                    #expect(after.records == 6, "\(limit.name)")
                    _ = Traffic.run(&after, more, batch: 100)
                }
            }
        }
        var parameters = DetectorParameters()
        parameters.scanPortsMin = 7
        var after = try DetectorSet(restoring: bytes, tenant: tenant, parameters: parameters)
        let said = Traffic.run(&after, Traffic.verticalScan(ports: 26..<27, at: Traffic.noon + 60_000), batch: 10)
        #expect(said.map(\.evidence.observed) == [7])
    }

    @Test("a rule that is off says nothing; its detector goes on, and the others say what they said") func off() throws
    {
        let records = Traffic.mixture(seed: 8), tenant = try Traffic.tenant(), usual = try Traffic.detect(records)
        var tuning = DetectorTuning()
        #expect(tuning.setOff(["port-scan-*", "beacon"]) == nil && tuning.setOff(["port-scan"]) == "port-scan")
        let parameters = tuning.applied(to: DetectorParameters())
        #expect(parameters.off == ["beacon", "port-scan-horizontal", "port-scan-vertical"])
        let told = try Traffic.detect(records, parameters: parameters)
        #expect(told == usual.filter { !parameters.off.contains($0.rule) } && told.count < usual.count)
        // On again, the scan that went on meanwhile is told with all its ports.
        var quiet = DetectorSet(tenant: tenant, parameters: parameters)
        #expect(Traffic.run(&quiet, Traffic.verticalScan(ports: 20..<60), batch: 10).isEmpty)
        var loud = try DetectorSet(restoring: quiet.snapshot(), tenant: tenant)
        let later = Traffic.verticalScan(ports: 60..<200, at: Traffic.noon + 60_000)
        #expect(Traffic.run(&loud, later, batch: 1_000).first?.evidence.observed == 180)
    }
}
