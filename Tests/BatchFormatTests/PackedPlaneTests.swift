import BatchFormat
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("Version 3: planes of few values, and what an encoder remembers of planes")
struct PackedPlaneTests {
    private func columns(version: UInt16 = 3, rows: UInt32, _ frame: [UInt8]) throws -> FlowColumns {
        var builder = BodyBuilder()
        (builder.version, builder.rows) = (version, rows)
        builder.exporters = [BodyBuilder.exporter]
        builder.columns = [RawColumn(number: 14, frame: frame, octets: 1)]
        return try decode(builder.body)
    }
    private func refusal(version: UInt16 = 3, rows: UInt32 = 5, _ frame: [UInt8]) -> BatchError? {
        do {
            _ = try columns(version: version, rows: rows, frame)
            return nil
        } catch {
            return error as? BatchError
        }
    }
    private func packed(_ bits: UInt8, _ values: [UInt8], _ octets: [UInt8], others: [UInt8] = []) -> [UInt8] {
        var payload = [bits]
        payload.appendLE(UInt32(others.count))
        return plane(4, payload + values + octets + others)
    }

    @Test("planes written by hand are what the page says") func byHand() throws {
        func protocols(_ frame: [UInt8], rows: UInt32 = 5) throws -> [UInt8] {
            let back = try columns(rows: rows, frame)
            return back.rows.map { back.protocolIdentifier[$0] }
        }
        // One bit: words 0 ... 4 are bits 0 ... 4 of the only octet.
        let one = try protocols(packed(1, [6, 17], [0b10110]))
        #expect(one == [6, 17, 17, 6, 17])
        // Two bits, two octets: words 0, 2, 4 in the first, 1, 3 in the second.
        let two = try protocols(packed(2, [6, 17, 1, 58], [0b01_00_11, 0b10_01]))
        #expect(two == [58, 17, 6, 1, 17])
        // Four bits, three octets: words 0, 3 in the first, 1, 4 in the second, 2 in the third.
        let values: [UInt8] = (100..<116).map { $0 }
        let four = try protocols(packed(4, values, [0x30, 0xF1, 0x02]))
        #expect(four == [100, 101, 102, 103, 115])
        // The highest number stands for the others, one after the other.
        let others = try protocols(packed(4, values, [0x3F, 0xF1, 0x02], others: [7, 8]))
        #expect(others == [7, 101, 102, 103, 8])
        // As a part of exceptions: at words 0 and 3.
        var sparse: [UInt8] = [6]
        sparse.appendLE(UInt32(2))
        sparse.appendLE(UInt32(2))
        sparse += packed(2, [0, 2, 9, 9], [0b0100]) + packed(1, [17, 1], [0b10])
        let parts = try protocols(plane(2, sparse))
        #expect(parts == [17, 6, 6, 1, 6])
    }

