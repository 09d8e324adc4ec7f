import Capture
import Foundation
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
        let comparison = try capture.comparison()
        let found = Dictionary(grouping: comparison.findings, by: \.difference)
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

    @Test(
        "the comparison is of records that are there, on both sides",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"),
        .enabled(if: Program.isInstalled("tshark"), "tshark is not installed"),
        arguments: [
            ("ipfixcol2/_pcap/example_flows.ipfix.pcap", 3_979), ("telegraf/_pcap/netflow_v5_example.pcap", 8),
            ("logstash-codec-netflow/_pcap/Netflow-9-Cisco-ASR1001-X.pcap", 25), ("tcpdump/sflow_expanded.pcap", 1),
        ])
    func isNotEmpty(_ name: String, _ count: Int) throws {
        let comparison = try WireCapture(name: name, parts: []).comparison()
        #expect(comparison.ours == count)
        #expect(comparison.theirs == count)
    }

    @Test(
        "a capture converted by the analyser's own tool reads as before",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"),
        .enabled(if: Program.isInstalled("editcap"), "editcap is not installed"),
        arguments: ["pcapng", "nsecpcap"])
    func converted(_ format: String) throws {
        let folder = try TemporaryFolder("weir-conformance"), name = "tcpdump/sflow_multiple_counter_30_pdus.pcap"
        let (from, to) = (folder.file("from.pcap"), folder.file("to.pcap"))
        let original = try WireCapture(name: name, parts: []).bytes()
        try Data(original).write(to: from)
        let outcome = try Program.run("editcap", ["-F", format, from.path, to.path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let converted = [UInt8](try Data(contentsOf: to))
        #expect(converted != original)
        let (before, after) = (try datagrams(original), try datagrams(converted))
        #expect(before == after)
        #expect(before.count == 30)
    }
    private func datagrams(_ bytes: [UInt8]) throws -> [CapturedDatagram] {
        var reader = try CaptureReader(bytes: bytes), datagrams: [CapturedDatagram] = []
        while let datagram = try reader.nextDatagram() { datagrams.append(datagram) }
        return datagrams
    }

    @Test(
        "every explanation is for a capture that exists and gives a reason",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"))
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
