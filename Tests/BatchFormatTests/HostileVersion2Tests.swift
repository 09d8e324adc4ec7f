import BatchFormat
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("Version 2: what a page of bytes can say wrong is refused by name")
struct HostileVersion2Tests {
    private func refusal(rows: UInt32 = 2, _ columns: [RawColumn]) -> BatchError? {
        var builder = BodyBuilder()
        builder.version = 2
        builder.rows = rows
        builder.exporters = [BodyBuilder.exporter]
        builder.columns = columns
        do {
            _ = try decode(builder.body)
            return nil
        } catch {
            return error as? BatchError
        }
    }
    private func sparse(_ byte: UInt8, gaps: [UInt8], values: [UInt8]) -> [UInt8] {
        var payload = [byte]
        payload.appendLE(UInt32(gaps.count))
        payload.appendLE(UInt32(values.count))
        return payload + plane(0, gaps) + plane(0, values)
    }
    private func bytes(_ frame: [UInt8]) -> RawColumn { RawColumn(number: 14, frame: frame, octets: 1) }

    @Test("a body written by hand is what the page says") func byHand() throws {
        var builder = BodyBuilder()
        (builder.version, builder.rows) = (2, 4)
        builder.exporters = [BodyBuilder.exporter]
        builder.times = [90, 100, 100, 103]
        // Received at 100 (the head's least), then one later each; ended 0, 1, 2, 3 before that; began 10 before that.
        builder.columns = [
            .init(number: 1, encoding: 5, base: 20, octets: 0),
            .init(number: 2, encoding: 4, frame: plane(0, [0, 2, 4, 6]), octets: 1),
            .init(number: 4, encoding: 3, frame: plane(0, [0, 2, 2, 2]), octets: 1),
            .init(number: 14, frame: plane(2, sparse(6, gaps: [2], values: [17])), octets: 1),
            .init(number: 17, frame: plane(3, sparse(2, gaps: [1, 1], values: [16, 2])), octets: 1),
            .init(number: 99, encoding: 77, frame: [1, 2, 3], octets: 9, checksum: 0),
        ]
        let back = try decode(builder.body)
        #expect(back.rows.map { back.receiveMilliseconds[$0] } == [100, 101, 102, 103])
        #expect(back.rows.map { back.flowEndMilliseconds[$0] } == [100, 100, 100, 100])
        #expect(back.rows.map { back.flowStartMilliseconds[$0] } == [90, 90, 90, 90])
        #expect(back.rows.map { back.protocolIdentifier[$0] } == [6, 6, 17, 6])
        #expect(back.rows.map { back.tcpControlBits[$0] } == [2, 16, 16, 2])
    }

    @Test("conversations written by hand: two rows one way, one back, another conversation") func conversations() throws
    {
        var builder = BodyBuilder()
        (builder.version, builder.rows) = (2, 4)
        builder.exporters = [BodyBuilder.exporter]
        builder.columns = [
            .init(number: 15, encoding: 6, frame: plane(0, [50, 60]), octets: 1, words: 2),
            .init(number: 16, encoding: 6, base: 443, octets: 0, words: 2),
            .init(number: 19, encoding: 6, base: 7, octets: 0, words: 2),
            .init(number: 20, encoding: 6, base: 9, octets: 0, words: 2),
            .init(number: 40, frame: plane(0, [0, 0, 1, 2]), octets: 1),
            .init(number: 41, base: 1, octets: 0, words: 2),
            .init(number: 43, frame: plane(0, [1, 2, 3]), octets: 1, words: 3),
            .init(number: 44, base: 64_500, octets: 0, words: 3),
            .init(number: 47, frame: plane(0, [0, 2]), octets: 1, words: 2),
            .init(number: 83, frame: plane(0, [0, 1]), octets: 1, words: 2),
        ]
        let back = try decode(builder.body)
        #expect(back.rows.map { back.sourceLow[$0] } == [1, 3, 1, 2])
        #expect(back.rows.map { back.destinationLow[$0] } == [2, 2, 2, 1])
        #expect(back.rows.map { back.sourceTransportPort[$0] } == [50, 60, 50, 443])
        #expect(back.rows.map { back.destinationTransportPort[$0] } == [443, 443, 443, 50])
        #expect(back.rows.map { back.ingressInterface[$0] } == [7, 7, 7, 8])
        #expect(back.rows.map { back.egressInterface[$0] } == [9, 9, 9, 7])
        #expect(back.rows.allSatisfy { back.bgpSourceAsNumber[$0] == 64_500 })
    }

    @Test("each fault of a directory has its name") func directories() {
        #expect(refusal([.init(number: 14, base: 6)]) == nil)
        #expect(refusal([.init(number: 14, base: 256)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 14, octets: 1)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 14, frame: plane(0, [1, 2]), octets: 0)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 14, frame: plane(0, [1, 2]), octets: 2)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 14, base: 1, frame: plane(0, [1, 2]), octets: 1)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 14, base: 6, words: 3)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 14, base: 6, words: 1)]) == .badLength(column: 14))
        #expect(refusal([.init(number: 43, base: 6, words: 5)]) == .badLength(column: 43))
        #expect(refusal([.init(number: 51, words: .max)]) == .badLength(column: 51))
        #expect(refusal([.init(number: 1, encoding: 1)]) == .badEncoding(column: 1))
        #expect(refusal([.init(number: 2, encoding: 2)]) == .badEncoding(column: 2))
        #expect(refusal([.init(number: 11, encoding: 6, words: 1)]) == .badEncoding(column: 11))
        #expect(refusal([.init(number: 14, encoding: 7)]) == .badEncoding(column: 14))
        #expect(refusal([.init(number: 29, base: 1)]) == .unknownExporter(1))
    }

