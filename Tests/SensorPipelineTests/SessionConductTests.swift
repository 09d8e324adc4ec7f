import FlowModel
import SensorPipeline
import Testing
import WireBytes

//= RFC 7011 §9.1
@Suite("Connections that send malformed messages") struct SessionConductTests {
    @Test("a few malformed messages in a row end a connection, once; a well-formed one begins anew") func inARow() {
        var conduct = SessionConduct()
        for isWellFormed in [false, false, true, false, false] { conduct.note(7, isWellFormed: isWellFormed) }
        conduct.note(8, isWellFormed: false)
        #expect(conduct.takeHopeless().isEmpty)
        conduct.note(7, isWellFormed: false)
        conduct.note(7, isWellFormed: false)
        #expect(conduct.takeHopeless() == [7] && conduct.takeHopeless().isEmpty)
        for _ in 0..<2 { conduct.note(9, isWellFormed: false) }
        conduct.forget(9)
        conduct.note(9, isWellFormed: false)
        #expect(conduct.takeHopeless().isEmpty)
    }

    //= RFC 7011 §9
    @Test("a worker tells malformed messages by their lengths, and counts them beside what they lost") func told() {
        var worker = SensorWorker(limits: .init(windowMilliseconds: 10_000, rowsMax: 64), seed: 7)
        func receive(_ sets: [UInt8], length: UInt16? = nil) -> Bool {
            var bytes: [UInt8] = []
            for half in [10, length ?? UInt16(16 + sets.count)] as [UInt16] { bytes.appendBE(half) }
            for word in [1_700_000_000, 0, 7] as [UInt32] { bytes.appendBE(word) }
            let origin = DatagramOrigin(
                source: IPAddress(v4: 1), sourcePort: 9, localPort: 4_739, receiveMilliseconds: 1_000, session: 3)
            (bytes + sets).withBytes { worker.receive($0, from: origin) }
            return !worker.wasMalformed
        }
        #expect(receive([]) && receive([0, 9, 0, 4]), "a set of a reserved number is skipped by its length")
        #expect(!receive([1, 0, 0, 99, 1]), "a set longer than its message")
        #expect(!receive([], length: 12), "a message shorter than its header")
        #expect(!receive([1, 0, 0, 4], length: 40), "a message that ends before its length")
        #expect(worker.decodeTotals[.messagesMalformed] == 3 && worker.ledger.total.counts[.badSet] == 3)
    }
}
