import BatchFormat
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("What rows share, by number")
struct SharingTests {
    private func decodeShared(_ body: [UInt8]) throws -> (columns: FlowColumns, sharing: BatchSharing?) {
        var columns = FlowColumns(), decoder = BatchDecoder()
        let isShared = try body.withBytes { bytes throws(BatchError) in
            try decoder.decodeShared(bytes, into: &columns)
        }
        return (columns, isShared ? decoder.sharing : nil)
    }

    @Test("rows and what they share are together what is decoded without sharing") func same() throws {
        try forAll(runs: 60) { generator, seed in
            let count = Int.random(in: 128...900, using: &generator)
            let body = try encode(RandomColumns.conversations(rows: count, using: &generator))
            let whole = try decode(body)
            var (columns, shared) = try decodeShared(body)
            let sharing = try #require(shared, "SEED=\(seed)")
            for row in columns.rows {
                let place = Int(sharing.places[row]), end = (Int(sharing.ends[place]), Int(sharing.ends[place ^ 1]))
                #expect(columns[row].sourceIPAddress.isAbsent && columns[row].protocolIdentifier == 0)
                var record = columns[row]
                record.sourceIPAddress = IPAddress(high: sharing.highs[end.0], low: sharing.lows[end.0])
                record.destinationIPAddress = IPAddress(high: sharing.highs[end.1], low: sharing.lows[end.1])
                record.bgpSourceAsNumber = sharing.asNumbers[end.0]
                record.bgpDestinationAsNumber = sharing.asNumbers[end.1]
                record.sourceIPPrefixLength = sharing.lengths[end.0]
                record.destinationIPPrefixLength = sharing.lengths[end.1]
                record.sourceTransportPort = UInt16(sharing.ports[place])
                record.destinationTransportPort = UInt16(sharing.ports[place ^ 1])
                record.protocolIdentifier = sharing.protocols[place / 2]
                columns[row] = record
            }
            #expect(columns == whole, "SEED=\(seed)")
        }
    }

    @Test("batches read one over the other are as if each were read alone, a refused one between them or not")
    func inPlace() throws {
        try forAll(runs: 40) { generator, seed in
            var columns = FlowColumns(), decoder = BatchDecoder(), isShared = false
            for turn in 0..<6 {
                let count = Int.random(in: 1...700, using: &generator), isAny = Bool.random(using: &generator)
                let rows =
                    isAny
                    ? RandomColumns.make(rows: count, using: &generator)
                    : RandomColumns.conversations(rows: count, using: &generator)
                var body = try encode(rows)
                let isDamaged = turn % 3 == 2
                if isDamaged { body[Int.random(in: body.count / 2..<body.count, using: &generator)] ^= 1 }
                columns.removeExporters()
                do throws(BatchError) {
                    try body.withBytes { bytes throws(BatchError) in
                        try decoder.decodeShared(bytes, inPlaceOfRowsIn: &columns, isShared: &isShared)
                    }
                } catch {
                    #expect(isDamaged && columns.count == 0 && !isShared, "SEED=\(seed)")
                    continue
                }
                let alone = try decodeShared(body)
                #expect(isShared == (alone.sharing != nil) && columns == alone.columns, "SEED=\(seed)")
            }
        }
    }

    @Test("rows that share nothing are decoded as ever") func unshared() throws {
        var generator = SeededNumbers(seed: 41)
        let columns = RandomColumns.make(rows: 100, using: &generator), body = try encode(columns)
        let (back, sharing) = try decodeShared(body)
        #expect(sharing == nil && back == columns)
    }

    @Test("a damaged body is refused whether or not rows get what they share") func damaged() throws {
        var refused = 0
        try forAll(runs: 300) { generator, seed in
            var body = try encode(RandomColumns.conversations(rows: 300, using: &generator))
            body[Int.random(in: 0..<body.count, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            let isRead = (try? decode(body)) != nil, isReadShared = (try? decodeShared(body)) != nil
            #expect(isRead == isReadShared, "SEED=\(seed)")
            refused += isRead ? 0 : 1
        }
        #expect(refused > 250)
    }
}
