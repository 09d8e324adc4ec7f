import BatchFormat
import FlowModel
import Testing
import WireBytes

/// Found by fuzzing: what is sealed must open, also when what lies beside the columns says nothing but zeros.
@Suite("Side stores of a batch") struct SideStoreSizeTests {
    private func columns(rows: Int, _ octets: [UInt8]) -> FlowColumns {
        var columns = FlowColumns()
        _ = columns.intern(ExporterKey(address: IPAddress(v4: 1), observationDomain: 1, exportProtocol: .ipfix))
        for row in columns.extend(by: rows) {
            columns.deltaFlowCount[row] = 1
            columns.extra[row] = columns.extras.add([ExtraValue(ElementKey(id: 95), octets)])
        }
        return columns
    }

    @Test(
        "further elements that are all zeros, or all alike, come back as they were",
        arguments: [(1, 0), (3, 4), (40_000, 120)], [UInt8(0), 255])
    func allAlike(size: (rows: Int, octets: Int), octet: UInt8) throws {
        let value = [UInt8](repeating: octet, count: size.octets)
        let columns = columns(rows: size.rows, value)
        var encoder = BatchEncoder(), decoder = BatchDecoder(), opened = FlowColumns()
        let body = try encoder.encode(columns, fidelity: .full)
        try body.withBytes { try decoder.decode($0, into: &opened) }
        #expect(opened.count == size.rows && encoder.entriesLeftOut == 0)
        for row in [0, size.rows / 2, size.rows - 1] {
            #expect(opened.extras.value(of: ElementKey(id: 95), at: opened.extra[row]) == value)
        }
    }
}