    @Test("a plane that is not exactly what it should be is refused") func planes() {
        #expect(refusal([bytes(plane(0, [6, 17]))]) == nil)
        #expect(refusal([bytes(plane(2, sparse(6, gaps: [1], values: [17])))]) == nil)
        let bad: [[UInt8]] = [
            plane(0, [6]), plane(0, [6, 17, 1]), plane(0, [6, 17]) + [0], plane(4, [6, 17]), plane(1, [6, 17]),
            [0, 0, 0, 0], [0, 9, 0, 0, 0, 1], plane(2, []), plane(2, sparse(6, gaps: [2], values: [17])),
            plane(2, sparse(6, gaps: [1], values: [])), plane(2, sparse(6, gaps: [1], values: [1, 2])),
            plane(2, sparse(6, gaps: [0, 0, 0], values: [1, 2, 3])), plane(3, sparse(6, gaps: [255, 0], values: [1])),
            plane(2, sparse(6, gaps: [1], values: [17]) + [0]),
        ]
        for (index, frame) in bad.enumerated() {
            #expect(refusal([bytes(frame)]) == .badFrame(column: 14), "\(index)")
        }
        var nested: [UInt8] = [6]
        nested.appendLE(UInt32(1))
        nested.appendLE(UInt32(1))
        nested += plane(2, [0, 0, 0, 0, 0, 0, 0, 0, 0]) + plane(0, [1])
        #expect(refusal([bytes(plane(2, nested))]) == .badFrame(column: 14))
        var wrong = bytes(plane(0, [6, 17]))
        wrong.checksum = 1
        #expect(refusal([wrong]) == .badFrame(column: 14))
    }

    @Test("numbers that lead nowhere are refused") func references() {
        let turns = RawColumn(number: 40, frame: plane(0, [0, 1]), octets: 1)
        #expect(refusal([turns]) == nil)
        #expect(refusal([.init(number: 40, frame: plane(0, [0, 3]), octets: 1)]) == .badReference(column: 40))
        #expect(refusal([.init(number: 40, frame: plane(0, [1, 0]), octets: 1)]) == .badReference(column: 40))
        #expect(refusal([turns, .init(number: 41, base: 1, words: 1)]) == .badReference(column: 40))
        #expect(refusal([turns, .init(number: 41, base: 1, words: 2)]) == .badLength(column: 41))
        #expect(refusal([turns, .init(number: 46, base: 1, words: 1)]) == .badReference(column: 46))
        #expect(refusal([turns, .init(number: 47, base: 2, words: 1)]) == .badReference(column: 46))
        #expect(refusal([.init(number: 14, encoding: 6, base: 6, words: 1)]) == .badEncoding(column: 14))
        #expect(
            refusal([.init(number: 19, base: 6), .init(number: 20, encoding: 6, base: 6, words: 1), turns])
                == .badEncoding(column: 19))
    }

    @Test("side stores that do not go with their rows are refused") func sideStores() {
        let one: [UInt8] = [1, 0, 0, 0, 0, 0, 136, 0, 1, 0]
        func shapes(_ octets: [UInt8]) -> RawColumn {
            RawColumn(number: 50, frame: plane(0, octets), octets: 1, words: UInt32(octets.count))
        }
        func values(_ octets: [UInt8]) -> RawColumn {
            RawColumn(number: 51, frame: plane(0, octets), octets: 1, words: UInt32(octets.count))
        }
        let both = RawColumn(number: 30, base: 1)
        #expect(refusal([both, shapes(one), values([1, 2])]) == nil)
        #expect(refusal([both]) == .badReference(column: 30))
        #expect(refusal([both, shapes([1, 0]), values([1, 2])]) == .badReference(column: 30))
        #expect(refusal([both, shapes([1]), values([1, 2])]) == .badReference(column: 30))
        #expect(refusal([.init(number: 30, base: 2), shapes(one), values([1, 2])]) == .badReference(column: 30))
        #expect(refusal([both, shapes(one), values([1])]) == .badReference(column: 51))
        #expect(refusal([both, shapes(one), values([1, 2, 3])]) == .badReference(column: 51))
        let variable: [UInt8] = [1, 0, 0, 0, 0, 0, 136, 0, 255, 255]
        #expect(refusal([both, shapes(variable), values([0, 1, 5, 0, 0])]) == nil)
        #expect(refusal([both, shapes(variable), values([0, 1, 5, 0, 1])]) == .badReference(column: 51))
        #expect(refusal([.init(number: 31, base: 1)]) == .badReference(column: 31))
        let member = RawColumn(number: 52, frame: plane(0, [1, 0, 0, 0, 0]), octets: 1, words: 5)
        #expect(refusal([.init(number: 31, base: 1), member]) == nil)
        let nobody = RawColumn(number: 52, frame: plane(0, [1, 1, 0, 0, 0]), octets: 1, words: 5)
        #expect(refusal([.init(number: 31, base: 1), nobody]) == .badReference(column: 52))
        let cut = RawColumn(number: 52, frame: plane(0, [2, 0, 0, 0, 0]), octets: 1, words: 5)
        #expect(refusal([.init(number: 31, base: 1), cut]) == .badReference(column: 52))
        #expect(
            refusal([.init(number: 32, base: 2), .init(number: 53, base: 3, words: 256)]) == .badReference(column: 32))
        #expect(
            refusal([.init(number: 32, base: 1), .init(number: 53, base: 3, words: 128)]) == .badLength(column: 53))
        #expect(refusal([.init(number: 32, base: 1), .init(number: 53, base: 3, words: 256)]) == nil)
    }
}
