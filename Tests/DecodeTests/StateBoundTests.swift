import Decode
import FlowModel
import Foundation
import Platform
import TestKit
import Testing

/// What an attacker can make a decoder remember, and whom that can hurt: nobody.
@Suite("Bounded state", .serialized) struct StateBoundTests {
    private let real = IPAddress(v4: 0x0A00_0001), network = IPNetwork(IPAddress(v4: 0x0A00_0000), length: 24)
    private func template(_ id: UInt16, _ fields: [Field] = Make.basic) -> [UInt8] {
        Make.set(2, Make.template(id, fields))
    }
    private let dataSet = Make.set(256, Make.basicRecord())
    private func protected(_ limits: DecodeLimits = .init()) -> Decoding {
        var settings = DecodeSettings(limits: limits)
        settings.protectedExporters = [network]
        return Decoding(settings: settings)
    }
    private func residentOctets() -> Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4_096 : 0
    }

    @Test("C29 a million templates of 100,000 spoofed exporters cost at most 64 MiB, and take nothing from a real one")
    func million() async {
        // In a process of its own: what other tests take at the same time is not the decoder's.
        await #expect(processExitsWith: .success) { StateBoundTests().teachAMillion() }
    }
    private func teachAMillion() {
        var decoding = protected(), taught = 0
        decoding.decode(Make.ipfix([template(256), dataSet]), source: real)
        let before = residentOctets()
        let many = (UInt16(256)..<266).flatMap { Make.template($0, [(8, 4), (12, 4), (1, 4), (2, $0 % 8 + 1)]) }
        let message = Make.ipfix([Make.set(2, many), Make.set(999, Make.basicRecord())])
        for host in UInt32(0)..<100_000 {
            let source = IPAddress(v4: 0x2000_0000 &+ host &* 7), time = Decoding.received + Int64(host) / 10
            taught += decoding.decode(message, source: source, at: time).templatesLearned
        }
        let growth = residentOctets() - before
        #expect(before > 0 && growth <= 64 << 20, "grew by \(growth >> 10) KiB")
        #expect(taught > 50_000 && taught == decoding.decoder.templateCount - 1)
        #expect(decoding.decode(Make.ipfix([dataSet]), source: real).rows.count == 1)
        // A protected exporter that is new finds room in the middle of it.
        let second = IPAddress(v4: 0x0A00_0002)
        #expect(decoding.decode(Make.ipfix([template(256), dataSet]), source: second).rows.count == 1)
    }

    @Test("C29 no order of floods takes a template from a protected exporter, or from one in use") func eviction() {
        forAll(runs: 40) { generator, seed in
            var limits = DecodeLimits()
            limits.exportersMax = 20
            limits.templateOctetsMax = 20_000
            limits.streamsPerExporterMax = 3
            limits.templatesPerStreamMax = 4
            var decoding = protected(limits), time = Decoding.received
            let used = IPAddress(v4: 0x0B00_0001)
            decoding.decode(Make.ipfix([template(256), dataSet]), source: real, at: time)
            decoding.decode(Make.ipfix([template(256), dataSet]), source: used, at: time)
            for _ in 0..<600 {
                time += Int64.random(in: 0...20_000, using: &generator)
                let source = [
                    IPAddress(v4: UInt32.random(in: 1...1_000, using: &generator)), used, real,
                ][Int.random(in: 0..<10, using: &generator) < 8 ? 0 : Int.random(in: 1...2, using: &generator)]
                // Others under a real exporter's address have another port, or other numbers.
                let id = UInt16.random(in: 300...320, using: &generator)
                let port =
                    source == used || source == real ? UInt16.random(in: 6_000...6_009, using: &generator) : 5_000
                decoding.decode(
                    Make.ipfix([template(id), Make.set(id, Make.basicRecord())]), port: port, source: source, at: time)
                decoding.decode(Make.ipfix([dataSet]), source: used, at: time)
            }
            for (name, source) in [("real", real), ("used", used)] {
                let result = decoding.decode(Make.ipfix([dataSet]), source: source, at: time)
                #expect(result.rows.count == 1, "\(name) SEED=\(seed)")
                let last = decoding.record(result.rows.lowerBound)
                #expect(!last.flags.contains(.templateBorrowed), "\(name) SEED=\(seed)")
            }
        }
    }

    @Test("C29 spoofed newcomers make room after a minute, a served exporter only after an hour") func newcomers() {
        var limits = DecodeLimits()
        limits.exportersMax = 4
        var decoding = Decoding(limits: limits)
        let start = Decoding.received, known = IPAddress(v4: 77)
        decoding.decode(Make.ipfix([template(256), dataSet]), source: known, at: start)
        decoding.decode(Make.ipfix([dataSet]), source: known, at: start + 11_000)
        for host in UInt32(1)...3 {
            decoding.decode(Make.ipfix([template(256)]), source: IPAddress(v4: host), at: start)
        }
        func new(_ host: UInt32, at time: Int64) -> Bool {
            decoding.decode(Make.ipfix([template(256)]), source: IPAddress(v4: host), at: time).losses.isEmpty
        }
        #expect(!new(50, at: start + 59_000) && new(51, at: start + 61_000))
        for host in UInt32(100)..<200 { _ = new(host, at: start + 3_000_000 + Int64(host) * 70_000 / 100) }
        #expect(decoding.decode(Make.ipfix([dataSet]), source: known, at: start + 3_100_000).rows.count == 1)
    }

    @Test("C29 layouts beyond the room for them are worked out anew, and nothing is misread") func plans() {
        var limits = DecodeLimits()
        limits.plannedFieldsMax = 30
        var decoding = Decoding(limits: limits)
        for round in 0..<3 {
            for id in UInt16(256)..<280 {
                let fields = Make.basic + [(210, id - 255)]
                let sets = round == 0 ? [template(id, fields)] : []
                let record = Make.basicRecord(octets: UInt32(id)) + [UInt8](repeating: 0, count: Int(id) - 255)
                let result = decoding.decode(Make.ipfix(sets + [Make.set(id, record)]))
                #expect(decoding.record(result.rows.lowerBound).octetDeltaCount == UInt64(id))
            }
        }
        #expect(decoding.columns.count == 72)
    }
}