    @Test("a packed plane that is not exactly what it should be is refused, and any in version 2") func hostile() {
        #expect(refusal(packed(1, [6, 17], [0])) == nil)
        #expect(refusal(version: 2, packed(1, [6, 17], [0])) == .badFrame(column: 14))
        let bad: [[UInt8]] = [
            plane(4, []), plane(4, [1, 0, 0, 0]), packed(0, [6], []),
            packed(3, [UInt8](repeating: 6, count: 8), [0, 0]),
            packed(8, [6, 17], [0]), packed(255, [6, 17], [0]), packed(1, [6, 17], []), packed(1, [6, 17], [0, 0]),
            packed(1, [6], [0]), packed(4, [UInt8](repeating: 6, count: 16), [0, 0]),
            packed(1, [6, 17], [1], others: [1, 2]), packed(1, [6, 17], [3], others: [1]),
            packed(1, [6, 17], [0], others: [1]), packed(1, [6, 17], [31], others: [1, 2, 3, 4, 5, 6]),
            plane(4, [1, 255, 255, 255, 255, 6, 17, 0]), plane(5, [6]),
        ]
        for (index, frame) in bad.enumerated() {
            #expect(refusal(frame) == .badFrame(column: 14), "\(index)")
        }
        #expect(refusal(packed(1, [6, 17], [31], others: [1, 2, 3, 4, 5])) == nil)
        var nested: [UInt8] = [6]
        nested.appendLE(UInt32(1))
        nested.appendLE(UInt32(1))
        nested += packed(1, [0, 0], [0]) + plane(3, [0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(refusal(plane(2, nested)) == .badFrame(column: 14))
    }

    /// Octets of a kind that changes from batch to batch: constant, few values, few values and others, seldom
    /// another, runs, noise, frequent ones.
    private func octets(_ count: Int, using generator: inout some RandomNumberGenerator) -> [UInt8] {
        let kind = Int.random(in: 0..<8, using: &generator), first = UInt8.random(in: 0...255, using: &generator)
        let few = (0..<Int.random(in: 2...20, using: &generator)).map { _ in
            UInt8.random(in: 0...255, using: &generator)
        }
        let seldom = Int.random(in: 2...300, using: &generator)
        var previous = first
        return (0..<count).map { _ in
            let any = UInt8.random(in: 0...255, using: &generator)
            let isSeldom = Int.random(in: 0..<seldom, using: &generator) == 0
            switch kind {
            case 0: return first
            case 1: return few[Int(any) % few.count]
            case 2: return isSeldom ? any : few[Int(any) % few.count]
            case 3: return isSeldom ? any : first
            case 4: previous = isSeldom ? any : previous
            case 5: return any
            case 6: return any & first & 0x1F
            default: return first & 0xF0 | any & 0x03
            }
            return previous
        }
    }

    @Test("whatever was sealed before, what is sealed comes back") func memory() throws {
        try forAll(runs: 12) { generator, seed in
            var encoder = BatchEncoder(), decoder = BatchDecoder()
            for batch in 0..<8 {
                let rows = batch % 3 == 0 ? Int.random(in: 0...300, using: &generator) : 2_500
                var columns = FlowColumns()
                for number in UInt32(0)..<4 {
                    _ = columns.intern(
                        ExporterKey(address: .absent, observationDomain: number, exportProtocol: .ipfix))
                }
                _ = columns.extend(by: rows)
                columns.tcpControlBits.replaceSubrange(
                    0..<rows, with: octets(rows, using: &generator).map { UInt16($0) << 8 })
                columns.ipClassOfService.replaceSubrange(0..<rows, with: octets(rows, using: &generator))
                columns.protocolIdentifier.replaceSubrange(0..<rows, with: octets(rows, using: &generator))
                columns.vlanId.replaceSubrange(0..<rows, with: octets(rows, using: &generator).map { UInt16($0) })
                columns.ingressInterface.replaceSubrange(
                    0..<rows, with: octets(rows, using: &generator).map { UInt32($0) })
                columns.sourceLow.replaceSubrange(
                    0..<rows, with: octets(rows, using: &generator).map { UInt64($0) << 16 })
                columns.octetDeltaCount.replaceSubrange(
                    0..<rows,
                    with: zip(octets(rows, using: &generator), octets(rows, using: &generator)).map {
                        UInt64($0) << 40 | UInt64($1)
                    })
                columns.exporter.replaceSubrange(
                    0..<rows, with: octets(rows, using: &generator).map { UInt32($0 % 4) })
                let body = try encoder.encode(columns, fidelity: .full)
                var back = FlowColumns()
                try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &back) }
                #expect(back == columns, "SEED=\(seed) batch \(batch)")
            }
        }
    }

    @Test("what is remembered is noticed when it no longer fits, so that no batch gets much larger") func change()
        throws
    {
        var generator = SeededNumbers(seed: 5), encoder = BatchEncoder()
        func columns(_ value: (Int, UInt8) -> UInt8) -> FlowColumns {
            var columns = FlowColumns()
            _ = columns.intern(ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .ipfix))
            for row in columns.extend(by: 4_096) {
                columns.ipClassOfService[row] = value(row, UInt8.random(in: 0...255, using: &generator))
            }
            return columns
        }
        let few = try encoder.encode(columns { _, any in [6, 17, 99, 200][Int(any) % 4] }, fidelity: .full)
        #expect(few.count < 4_096 / 4 + 400)
        let noise = try encoder.encode(columns { _, any in any }, fidelity: .full)
        #expect(noise.count < 4_096 + 400)
        let seldom = try encoder.encode(columns { row, _ in row % 512 == 0 ? 9 : 1 }, fidelity: .full)
        #expect(seldom.count < 4_096 + 400)
        let others = try encoder.encode(
            columns { row, any in row % 64 == 0 ? any : UInt8([1, 2, 4, 8][row % 4]) }, fidelity: .full)
        #expect(others.count < 4_096 + 400)
    }

    @Test("interfaces that no row changes come back, whichever way its conversation goes") func interfaces() throws {
        for (ingress, egress) in [(3, 1), (3, 3), (0, 7)] as [(UInt32, UInt32)] {
            var columns = FlowColumns()
            let exporter = columns.intern(
                ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .ipfix))
            for row in 0..<400 {
                var record = FlowRecord(), ends = [IPAddress(v4: UInt32(row / 4)), IPAddress(v4: 0x0A00_0000)]
                if row % 2 == 1 { ends.reverse() }
                record.exporter = try #require(exporter)
                (record.sourceIPAddress, record.destinationIPAddress) = (ends[0], ends[1])
                (record.ingressInterface, record.egressInterface) = (ingress, egress)
                columns.append(record)
            }
            let back = try decode(try encode(columns))
            #expect(back == columns)
        }
    }
}
