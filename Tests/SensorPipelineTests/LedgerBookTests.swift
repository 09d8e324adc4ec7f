import Decode
import FlowModel
import Foundation
import SensorPipeline
import Testing

@Suite("The loss ledger")
struct LedgerBookTests {
    private func key(_ number: UInt32) -> ExporterKey {
        ExporterKey(address: IPAddress(v4: 0x0A00_0000 + number), observationDomain: 7, exportProtocol: .netflow9)
    }
    private let tally = Tally(flows: 3, octets: 300, packets: 30)

    @Test("the heartbeat's JSON, byte for byte") func json() {
        var book = LedgerBook()
        book.received(from: key(1), losses: [.noTemplate: 2], decoded: tally)
        book.received(from: key(1), losses: [.malformed: 1], decoded: Tally())
        book.lost(.duplicate, Tally(flows: 1, octets: 100, packets: 10), of: key(1))
        book.sealed(Tally(flows: 2, octets: 200, packets: 20), rows: 1, of: key(1))
        book.received(from: nil, losses: [.badVersion: 1], decoded: Tally())
        book.lostUnattributed(.kernelDrop, count: 5)
        let heartbeat = Heartbeat(
            version: "0.1.0", startedMilliseconds: 9, fidelity: "full", spoolBatches: 1, spoolBytes: 2,
            spoolBytesMax: 3,
            deadLetters: 4, ledger: book, nowMilliseconds: 9)
        let missing = #""missing":{"units":0,"late":0,"restarts":0}"#
        let zero = #"{"flows":0,"octets":0,"packets":0}"#
        #expect(
            heartbeat.json
                == #"{"version":"0.1.0","startedMilliseconds":9,"fidelity":"full","#
                + #""spool":{"batches":1,"bytes":2,"bytesMax":3},"deadLetters":4,"ledger":["#
                + #"{"exporter":"10.0.0.1","observationDomain":7,"exportProtocol":"netflow9","datagramsReceived":2,"#
                + #""datagramsDecoded":1,"decoded":{"flows":3,"octets":300,"packets":30},"#
                + #""sealed":{"flows":2,"octets":200,"packets":20},"sealedRows":1,"#
                + #""counts":{"malformed":1,"no_template":2},"#
                + #""records":{"duplicate":{"flows":1,"octets":100,"packets":10}},\#(missing),"#
                + #""health":{"firstHeardMilliseconds":0,"lastHeardMilliseconds":0,"samplingInterval":0.0,"#
                + #""templatesReplaced":0,"issues":[]}},"#
                + #"{"exporter":"::","observationDomain":0,"exportProtocol":"unknown","datagramsReceived":1,"#
                + #""datagramsDecoded":0,"decoded":\#(zero),"sealed":\#(zero),"sealedRows":0,"#
                + #""counts":{"kernel_drop":5,"bad_version":1},"records":{},\#(missing)}],"ledgerOmitted":0}"#)
    }

