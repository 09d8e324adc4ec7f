import BatchFormat
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("Bytes that are no batch are refused by name")
struct HostileBodyTests {
    private func sealed(rows: Int, seed: UInt64 = 1) throws -> [UInt8] {
        var generator = SeededNumbers(seed: seed)
        return try encode(RandomColumns.make(rows: rows, using: &generator))
    }
    private func refusal(_ body: [UInt8]) -> BatchError? {
        do {
            _ = try decode(body)
            return nil
        } catch {
            return error as? BatchError
        }
    }
    private func refusal(_ change: (inout BodyBuilder) -> Void) -> BatchError? {
        var builder = BodyBuilder()
        builder.exporters = [BodyBuilder.exporter]
        change(&builder)
        return refusal(builder.body)
    }

    @Test("any cut is refused") func cuts() throws {
        let body = try sealed(rows: 40)
        for length in body.indices {
            #expect(refusal(Array(body[..<length])) != nil, "cut at \(length)")
            #expect(throws: BatchError.self, "cut at \(length)") { try summary(Array(body[..<length])) }
        }
        #expect(refusal(body + [0]) == .trailingBytes(1))
    }

    @Test("10 000 random changes: refused, or the sums are still those of the head") func mutations() throws {
        let bodies = try (1...20).map { try sealed(rows: $0 % 2 == 0 ? 30 : 300, seed: $0) }
        var refused = 0
        forAll(runs: 10_000) { generator, seed in
            var body = bodies[Int(seed) % bodies.count]
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: body.indices, using: &generator)
                body[place] = UInt8.random(in: .min ... .max, using: &generator)
            }
            guard let back = try? decode(body), let head = try? summary(body) else {
                refused += 1
                return
            }
            #expect(back.tally == head.tally && back.count == head.rows, "SEED=\(seed)")
        }
        #expect(refused > 9_000)
    }

    @Test("random changes under a sound head checksum: refused, or the sums are still those of the head")
    func resealedMutations() throws {
        let body = try sealed(rows: 300)
        let head = 72 + 24 * Int(body[12]) + 24 * Int(body[7])
        forAll(runs: 5_000) { generator, seed in
            var body = body
            body[Int.random(in: 7..<head, using: &generator)] = UInt8.random(in: .min ... .max, using: &generator)
            var crc: [UInt8] = []
            crc.appendLE(BodyBuilder.crc32c(Array(body[..<head])))
            body.replaceSubrange(head..<(head + 4), with: crc)
            guard let back = try? decode(body), let said = try? summary(body) else { return }
            #expect(back.tally == said.tally && back.count == said.rows, "SEED=\(seed)")
        }
    }

    @Test("noise is refused") func noise() {
        forAll(runs: 2_000) { generator, seed in
            let count = Int.random(in: 0...300, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            #expect(refusal(noise) != nil, "SEED=\(seed)")
            #expect(refusal(Array("WEIR".utf8) + [1, 0] + noise) != nil, "SEED=\(seed)")
            #expect(refusal(Array("WEIR".utf8) + [2, 0] + noise) != nil, "SEED=\(seed)")
        }
    }

    @Test("each fault of a head has its name") func heads() {
        #expect(refusal { _ in } == nil)
        #expect(refusal { $0.magic = Array("RIEW".utf8) } == .notABatch)
        #expect(refusal { $0.version = 2 } == nil)
        #expect(refusal { $0.version = 4 } == .unknownVersion(4))
        #expect(refusal { $0.version = 0 } == .unknownVersion(0))
        #expect(refusal { $0.fidelity = 3 } == .unknownFidelity(3))
        #expect(refusal { $0.rows = .max } == .tooManyRows(Int(UInt32.max), max: BatchLimit.rowsMax))
        #expect(refusal { $0.exporterCount = 65_537 } == .tooManyExporters(65_537, max: 65_536))
        #expect(refusal { $0.exporterCount = 65_536 } == .truncated(wanted: 72 + 24 * 65_536 + 4, has: 100))
        #expect(refusal { $0.exporters[0][20] = 8 } == .unknownExportProtocol(8))
        #expect(refusal { $0.trailer = [1, 2] } == .trailingBytes(2))
        #expect(refusal { $0.sums = [1, 0, 0] } == .sumMismatch)
        #expect(refusal { $0.times = [0, 0, 0, 5] } == .sumMismatch)
        #expect(refusal([UInt8](repeating: 0, count: 4 << 20 | 1)) == .bodyTooLarge(4 << 20 | 1, max: 4 << 20))
        var damaged = BodyBuilder().body
        damaged[20] ^= 1
        #expect(refusal(damaged) == .headDamaged)
    }

    @Test("each fault of a directory has its name") func directories() {
        func rows(_ columns: [RawColumn]) -> BatchError? {
            refusal {
                $0.rows = 2
                $0.columns = columns
            }
        }
        #expect(rows([.init(number: 14, base: 6)]) == nil)
        #expect(rows([.init(number: 14, base: 6), .init(number: 14, base: 6)]) == .columnOutOfOrder(14))
        #expect(rows([.init(number: 15), .init(number: 14)]) == .columnOutOfOrder(14))
        #expect(rows([.init(number: 0)]) == .columnOutOfOrder(0))
        #expect(rows([.init(number: 14, encoding: 3)]) == .badEncoding(column: 14))
        #expect(rows([.init(number: 11, encoding: 1)]) == .badEncoding(column: 11))
        #expect(rows([.init(number: 1, encoding: 2)]) == .badEncoding(column: 1))
        #expect(rows([.init(number: 14, base: 256)]) == .badLength(column: 14))
        let two = BodyBuilder.rawFrame([1, 2]), four = BodyBuilder.rawFrame([1, 2, 3, 4])
        #expect(rows([.init(number: 14, rawBytes: 2, frame: two)]) == nil)
        #expect(rows([.init(number: 14, rawBytes: 2, base: 1, frame: two)]) == .badLength(column: 14))
        #expect(rows([.init(number: 14, rawBytes: 4, frame: four)]) == .badLength(column: 14))
        #expect(rows([.init(number: 14, rawBytes: 3, frame: two)]) == .badLength(column: 14))
        #expect(rows([.init(number: 14, rawBytes: 2)]) == .badLength(column: 14))
        #expect(rows([.init(number: 14, rawBytes: 0, frame: two)]) == .badLength(column: 14))
        #expect(rows([.init(number: 29, base: 1)]) == .unknownExporter(1))
        #expect(rows([.init(number: 27, base: 0xFF80_0000)]) == .badSamplingInterval)
        #expect(rows([.init(number: 27, base: 0x7FC0_0000)]) == .badSamplingInterval)
        #expect(rows([.init(number: 11, base: 5)]) == .sumMismatch)
    }

    @Test("a frame that is not exactly what the directory says is refused") func frames() {
        func column(_ frame: [UInt8], rows: UInt32 = 2) -> BatchError? {
            refusal {
                $0.rows = rows
                $0.columns = [.init(number: 14, rawBytes: rows, frame: frame)]
            }
        }
        let sound = BodyBuilder.rawFrame([6, 17])
        #expect(column(sound) == nil)
        #expect(column(BodyBuilder.rawFrame([6, 17, 1])) == .badFrame(column: 14))
        #expect(column(BodyBuilder.rawFrame([6, 17, 1], declaring: 2)) == .badFrame(column: 14))
        #expect(column(BodyBuilder.rawFrame([6], declaring: 2)) == .badFrame(column: 14))
        #expect(column(sound + sound) == .badFrame(column: 14))
        #expect(column(sound.dropLast()) == .badFrame(column: 14))
        #expect(column(sound + [0]) == .badFrame(column: 14))
        #expect(column([1, 2, 3]) == .badFrame(column: 14))
        // A skippable frame, which decodes to nothing.
        #expect(column([0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]) == .badFrame(column: 14))
    }

    @Test("bombs are refused, whether they lie about their size or not") func bombs() {
        let rows = UInt32(BatchLimit.rowsMax)
        let run = BodyBuilder.runFrame(6, size: 100_000)
        let dense = refusal {
            $0.rows = 100_000
            $0.columns = [.init(number: 14, rawBytes: 100_000, frame: run)]
        }
        #expect(dense == .tooDense(bytes: 100 + 20 + run.count, min: (100_000 * 150 - (1 << 20) + 99) / 100))
        let lying = refusal {
            $0.rows = 2
            $0.columns = [.init(number: 14, rawBytes: 2, frame: run)]
        }
        #expect(lying == .badFrame(column: 14))
        let constants = refusal {
            $0.rows = rows
            $0.columns = (1...29).map { .init(number: $0) }
        }
        guard case .tooDense = constants else {
            Issue.record("\(rows) rows out of nothing: \(String(describing: constants))")
            return
        }
        // As many rows as may be had for nothing: a reader gives them a mebibyte.
        #expect(refusal { $0.rows = UInt32((1 << 20) / 150) } == nil)
    }

    @Test("columns that this version does not know are skipped") func unknownColumns() throws {
        var builder = BodyBuilder()
        builder.rows = 2
        builder.exporters = [BodyBuilder.exporter]
        builder.columns = [
            .init(number: 14, rawBytes: 2, frame: BodyBuilder.rawFrame([6, 17])),
            .init(number: 99, encoding: 77, rawBytes: 12_345, base: 9, frame: [1, 2, 3]),
            .init(number: 200),
        ]
        let back = try decode(builder.body)
        #expect(back.rows.map { back[$0].protocolIdentifier } == [6, 17])
        #expect(back.exporters[0].address == IPAddress(v4: 0x0A00_0001) && back.exporters[0].observationDomain == 7)
    }

    @Test("a refused batch leaves the columns as they were") func refusalLeavesNothing() throws {
        var generator = SeededNumbers(seed: 2)
        let before = RandomColumns.make(rows: 10, using: &generator)
        var body = try sealed(rows: 40)
        body[body.count - 1] ^= 1
        var columns = before, decoder = BatchDecoder()
        #expect(throws: BatchError.self) { try decodeAgain(body, &columns, &decoder) }
        #expect(columns.count == 10 && columns.rows.allSatisfy { columns[$0] == before[$0] })
        let after = columns.extend(by: 40)
        #expect(after.allSatisfy { columns.sourceLow[$0] == 0 && columns.flags[$0] == 0 })
    }
    private func decodeAgain(_ body: [UInt8], _ columns: inout FlowColumns, _ decoder: inout BatchDecoder) throws {
        try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &columns) }
    }
}
