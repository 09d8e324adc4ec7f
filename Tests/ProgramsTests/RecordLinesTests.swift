import FlowModel
import Foundation
import Testing

@testable import Programs

@Suite("Records for a program")
struct RecordLinesTests {
    private func subscription(_ fields: [String]?, filter: String = "", max: Int = 1_000) throws -> ProgramSubscription
    {
        let hello = ProgramHello(
            kind: .detector, name: "d", version: "", fields: fields, filter: filter, batchRecordsMax: max, rules: [:])
        return try #require(ProgramSubscription(hello))
    }
    private func lines(_ batch: ProgramBatch) -> [String] {
        String(decoding: batch.octets, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("have the members that were named, in the order of the record, and no others") func members() throws {
        let columns = ConformanceSample.columns(2)
        let batches = try subscription(["octetDeltaCount", "sourceIPv4Address", "destinationIPv4Address", "vlanId"])
            .batches(of: columns, mark: 9)
        #expect(batches.count == 1 && batches[0].mark == 9 && batches[0].isLast && batches[0].records == 2)
        #expect(
            lines(batches[0]) == [
                #"{"sourceIPv4Address":"192.0.2.7","octetDeltaCount":60}"#,
                #"{"sourceIPv4Address":"192.0.2.7","destinationIPv4Address":"198.18.0.1","octetDeltaCount":60}"#,
            ])
    }
    @Test("are whole when no member was named") func whole() throws {
        let batch = try subscription(nil).batches(of: ConformanceSample.columns(3), mark: 1)[0]
        for line in lines(batch) {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?["exportProtocol"] != nil && object?["collectionTimeMilliseconds"] != nil)
        }
        #expect(lines(batch).count == 3)
    }
    @Test("are those that the filter matches, in batches of the size asked for; the last ends the mark")
    func filtered() throws {
        let columns = ConformanceSample.columns(40)
        let batches = try subscription(["destinationTransportPort"], filter: "dst port 445", max: 8)
            .batches(of: columns, mark: 3)
        #expect(batches.map(\.records) == [8, 8, 4] && batches.map(\.isLast) == [false, false, true])
        #expect(batches.allSatisfy { lines($0).allSatisfy { $0 == #"{"destinationTransportPort":445}"# } })
        let none = try subscription(nil, filter: "dst port 1").batches(of: columns, mark: 3)
        #expect(none == [ProgramBatch(mark: 3)])
    }
    @Test("values that hold brackets, quotes and commas stay whole") func values() {
        var out: [UInt8] = []
        let line = #"{"a":"x,\"}]{","b":[1,{"c":"],"}],"d":"\\","e":5}"# + "\n"
        appendMembers(named: ["b", "d"], of: Array(line.utf8), to: &out)
        #expect(String(decoding: out, as: UTF8.self) == #"{"b":[1,{"c":"],"}],"d":"\\"}"# + "\n")
        for end in 0..<line.utf8.count { appendMembers(named: ["e"], of: Array(line.utf8.prefix(end)), to: &out) }
        #expect(out.last == UInt8(ascii: "\n"))
    }
}