    @Test("a heartbeat has so many exporters at most, the busiest, and says how many it left out") func bounded() throws
    {
        var book = LedgerBook()
        for number in 0..<UInt32(Heartbeat.exportersMax + 5) {
            book.received(from: key(number), losses: [:], decoded: tally)
        }
        book.received(from: key(1_999_999), losses: [:], decoded: tally)
        book.received(from: key(1_999_999), losses: [:], decoded: tally)
        let heartbeat = Heartbeat(
            version: "0", startedMilliseconds: 0, fidelity: "full", spoolBatches: 0, spoolBytes: 0, spoolBytesMax: 0,
            deadLetters: 0, ledger: book, nowMilliseconds: 0)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(heartbeat.jsonBytes)) as? [String: Any])
        let ledger = try #require(object["ledger"] as? [[String: Any]])
        #expect(ledger.count == Heartbeat.exportersMax && object["ledgerOmitted"] as? Int == 6)
        #expect(ledger.first?["exporter"] as? String == "\(key(1_999_999).address)")
    }

    @Test("a heartbeat stays below what an aggregator takes, however much each exporter lost") func bytes() throws {
        var book = LedgerBook()
        let losses = Dictionary(uniqueKeysWithValues: Loss.allCases.map { ($0, UInt64.max / 2) })
        for number in 0..<UInt32(Heartbeat.exportersMax) {
            book.received(from: key(number), losses: losses, decoded: tally)
            for loss in Loss.allCases {
                book.lost(loss, Tally(flows: .max, octets: .max, packets: .max), of: key(number))
            }
        }
        let heartbeat = Heartbeat(
            version: "0", startedMilliseconds: 0, fidelity: "full", spoolBatches: 0, spoolBytes: 0, spoolBytesMax: 0,
            deadLetters: 0, ledger: book, nowMilliseconds: 0)
        #expect((500_000..<1 << 20).contains(heartbeat.jsonBytes.count))
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(heartbeat.jsonBytes)) as? [String: Any])
        let shown = (object["ledger"] as? [Any])?.count ?? 0
        #expect(shown > 100 && shown + (object["ledgerOmitted"] as? Int ?? 0) == Heartbeat.exportersMax)
    }

    @Test("exporters beyond the limit share one ledger, so sums stay right and memory bounded") func exporters() {
        var book = LedgerBook()
        let count = LedgerBook.exportersMax + 100
        for number in 0..<UInt32(count) { book.received(from: key(number), losses: [:], decoded: tally) }
        #expect(book.exporters.count == LedgerBook.exportersMax + 1)
        #expect(book.total.decoded.flows == UInt64(3 * count) && book.total.datagramsReceived == UInt64(count))
    }

    @Test("senders of which nothing was ever decoded give their lines up to exporters with records, the latest first")
    func barren() {
        var book = LedgerBook(entriesMax: 3)
        book.received(from: key(1), losses: [:], decoded: tally)
        book.received(from: key(2), losses: [.noTemplate: 5], decoded: Tally())
        book.received(from: key(3), losses: [.noTemplate: 7], decoded: Tally())
        book.received(from: key(4), losses: [.malformed: 1], decoded: Tally())
        #expect(book.exporters[key(4)] == nil && book.entries.last?.name == "overflow")
        #expect(book.keyHeld(for: key(4)).address.isAbsent)
        book.received(from: key(4), losses: [:], decoded: tally)
        #expect(book.exporters[key(4)]?.decoded == tally && book.keyHeld(for: key(4)) == key(4))
        #expect(book.exporters[key(3)] == nil && book.exporters[key(2)]?.counts == [.noTemplate: 5])
        for number in 5...9 as ClosedRange<UInt32> { book.received(from: key(number), losses: [:], decoded: tally) }
        #expect(book.exporters[key(1)]?.decoded == tally && book.exporters[key(5)]?.decoded == tally)
        #expect(book.exporters[key(2)] == nil && book.exporters[key(6)] == nil && book.linesGivenUp == 2)
        #expect(book.entries.count == 4 && book.total.decoded.flows == 21 && book.total.datagramsReceived == 10)
        #expect(book.total.counts == [.noTemplate: 12, .malformed: 1])
    }

    @Test("an exporter that turns out to be real before its line is wanted keeps it") func turnedReal() {
        var book = LedgerBook(entriesMax: 2)
        for number in 1...2 as ClosedRange<UInt32> {
            book.received(from: key(number), losses: [.noTemplate: 1], decoded: Tally())
        }
        book.received(from: key(2), losses: [:], decoded: tally)
        book.received(from: key(3), losses: [:], decoded: tally)
        book.received(from: key(4), losses: [:], decoded: tally)
        #expect(Set(book.exporters.keys.map(\.address)) == [key(2).address, key(3).address, .absent])
    }

    @Test("exporters that are known to be real have lines beside all others") func protected() {
        var book = LedgerBook(entriesMax: 2, protected: [IPNetwork(key(0x100).address, length: 24)])
        for number in 1...9 as ClosedRange<UInt32> { book.received(from: key(number), losses: [:], decoded: tally) }
        book.received(from: key(0x101), losses: [.noTemplate: 1], decoded: Tally())
        #expect(book.exporters[key(0x101)]?.counts == [.noTemplate: 1])
        for number in 10...19 as ClosedRange<UInt32> { book.received(from: key(number), losses: [:], decoded: tally) }
        #expect(book.exporters[key(0x101)] != nil && book.entries.count == 4)
        var sum = LedgerBook(entriesMax: 1)
        sum.add(book)
        #expect(sum.exporters[key(0x101)] != nil && sum.total.decoded == book.total.decoded)
    }

    @Test("a heartbeat has the busiest interfaces of an exporter by the device's counters, and how many more")
    func interfaces() throws {
        var book = LedgerBook()
        book.received(from: key(1), losses: [:], decoded: tally)
        book.received(from: key(2), losses: [:], decoded: tally)
        var heartbeat = Heartbeat(
            version: "0", startedMilliseconds: 0, fidelity: "full", spoolBatches: 0, spoolBytes: 0, spoolBytesMax: 0,
            deadLetters: 0, ledger: book, nowMilliseconds: 0)
        for number in 0..<UInt32(Heartbeat.interfacesMax + 3) {
            var growth = InterfaceTotals.Growth()
            growth.octets = [UInt64(number), 1]
            growth.discards = [0, 9]
            heartbeat.interfaces[InterfaceCounterBook.Key(exporter: key(1), ifIndex: number)] = growth
        }
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(heartbeat.jsonBytes)) as? [String: Any])
        let ledger = try #require(object["ledger"] as? [[String: Any]])
        let interfaces = try #require(ledger.first?["interfaces"] as? [[String: Any]])
        #expect(interfaces.count == Heartbeat.interfacesMax && ledger.first?["interfacesOmitted"] as? Int == 3)
        #expect(interfaces.first?["ifIndex"] as? Int == Heartbeat.interfacesMax + 2)
        #expect(interfaces.first?["octets"] as? [Int] == [Heartbeat.interfacesMax + 2, 1])
        #expect(interfaces.first?["discards"] as? [Int] == [0, 9] && ledger.last?["interfaces"] == nil)
    }

    @Test("an exporter beyond a receiver's limit is sealed under the name it was decoded under") func names() {
        var worker = LedgerBook(entriesMax: 2), keep = LedgerBook(entriesMax: .max)
        for number in 1...4 as ClosedRange<UInt32> {
            worker.received(from: key(number), losses: [:], decoded: tally)
            keep.sealed(tally, rows: 1, of: worker.keyHeld(for: key(number)))
        }
        keep.add(worker)
        #expect(keep.entries.count == 3 && keep.entries.allSatisfy { $0.ledger.open == Tally() })
    }

    @Test("books of two threads add up") func adding() {
        var first = LedgerBook(), second = LedgerBook()
        first.received(from: key(1), losses: [:], decoded: tally)
        first.received(from: nil, losses: [.badVersion: 1], decoded: Tally())
        second.sealed(tally, rows: 2, of: key(1))
        second.lost(.spoolFull, Tally(), of: key(2))
        first.add(second)
        #expect(first.exporters[key(1)]?.open == Tally() && first.exporters[key(1)]?.sealedRows == 2)
        #expect(first.exporters[key(2)] == nil)
        #expect(first.total.datagramsReceived == 2 && first.total.counts == [.badVersion: 1])
    }
}
