import Decode
import Export
import FlowModel
import Foundation
import Platform
import TestKit
import Testing
import WireBytes

@Suite("IPFIX files")
struct IPFIXFileTests {
    private func export(_ columns: FlowColumns, pieces: Int = 1) -> (file: [UInt8], counts: ExportCounts) {
        var exporter = FlowExporter(.ipfix), file: [UInt8] = []
        exporter.begin(into: &file)
        for _ in 0..<pieces { exporter.add(columns, into: &file) }
        exporter.end(into: &file)
        return (file, exporter.counts)
    }
    private func decode(_ file: [UInt8]) -> (columns: FlowColumns, losses: String) {
        var decoder = DatagramDecoder(), columns = FlowColumns(), losses = ""
        for message in messages(of: file) {
            let seconds = message[4..<8].reduce(0) { $0 << 8 | Int64($1) }
            let origin = DatagramOrigin(
                source: IPAddress(v4: 0x7F00_0001), sourcePort: 1, localPort: 4_739,
                receiveMilliseconds: seconds * 1_000)
            let result = message.withBytes { decoder.decode($0, from: origin, into: &columns) }
            if !result.losses.isEmpty { losses += "\(result.losses) " }
        }
        return (columns, losses)
    }

    //= RFC 5655 §4
    //= RFC 7011 §3.1
    @Test("what is written, Weir's own decoder reads: every column, every element, nothing lost") func roundTrip() {
        forAll(runs: 5) { generator, seed in
            let columns = AnyFlows.columns(300, using: &generator)
            let (file, counts) = export(columns), (back, losses) = decode(file)
            #expect(losses == "", "SEED=\(seed)")
            #expect(messages(of: file).reduce(0) { $0 + $1.count } == file.count)
            #expect(counts.rows == 300 && counts.tally == columns.tally && back.count == 300, "SEED=\(seed)")
            let wanted = columns.rows.map { Self.comparable(columns, $0) }.sorted()
            let got = back.rows.map { Self.comparable(back, $0) }.sorted()
            #expect(wanted == got, "SEED=\(seed)")
        }
    }
    /// A row as text: what an IPFIX reader can know of it.
    private static func comparable(_ columns: FlowColumns, _ row: Int) -> String {
        var record = columns[row]
        let extras = columns.extras.values(at: record.extra)
        func extra(_ id: UInt16) -> [UInt8]? { extras.first { $0.element == ElementKey(id: id) }?.octets }
        func number(_ octets: [UInt8]) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }
        let key = columns.exporterKey(ofRow: row)
        let count = extra(3).map(number) ?? UInt64(record.deltaFlowCount)
        let received = extra(258).map(number) ?? UInt64(record.receiveMilliseconds)
        var exporter = key.address
        if let octets = extra(130) { exporter = IPAddress(v4: UInt32(number(octets))) }
        if let octets = extra(131) {
            exporter = IPAddress(high: number(Array(octets[..<8])), low: number(Array(octets[8...])))
        }
        let others = extras.filter { ![130, 131, 3, 258].contains($0.element.id) || $0.element.enterprise != 0 }
        (record.extra, record.exporter, record.deltaFlowCount, record.receiveMilliseconds) = (0, 0, 1, 0)
        return "\(record) \(count) \(received) \(exporter) \(key.observationDomain) \(others)"
    }

    //= RFC 7011 §3.3.2
    @Test("messages fit datagrams, sequence numbers count records by domain, templates come once") func sound() {
        var generator = SeededGenerator(seed: 4)
        let columns = AnyFlows.columns(2_000, using: &generator)
        let (file, _) = export(columns)
        var next: [UInt32: UInt32] = [:], templates = 0, decoder = DatagramDecoder(), read = FlowColumns()
        for message in messages(of: file) {
            #expect(message.count <= 1_400)
            func u32(_ at: Int) -> UInt32 { message[at..<(at + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
            #expect(u32(8) == next[u32(12), default: 0])
            var at = 16
            while at + 4 <= message.count {
                let length = Int(message[at + 2]) << 8 | Int(message[at + 3])
                #expect(length > 4 && at + length <= message.count)
                if message[at] == 0, message[at + 1] == 2 { templates += 1 }
                at += max(length, 4)
            }
            #expect(at == message.count)
            let before = read.count
            let origin = DatagramOrigin(
                source: IPAddress(v4: 1), sourcePort: 1, localPort: 1, receiveMilliseconds: AnyFlows.start)
            _ = message.withBytes { decoder.decode($0, from: origin, into: &read) }
            next[u32(12), default: 0] &+= UInt32(read.count - before)
        }
        #expect(next.values.reduce(0, +) == 2_000)
        #expect((10..<400).contains(templates))
    }

    @Test("rows that others stand for are left out where a reader would sum them") func duplicates() {
        var generator = SeededGenerator(seed: 5)
        var columns = AnyFlows.columns(10, using: &generator)
        columns.flags[3] = RecordFlags.observedElsewhere.rawValue
        columns.flags[4] = RecordFlags.secondary.rawValue
        for format in ExportFormat.allCases {
            var exporter = FlowExporter(format), out: [UInt8] = []
            exporter.add(columns, into: &out)
            exporter.end(into: &out)
            #expect(exporter.counts.rows == (format == .ndjson ? 9 : 8), "\(format)")
            #expect(exporter.counts.duplicates == (format == .ndjson ? 0 : 1), "\(format)")
            #expect(exporter.counts.tally.flows == columns.tally.flows - UInt64(columns.deltaFlowCount[4]), "\(format)")
        }
    }

    @Test("hostile values are written without a trap, and a record too long for a message goes without its elements")
    func extremes() {
        forAll(runs: 4) { generator, seed in
            var columns = FlowColumns()
            for _ in 0..<12 {
                var record = FlowRecord.any(using: &generator)
                let key = ExporterKey(
                    address: IPAddress(high: generator.next(), low: generator.next()),
                    observationDomain: generator.next(),
                    exportProtocol: .sflow5)
                record.exporter = columns.intern(key) ?? 0
                record.flags = []
                let long = [UInt8](repeating: 7, count: Int.random(in: 0...65_535, using: &generator))
                record.extra = columns.extras.add([
                    ExtraValue(ElementKey(id: 60_000), long), ExtraValue(ElementKey(enterprise: 1, id: 3), long),
                ])
                columns.append(record)
            }
            for format in ExportFormat.allCases {
                var exporter = FlowExporter(format), out: [UInt8] = []
                exporter.begin(into: &out)
                exporter.add(columns, into: &out)
                exporter.end(into: &out)
                #expect(exporter.counts.rows == 12 && !out.isEmpty, "SEED=\(seed) \(format)")
                guard format == .ipfix else { continue }
                #expect(messages(of: out).reduce(0) { $0 + $1.count } == out.count, "SEED=\(seed)")
                #expect(exporter.counts.withoutExtras > 0, "SEED=\(seed)")
            }
        }
    }
}
