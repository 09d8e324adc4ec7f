import TestKit
import Testing

/// The decoder against an independent dissector, on every capture of real exporters there is.
@Suite("Conformance with the packet analyser")
struct ConformanceTests {
    @Test(
        "the decoder makes the records that the analyser shows",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"),
        .enabled(if: Program.isInstalled("tshark"), "tshark is not installed"),
        arguments: WireCapture.all)
    func sameRecords(_ capture: WireCapture) throws {
        let findings = try capture.findings()
        let found = Dictionary(grouping: findings, by: \.difference)
        let explained = Dictionary(
            uniqueKeysWithValues: Explained.all.filter { $0.capture == capture.name }.map { ($0.difference, $0.count) })
        for (difference, cases) in found where cases.count != explained[difference, default: 0] {
            let listed = cases.prefix(6).map { "\($0)" }.joined(separator: "\n  ")
            let expected = explained[difference, default: 0]
            Issue.record("\(capture.name): \(difference): \(cases.count) found, \(expected) explained\n  \(listed)")
        }
        for (difference, count) in explained where found[difference] == nil {
            Issue.record("\(capture.name): \(difference) is explained \(count) times and no longer occurs")
        }
    }

    @Test("every explanation is for a capture that exists and gives a reason", .enabled(if: Fixtures.present))
    func explanations() {
        let names = Set(WireCapture.all.map(\.name))
        #expect(Explained.all.filter { !names.contains($0.capture) }.map(\.capture) == [])
        #expect(Explained.all.allSatisfy { $0.reason.count > 20 && $0.count > 0 })
    }

    @Test("the comparison sees a missing record, an extra one and a wrong field")
    func comparisonCatches() {
        var record = ComparedRecord()
        record[.octets] = "1500"
        var other = record
        other[.octets] = "1501"
        #expect(compare(ours: [record], theirs: [record], frame: 1).isEmpty)
        #expect(compare(ours: [], theirs: [record], frame: 1).map(\.difference) == [.missing])
        #expect(compare(ours: [record], theirs: [], frame: 1).map(\.difference) == [.extra])
        #expect(compare(ours: [record], theirs: [other], frame: 1).map(\.difference) == [.field(.octets)])
    }
}
