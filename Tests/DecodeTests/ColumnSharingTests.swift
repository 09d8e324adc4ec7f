import Decode
import FlowModel
import Platform
import TestKit
import Testing
import WireBytes

/// Columns that are copied, taken apart and put together between datagrams: decoding writes through pointers that it
/// found earlier, and must not write into what another value has.
@Suite("Decoding into columns that others have or had") struct ColumnSharingTests {
    @Test("values stay apart, whatever was copied, replaced or dropped in between") func sharing() {
        forAll(runs: 150) { generator, seed in
            var decoder = DatagramDecoder()
            var values = [Mirrored()]
            var heldBack: [[UInt64]] = []
            for step in 0..<60 {
                let at = Int.random(in: 0..<values.count, using: &generator)
                switch Int.random(in: 0..<9, using: &generator) {
                case 0: if values.count < 6 { values.append(values[at]) }
                case 1: if values.count > 1 { values.remove(at: at) }
                case 2: values[at].columns.octetDeltaCount = values[at].columns.octetDeltaCount.map { $0 }
                case 3: values[at].swapColumns(with: values[Int.random(in: 0..<values.count, using: &generator)])
                case 4: heldBack = Bool.random(using: &generator) ? [] : [values[at].columns.sourceLow]
                case 5: values[at].change(UInt64.random(in: 1...9_999, using: &generator))
                case 6: values[at].cut(to: Int.random(in: 0...40, using: &generator))
                default: values[at].decode(Int.random(in: 1...25, using: &generator), UInt32(step), by: &decoder)
                }
                #expect(values.allSatisfy { $0.isAsExpected }, "SEED=\(seed) step \(step)")
            }
            #expect(heldBack.count <= 1)
        }
    }

    @Test("rows behind the last stay zero in every copy") func zeros() {
        var decoder = DatagramDecoder()
        var one = Mirrored()
        one.decode(3, 1, by: &decoder)
        var other = one
        other.columns.flags[0] = 1  // a column of its own, the others still shared
        one.decode(20, 2, by: &decoder)
        let rows = other.columns.extend(by: other.columns.capacity - other.columns.count)
        #expect(rows.allSatisfy { other.columns[$0].octetDeltaCount == 0 && other.columns[$0].deltaFlowCount == 0 })
    }
}

/// Columns, and the records that must be in them.
private struct Mirrored {
    var columns = FlowColumns()
    private var records: [FlowRecord] = []
    var isAsExpected: Bool { columns.rows.map { columns[$0] } == records }

    /// Records that no other step has, of a set each.
    mutating func decode(_ count: Int, _ mark: UInt32, by decoder: inout DatagramDecoder) {
        let fields: [Field] = [(8, 4), (1, 4), (7, 2)]
        let data = (0..<count).reduce(Bytes()) { $0.u32(mark << 8 | UInt32($1), mark + 1).u16(UInt16(mark)) }
        let bytes = Make.ipfix([Make.set(2, Make.template(256, fields)), Make.set(256, data.bytes)])
        let origin = DatagramOrigin(
            source: Decoding.exporter, sourcePort: 5_000, localPort: 2_055, receiveMilliseconds: Decoding.received)
        let result = bytes.withBytes { decoder.decode($0, from: origin, into: &columns) }
        for index in 0..<count {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: mark << 8 | UInt32(index))
            (record.octetDeltaCount, record.sourceTransportPort) = (UInt64(mark) + 1, UInt16(mark))
            record.exportMilliseconds = Make.exportMilliseconds
            record.receiveMilliseconds = Decoding.received
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (
                record.exportMilliseconds, record.exportMilliseconds
            )
            record.flags = [.timesEstimated]
            record.exporter = result.rows.first.map { columns.exporter[$0] } ?? .max
            records.append(record)
        }
    }
    mutating func swapColumns(with other: Mirrored) {
        guard other.columns.capacity == columns.capacity, other.records.count == records.count else { return }
        columns.sourceLow = other.columns.sourceLow
        for row in records.indices { records[row].sourceIPAddress = other.records[row].sourceIPAddress }
    }
    mutating func change(_ octets: UInt64) {
        guard let last = records.indices.last else { return }
        columns.octetDeltaCount[last] = octets
        records[last].octetDeltaCount = octets
    }
    mutating func cut(to count: Int) {
        columns.truncate(to: count)
        records.removeLast(max(records.count - count, 0))
    }
}
