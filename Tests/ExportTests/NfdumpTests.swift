import Export
import FilterLanguage
import FlowModel
import Foundation
import Platform
import TestKit
import Testing

@Suite("nfdump and tshark read what is exported", .serialized)
struct NfdumpTests {
    private func export(_ columns: FlowColumns, _ format: ExportFormat, _ key: [UInt8]? = nil) -> [UInt8] {
        var exporter = FlowExporter(format, pseudonyms: key.flatMap { Pseudonyms(key: $0) }), out: [UInt8] = []
        exporter.begin(into: &out)
        exporter.add(columns, into: &out)
        exporter.end(into: &out)
        return out
    }
    /// Without what differs by the way: exporter's address and number, engine, time of receipt.
    private func comparable(_ line: some StringProtocol) -> String {
        line.split(separator: ",", omittingEmptySubsequences: false).dropLast(4).joined(separator: ",")
    }

    @Test(
        "nfcapd sums the same octets, packets and flows",
        .enabled(if: Nfcapd.isInstalled, Comment(rawValue: Nfcapd.why)))
    func sums() throws {
        var generator = SeededGenerator(seed: 11)
        let columns = AnyFlows.columns(3_000, using: &generator)
        let capture = try Nfcapd(receiving: messages(of: export(columns, .ipfix)))
        let tally = columns.tally, sums = try capture.sums()
        #expect(sums == [tally.flows, tally.octets, tally.packets])
    }

    @Test("our nfdump CSV is nfdump's own", .enabled(if: Nfcapd.isInstalled, Comment(rawValue: Nfcapd.why)))
    func csv() throws {
        var generator = SeededGenerator(seed: 12)
        let columns = AnyFlows.columns(1_500, extras: false, plainTCP: true, using: &generator)
        let capture = try Nfcapd(receiving: messages(of: export(columns, .ipfix)))
        let ours = String(decoding: export(columns, .nfdump), as: UTF8.self).split(separator: "\n")
        let header = try capture.dump(["-o", "csv", "-c", "1"]).split(separator: "\n").first
        #expect(ours.first == header)
        let wanted = try capture.lines().map { comparable($0) }.sorted(),
            got = ours.dropFirst().map { comparable($0) }.sorted()
        #expect(wanted.count == 1_500)
        for (wanted, got) in zip(wanted, got).filter({ $0 != $1 }).prefix(3) { #expect(got == wanted) }
        #expect(got == wanted)
    }

    @Test(
        "filters of both languages find the same flows in nfdump",
        .enabled(if: Nfcapd.isInstalled, Comment(rawValue: Nfcapd.why)))
    func filters() throws {
        var generator = SeededGenerator(seed: 13)
        let columns = AnyFlows.columns(2_000, extras: false, plainTCP: true, using: &generator)
        let capture = try Nfcapd(receiving: messages(of: export(columns, .ipfix)))
        let filters = [
            "any", "not any", "proto tcp", "proto udp or proto icmp", "not proto tcp", "src net 10.0.16.0/20",
            "net 10.0.128.0/17", "src net 10.0.0.0/17 and not dst net 10.0.0.0/17", "inet", "inet6", "not inet6",
            "ip 2001:db8::5", "src ip 2001:db8::5 or dst ip 2001:db8::6", "dst net 2001:db8::/121", "port 22",
            "not port 22",
            "dst port 443", "src port > 30000", "dst port < 100 and dst port > 22", "port in [22 53]",
            "dst port in [80 443]",
            "ip in [2001:db8::1 2001:db8::2]", "proto tcp and flags S", "flags SA", "not flags S",
            "proto tcp and (flags S and not flags A)", "bytes > 500k", "bytes < 1000", "packets > 800", "bps > 1M",
            "pps < 10", "bpp > 10000", "duration > 40000", "duration < 100", "in if 3", "out if 3",
            "tos 184", "vlan 77 or vlan 78", "icmp-type 8", "icmp-code 3",
            "src mask 24", "next ip 2001:db8::9",
            "(src port > 2000 and (dst port 22 or dst port 53)) or (inet6 and not (packets > 100 or bytes > 10k))",
        ]
        for filter in filters {
            let tree = try FilterParser.parse(filter)
            let ours = columns.rows.count { tree.matches(FilterSubject(columns, row: $0)) }
            let theirs = try capture.lines(filter).count
            #expect(ours == theirs, "\(filter)")
        }
    }

    @Test(
        "nfanon gives the same pseudonyms",
        .enabled(if: Nfcapd.isInstalled && Program.isInstalled("nfanon"), Comment(rawValue: Nfcapd.why)))
    func nfanon() throws {
        var generator = SeededGenerator(seed: 14)
        let columns = AnyFlows.columns(300, extras: false, plainTCP: true, using: &generator)
        let capture = try Nfcapd(receiving: messages(of: export(columns, .ipfix)))
        let key = "32-char-str-for-AES-key-and-pad."
        let anonymous = capture.folder.file("anonymous").path
        let outcome = try Program.run("nfanon", ["-K", key, "-r", capture.file, "-w", anonymous])
        #expect(outcome.status == 0, "\(outcome.errors)")
        func ends(_ line: some StringProtocol) -> String {
            let cells = line.split(separator: ",", omittingEmptySubsequences: false)
            return ([0, 1, 3, 4, 5, 6, 12].map { String(cells[$0]) } + [String(cells[23])]).joined(separator: ",")
        }
        // Of IPv6 addresses nfanon 1.7.1 leaves whole groups as they are; the published examples are the measure there.
        let theirs = try capture.lines("inet", file: anonymous).map { ends($0) }.sorted()
        let text = String(decoding: export(columns, .nfdump, Array(key.utf8)), as: UTF8.self)
        let ours = text.split(separator: "\n").dropFirst().map { ends($0) }.filter {
            $0.split(separator: ",")[2].contains(".")
        }.sorted()
        #expect(theirs.count > 100)
        for (wanted, got) in zip(theirs, ours).filter({ $0 != $1 }).prefix(3) { #expect(got == wanted) }
        #expect(ours == theirs)
    }

    @Test(
        "tshark reads the file and sums the same",
        .enabled(if: Program.isInstalled("tshark"), "tshark is not installed"))
    func tshark() throws {
        var generator = SeededGenerator(seed: 15)
        let columns = AnyFlows.columns(500, using: &generator)
        let folder = try TemporaryFolder("weir-ipfix"), file = folder.file("flows.ipfix")
        try Data(export(columns, .ipfix)).write(to: file)
        let outcome = try Program.run(
            "tshark",
            ["-r", file.path, "-T", "fields", "-E", "separator=;", "-e", "cflow.octets", "-e", "cflow.packets"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        var octets: UInt64 = 0, packets: UInt64 = 0, records = 0
        for line in outcome.text.split(separator: "\n") {
            let cells = line.split(separator: ";", omittingEmptySubsequences: false)
            let values = cells.first?.split(separator: ",").compactMap { UInt64($0) } ?? []
            records += values.count
            octets += values.reduce(0, +)
            packets += (cells.last?.split(separator: ",").compactMap { UInt64($0) } ?? []).reduce(0, +)
        }
        #expect(records == 500 && octets == columns.tally.octets && packets == columns.tally.packets)
        let malformed = try Program.run("tshark", ["-r", file.path, "-Y", "_ws.malformed"])
        #expect(malformed.text == "", "\(malformed.text)")
    }
}
