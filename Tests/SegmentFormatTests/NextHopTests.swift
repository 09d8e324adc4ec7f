import BatchFormat
import FlowModel
import SegmentFormat
import TestKit
import Testing

@Suite("Next hops of rows that lead to the same address")
struct NextHopTests {
    /// Rows between two addresses, one a number: the next hop's last octets, 0 for none.
    private func rows(_ hops: [UInt64]) -> FlowColumns {
        var columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        _ = columns.intern(key)
        for (row, hop) in zip(columns.extend(by: hops.count), hops) {
            columns.sourceLow[row] = 7
            columns.destinationLow[row] = UInt64(8 + row % 2)
            columns.nextHopLow[row] = hop
            columns.octetDeltaCount[row] = UInt64(row)
        }
        return columns
    }
    private static let cases: [[[UInt64]]] = [
        [[0, 0, 2, 3, 0, 2, 4, 0]], [[0, 0, 0, 0], [2, 0, 2, 3]], [[5, 5], [0, 0], [6, 0, 0, 6]],
        [[UInt64](repeating: 0, count: 3_000) + [9, 0, 9, 9], [0, 9, 9, 0]],
    ]

    @Test("each row keeps its own, whichever row came first", arguments: cases)
    func each(batches: [[UInt64]]) async throws {
        let origin = RandomRows.origin("a")
        var sealer = BatchEncoder(), opener = BatchDecoder(), plain = SegmentEncoder(), shared = SegmentEncoder()
        var expected: [WholeRow] = []
        for hops in batches {
            let columns = rows(hops), body = try sealer.encode(columns, fidelity: .full)
            expected += columns.rows.map { WholeRow(columns, $0, origin) }
            let isTaken = plain.add(columns, origin: origin, logOffset: 1)
            let isTakenShared = try shared.add(body, sensor: origin.sensor, logOffset: 1, decoder: &opener)
            #expect(isTaken && isTakenShared)
        }
        for segment in [plain.finish(), shared.finish()] {
            let back = try await MadeSegment(segment: segment, rows: []).readAll()
            let same = Counted(back) == Counted(expected)
            #expect(same)
        }
    }
}
