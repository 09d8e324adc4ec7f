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
        future[8] = 3
        var decoding = Decoding()
        #expect(throws: SnapshotFault.unknownVersion(3)) { try decoding.decoder.restore(future, now: now) }
        #expect(throws: SnapshotFault.notASnapshot) {
            try decoding.decoder.restore([UInt8](repeating: 7, count: 40), now: now)
        }
        #expect(throws: SnapshotFault.tooShort) { try decoding.decoder.restore([], now: now) }
    }

    /// Tells the rates of two selectors, of one interface, of one line card and of the whole domain; a sequence; of
    /// another exporter the whole system's.
    private func told(_ first: UInt32 = 10) -> Decoding {
        var decoding = Decoding()
        decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(302, 4)], options: [(34, 4)])),
                Make.set(300, Bytes().u32(1, first, 2, 20).bytes),
                Make.set(3, Make.optionsTemplate10(301, scopes: [(10, 4)], options: [(34, 4)])),
                Make.set(301, Bytes().u32(77, 30).bytes),
                Make.set(3, Make.optionsTemplate10(302, scopes: [(149, 4)], options: [(34, 4)])),
                Make.set(302, Bytes().u32(7, 40).bytes),
                Make.set(3, Make.optionsTemplate10(303, scopes: [(301, 4)], options: [(302, 4), (302, 4)])),
                Make.set(303, Bytes().u32(8, 1, 2).bytes),
                Make.set(3, Make.optionsTemplate10(304, scopes: [(141, 4)], options: [(34, 4)])),
                Make.set(304, Bytes().u32(5, 50).bytes),
            ]))
        decoding.decode(
            Make.netflow9([
                Make.set(1, Make.optionsTemplate9(310, scopes: [(1, 4)], options: [(34, 4)])),
                Make.set(310, Bytes().u32(0, 500).bytes),
            ]), source: address("10.9.9.9"))
        return decoding
    }
    /// The rates of records by selector 1, by sequence 8, from interface 77 and by nothing; and of another domain of
    /// the other exporter.
    private func rates(_ decoding: inout Decoding) -> [Float] {
        let first = decoding.columns.count
        decoding.decode(
            Make.ipfix([
                Make.set(2, Make.template(256, Make.basic + [(302, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u32(1).bytes),
                Make.set(2, Make.template(257, Make.basic + [(301, 4)])),
                Make.set(257, Bytes(Make.basicRecord()).u32(8).bytes),
                Make.set(2, Make.template(258, Make.basic + [(10, 4)])),
                Make.set(258, Bytes(Make.basicRecord()).u32(77).raw(Make.basicRecord()).u32(1).bytes),
            ]))
        decoding.decode(
            Make.netflow9(
                [Make.set(0, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())], domain: 9),
            source: address("10.9.9.9"))
        return decoding.records.dropFirst(first).map(\.samplingInterval)
    }

    @Test("C11 C30 sampling rates outlive a restart, in each of their scopes, and are saved again as they were")
    func savedRates() throws {
        let bytes = told().decoder.snapshot()
        var (decoding, report) = try restarted(bytes, at: now + 60_000)
        #expect(report == SnapshotReport(restored: 6, ratesRestored: 6))
        #expect(decoding.decoder.snapshot() == bytes)
        #expect(rates(&decoding) == [10, 200, 30, 40, 500])
        let (late, old) = try restarted(bytes, at: now + DecodeLimits().templateAgeMaxMilliseconds + 1)
        #expect(old == SnapshotReport(tooOld: 6, ratesTooOld: 6) && late.decoder.templateCount == 0)
    }

    @Test("C11 C30 a saved rate is on probation: told again it is confirmed, told otherwise none of them holds")
    func rateProbation() throws {
        let bytes = told().decoder.snapshot()
        func tell(_ rate: UInt32, _ decoding: inout Decoding) -> DecodeResult {
            decoding.decode(Make.ipfix([Make.set(300, Bytes().u32(1, rate).bytes)]))
        }
        var (same, _) = try restarted(bytes, at: now)
        let version = same.decoder.templatesVersion
        let confirmed = tell(10, &same), again = tell(10, &same)
        #expect([confirmed, again].map(\.ratesConfirmed) == [1, 0] && confirmed.ratesLearned == 0)
        #expect(same.decoder.templatesVersion == version)
        #expect(rates(&same) == [10, 200, 30, 40, 500])
        var (other, _) = try restarted(bytes, at: now)
        let changed = tell(11, &other)
        #expect(changed.ratesChanged == 1 && changed.ratesConfirmed == 0)
        #expect(other.decoder.templatesVersion == version + 1)
        #expect(rates(&other) == [11, 0, 11, 11, 500])
        // The other exporter names a sampler of its own now: what it said for all of its domains is over.
        other.decode(
            Make.netflow9([
                Make.set(1, Make.optionsTemplate9(311, scopes: [(1, 4)], options: [(34, 4)])),
                Make.set(311, Bytes().u32(0, 600).bytes),
            ]), source: address("10.9.9.9"))
        #expect(rates(&other).last == 600)
    }

    @Test("C30 of an exporter's rates in several files those heard last count") func newestRates() throws {
        var later = told(12)
        later.decode(Make.ipfix([Make.set(300, Bytes().u32(1, 13).bytes)]), at: now + 3_600_000)
        let files = [told().decoder.snapshot(), later.decoder.snapshot()]
        for order in [files, files.reversed()] {
            var decoding = Decoding()
            for file in order { _ = try decoding.decoder.restore(file, now: now + 3_700_000) }
            #expect(rates(&decoding).first == 13)
        }
    }

    @Test("C30 a file of the version before, without rates, is read") func older() throws {
        let bytes = taught().decoder.snapshot()
        var old = Array(bytes.dropLast(8))  // no exporter with rates, and the checksum
        old[8] = 1
        old.appendLE(checksum(old))
        let (_, report) = try restarted(old, at: now)
        #expect(report == SnapshotReport(restored: 3))
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
