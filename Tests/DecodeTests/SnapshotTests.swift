import Decode
import FlowModel
import Platform
import TestKit
import Testing
import WireBytes

@Suite("Saved templates") struct SnapshotTests {
    let templateSet = Make.set(2, Make.template(256, Make.basic))
    let optionsSet = Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)]))
    let dataSet = Make.set(256, Make.basicRecord())
    let now = Decoding.received

    private func taught() -> Decoding {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet, optionsSet, dataSet]))
        decoding.decode(
            Make.netflow9([Make.set(0, Make.template(260, Make.basic))]), port: 77, source: address("2001:db8::5"))
        return decoding
    }
    private func restarted(_ bytes: [UInt8], at time: Int64) throws -> (decoding: Decoding, report: SnapshotReport) {
        var decoding = Decoding()
        let report = try decoding.decoder.restore(bytes, now: time)
        return (decoding, report)
    }

    @Test("C30 templates outlive a restart: data sets are decoded at once, and saved again they are the same")
    func roundTrip() throws {
        let bytes = taught().decoder.snapshot()
        var (decoding, report) = try restarted(bytes, at: now + 60_000)
        #expect(report == SnapshotReport(restored: 3) && decoding.decoder.templateCount == 3)
        #expect(decoding.decoder.snapshot() == bytes)
        #expect(decoding.decode(Make.ipfix([dataSet])).rows.count == 1)
        #expect(!decoding.record().flags.contains(.templateBorrowed))
        let v9 = Make.netflow9([Make.set(260, Make.basicRecord())])
        #expect(decoding.decode(v9, port: 77, source: address("2001:db8::5")).rows.count == 1)
        #expect(decoding.decode(Make.ipfix([Make.set(300, Bytes().u32(7, 100).bytes)])).optionRecords == 1)
    }

    @Test("C30 a saved template is on probation: a set that can't be of its layout waits for the next definition")
    func probation() throws {
        var (decoding, _) = try restarted(taught().decoder.snapshot(), at: now)
        let changed = Bytes().u32(0x0A00_0009, 77).u32(0x0A00_0008, 78).u32(0x0A00_0007, 79).bytes  // 24 octets
        let result = decoding.decode(Make.ipfix([Make.set(256, Array(changed.prefix(16)))]))
        #expect(result.rows.isEmpty && result.setsHeld == 1 && result.losses.isEmpty)
        let short = Make.set(2, Make.template(256, [(8, 4), (1, 4)]))
        let after = decoding.decode(Make.ipfix([short]))
        #expect(after.templatesReplaced == 1 && after.setsReplayed == 1)
        #expect(decoding.records.map(\.octetDeltaCount) == [77, 78])
    }

    @Test("C30 the same definition ends a template's probation, and sets that did not fit are read with it")
    func confirmed() throws {
        var (decoding, _) = try restarted(taught().decoder.snapshot(), at: now)
        let padded = Make.set(256, Make.basicRecord() + [UInt8](repeating: 0, count: 5))
        #expect(decoding.decode(Make.ipfix([padded])).setsHeld == 1)
        let result = decoding.decode(Make.ipfix([templateSet]))
        #expect(result.templatesConfirmed == 1 && result.templatesLearned == 0 && result.setsReplayed == 1)
        #expect(decoding.decode(Make.ipfix([padded])).rows.count == 1)
        #expect(decoding.decode(Make.ipfix([templateSet])).templatesConfirmed == 0)
    }

    @Test("C30 of what several files have under one number the one used last counts, in whatever order they are read")
    func newest() throws {
        let short = Make.set(2, Make.template(256, [(8, 4), (1, 4)]))
        var later = Decoding()
        later.decode(Make.ipfix([short]), at: now + 3_600_000)
        let files = [taught().decoder.snapshot(), later.decoder.snapshot()]
        for order in [files, files.reversed()] {
            var decoding = Decoding()
            for file in order { _ = try decoding.decoder.restore(file, now: now + 3_700_000) }
            let data = Bytes().u32(0x0A00_0009, 77).u32(0x0A00_0008, 78).bytes
            #expect(decoding.decode(Make.ipfix([Make.set(256, data)])).rows.count == 2)
            #expect(decoding.records.map(\.octetDeltaCount) == [77, 78])
        }
    }

    @Test("C30 templates not heard of for a week are not taken back; those in use are, however old") func age() throws {
        var decoding = taught()
        let week = DecodeLimits().templateAgeMaxMilliseconds
        decoding.decode(Make.ipfix([dataSet], sequence: 2), at: now + week)
        let (_, report) = try restarted(decoding.decoder.snapshot(), at: now + week + 1)
        #expect(report == SnapshotReport(restored: 1, tooOld: 2))
    }

    @Test("C30 the version changes with what a snapshot would show, and hourly while templates are in use")
    func version() {
        var decoding = taught()
        let before = decoding.decoder.templatesVersion
        decoding.decode(Make.ipfix([dataSet], sequence: 2))
        decoding.decode(Make.ipfix([templateSet], sequence: 3), at: now + 10_000)
        #expect(decoding.decoder.templatesVersion == before)
        decoding.decode(Make.ipfix([dataSet], sequence: 3), at: now + 3_700_000)
        #expect(decoding.decoder.templatesVersion == before + 1)
        decoding.decode(
            Make.ipfix([Make.set(2, Make.template(256, [(8, 4), (1, 4)]))], sequence: 4), at: now + 3_700_001)
        #expect(decoding.decoder.templatesVersion == before + 2)
    }

    @Test("C30 templates of TCP sessions are not saved: they end with their session") func sessions() throws {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet]), session: 3)
        let (_, report) = try restarted(decoding.decoder.snapshot(), at: now)
        #expect(report == SnapshotReport())
    }

    @Test("C30 a damaged file is refused whole, with a reason, whatever octet is wrong or missing") func damaged()
        throws
    {
        let bytes = taught().decoder.snapshot()
        for at in bytes.indices {
            var damaged = bytes
            damaged[at] ^= 0x10
            var decoding = Decoding()
            #expect(throws: SnapshotFault.self, "octet \(at)") { try decoding.decoder.restore(damaged, now: now) }
            #expect(decoding.decoder.templateCount == 0)
            #expect(throws: SnapshotFault.self, "cut at \(at)") {
                try decoding.decoder.restore(Array(bytes.prefix(at)), now: now)
            }
        }
        var future = bytes
        future[8] = 2
        var decoding = Decoding()
        #expect(throws: SnapshotFault.unknownVersion(2)) { try decoding.decoder.restore(future, now: now) }
        #expect(throws: SnapshotFault.notASnapshot) {
            try decoding.decoder.restore([UInt8](repeating: 7, count: 40), now: now)
        }
        #expect(throws: SnapshotFault.tooShort) { try decoding.decoder.restore([], now: now) }
    }

    @Test("C30 a file with a right checksum and wrong content is refused or read, never trapped on") func hostile() {
        let bytes = taught().decoder.snapshot()
        forAll(runs: 2_000) { generator, seed in
            var changed = HostileInputTests.mutated(Array(bytes.dropLast(4)), &generator)
            changed.appendLE(checksum(changed))
            var decoding = Decoding()
            do {
                let report = try decoding.decoder.restore(changed, now: now)
                #expect(decoding.decoder.templateCount == report.restored, "SEED=\(seed)")
            } catch {
                #expect(decoding.decoder.templateCount == 0, "SEED=\(seed)")
            }
        }
    }
    /// CRC-32C, bit by bit.
    private func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { crc, octet in
            (0..<8).reduce(crc ^ UInt32(octet)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
    }
}
