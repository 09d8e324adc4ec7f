import Decode
import FlowModel
import Platform
import TestKit
import Testing
import WireBytes

/// Nothing that arrives may stop the process; and what is counted must be there.
@Suite("Hostile input") struct HostileInputTests {
    static let seeds: [[UInt8]] = {
        let fields9: [Field] = Make.basic + [(22, 4), (21, 4), (48, 1), (10, 4), (27, 16), (32, 2)]
        let record9 = Bytes(Make.basicRecord()).u32(1, 2).u8(1).u32(3).v6("2001:db8::1").u16(4).bytes
        let biflow = Bytes().u16(258, 4).u16(8, 4, 1, 4).u16(0x8001, 4).u32(29_305).u16(0x8098, 8).u32(29_305).bytes
        return [
            Make.netflow5(records: 3),
            Make.netflow9([
                Make.set(1, Make.optionsTemplate9(300, scopes: [(1, 4)], options: [(48, 1), (50, 4)])),
                Make.set(300, Bytes().u32(0).u8(1).u32(100).bytes),
                Make.set(0, Make.template(256, fields9)), Make.set(256, record9 + record9 + [0, 0]),
            ]),
            Make.ipfix([
                Make.set(2, Make.template(256, Make.basic + [(154, 8), (155, 8)]) + biflow),
                Make.set(2, Make.template(257, [(8, 4), (82, 65_535), (1, 65_535), (305, 4), (306, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u64(1 << 62, 1 << 63).bytes),
                Make.set(257, Bytes().u32(1).u8(2, 65, 66, 3, 1, 2, 3).u32(1, 9).bytes),
                Make.set(258, Bytes().u32(1, 2, 3).u64(4).bytes),
                Make.set(3, Make.optionsTemplate10(300, scopes: [(302, 4)], options: [(305, 4), (306, 4)])),
                Make.set(300, Bytes().u32(1, 1, 9).bytes),
            ]),
            SFlow.datagram([
                SFlow.flow([
                    SFlow.header(
                        SFlow.ethernet(0x86DD, tags: [1, 2], SFlow.ipv6(0, [6, 0, 0, 0, 0, 0, 0, 0] + SFlow.tcp))),
                    SFlow.sample(1003, Bytes().u32(1, 1, 65_000, 65_001, 65_002, 1, 2, 1, 65_003).bytes),
                ]), SFlow.expanded([SFlow.header(SFlow.ipv4(17, SFlow.tcp), protocolNumber: 11)]),
            ]),
        ]
    }()

    /// Decodes and checks what must hold for any input.
    private static func check(_ decoding: inout Decoding, _ bytes: [UInt8], _ comment: Comment) {
        let before = decoding.columns.count
        let result = decoding.decode(bytes)
        #expect(result.rows == before..<decoding.columns.count, comment)
        #expect(result.rows.count <= 2 * bytes.count, comment)
        let refused = result.losses.keys.contains { $0.unit == .datagrams }
        #expect(!refused || result.rows.isEmpty, comment)
        let known = decoding.columns.exporters.count
        let rows = decoding.columns.exporter[result.rows]
        #expect(rows.allSatisfy { Int($0) < known }, comment)
    }

    @Test("each prefix of a valid datagram of each protocol is decoded or refused, never trapped on") func prefixes() {
        for bytes in Self.seeds {
            var decoding = Decoding()
            for length in 0...bytes.count { Self.check(&decoding, Array(bytes.prefix(length)), "\(length)") }
            #expect(decoding.columns.count > 0)
        }
    }

    @Test("random changes to valid datagrams are decoded or refused, never trapped on") func mutations() {
        forAll(runs: 2_000) { generator, seed in
            var decoding = Decoding()
            for _ in 0..<3 {
                let bytes = Self.mutated(Self.seeds.randomElement(using: &generator) ?? [], &generator)
                Self.check(&decoding, bytes, "SEED=\(seed)")
            }
        }
    }

    static func mutated(_ seed: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = seed
        guard !bytes.isEmpty else { return bytes }
        for _ in 0..<Int.random(in: 1...8, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes[at] = [0, 1, 4, 127, 128, 255][Int.random(in: 0..<6, using: &generator)]
            case 2: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 3: bytes.removeSubrange(at..<min(bytes.count, at + 4))
            case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 8)], at: at)
            default: bytes = Array(bytes.prefix(max(at, 4)))
            }
        }
        return bytes
    }

    @Test("C9 C29 in any run of datagrams, sessions and saves each data set is read, waits, or is lost by name")
    func states() {
        var limits = DecodeLimits()
        (limits.exportersMax, limits.heldSetsMax, limits.sequencesMax) = (3, 12, 3)
        (limits.templatesPerStreamMax, limits.streamsPerExporterMax, limits.plannedFieldsMax) = (2, 2, 20)
        forAll(runs: 60) { generator, seed in
            var decoding = Decoding(limits: limits), time = Decoding.received, held = 0, ended: UInt64 = 0
            for _ in 0..<60 {
                time += [0, 50, 2_000, 90_000, -3_000][Int.random(in: 0..<5, using: &generator)]
                var bytes = Self.seeds.randomElement(using: &generator) ?? []
                if Int.random(in: 0..<3, using: &generator) == 0 { bytes = Self.mutated(bytes, &generator) }
                let before = decoding.columns.count
                let result = decoding.decode(
                    bytes, port: UInt16.random(in: 1...4, using: &generator),
                    source: IPAddress(v4: UInt32.random(in: 1...5, using: &generator)), at: time,
                    session: UInt32.random(in: 0...2, using: &generator),
                    isRepeat: Int.random(in: 0..<8, using: &generator) == 0)
                #expect(result.rows == before..<decoding.columns.count, "SEED=\(seed)")
                #expect((result.missing?.missing ?? 0) < 1 << 31, "SEED=\(seed)")
                held += result.setsHeld - result.setsReplayed
                switch Int.random(in: 0..<12, using: &generator) {
                case 0: decoding.decoder.endSession(UInt32.random(in: 0...2, using: &generator))
                case 1: ended += decoding.decoder.expireHeld(atMilliseconds: time).reduce(0) { $0 + $1.sets }
                case 2:
                    ended += decoding.decoder.expireHeld(atMilliseconds: .max).reduce(0) { $0 + $1.sets }
                    Self.restart(&decoding, limits, time, seed)
                default: break
                }
            }
            ended += decoding.decoder.expireHeld(atMilliseconds: .max).reduce(0) { $0 + $1.sets }
            #expect(UInt64(held) == ended && decoding.decoder.heldSets == 0, "SEED=\(seed)")
        }
    }
    /// Another process takes over with the saved templates.
    private static func restart(_ decoding: inout Decoding, _ limits: DecodeLimits, _ time: Int64, _ seed: UInt64) {
        let saved = decoding.decoder.snapshot()
        var next = Decoding(limits: limits)
        let report = try? next.decoder.restore(saved, now: time)
        #expect(report != nil && report?.restored == next.decoder.templateCount, "SEED=\(seed)")
        decoding = next
    }

    @Test("the fuzzer's entry takes anything, alone and as a run of datagrams") func fuzzEntry() {
        forAll(runs: 300) { generator, seed in
            let noise = (0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let rows = noise.withBytes { decodeAny($0) }
            #expect(rows >= 0, "SEED=\(seed)")
        }
        let run = Self.seeds.reduce(into: [UInt8]()) {
            $0.appendBE(UInt16($1.count))
            $0 += $1
        }
        let rows = run.withBytes { decodeAny($0) }
        #expect(rows >= 8)
    }
}
