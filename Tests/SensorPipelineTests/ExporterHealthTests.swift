import Decode
import FlowModel
import SensorPipeline
import Testing

@Suite("An exporter's health")
struct ExporterHealthTests {
    private let key = ExporterKey(
        address: IPAddress(v4: 0x0A00_0001), observationDomain: 0, exportProtocol: .netflow9)

    /// A book that got `count` records, one a second, each as `change` makes it.
    private func book(
        _ count: Int = 100, replaced: Int = 0, _ change: (inout FlowRecord, Int) -> Void = { _, _ in }
    ) -> LedgerBook {
        var book = LedgerBook()
        for index in 0..<count {
            var record = FlowRecord(), result = DecodeResult(row: 0)
            let now = 1_700_000_000_000 + Int64(index) * 1_000
            result.exporter = key
            result.templatesReplaced = index < replaced ? 1 : 0
            (record.packetDeltaCount, record.octetDeltaCount, record.samplingInterval) = (1, 40, 1)
            (record.sourceTransportPort, record.destinationTransportPort) = (50_000, 443)
            (record.protocolIdentifier, record.tcpControlBits) = (6, 2)
            record.exportMilliseconds = now - 300
            change(&record, index)
            book.received(result, decoded: record.tally, row: record, atMilliseconds: now)
        }
        return book
    }
    private func issues(_ book: LedgerBook, secondsLater: Int64 = 0) -> [HealthIssue] {
        guard let entry = book.entries.first else { return [] }
        return entry.health.issues(
            atMilliseconds: entry.health.lastHeardMilliseconds + secondsLater * 1_000, missing: entry.ledger.missing)
    }

    @Test("a sound exporter has none") func sound() {
        #expect(issues(book()).isEmpty)
        #expect(issues(book(), secondsLater: 50).isEmpty)
    }
    @Test("silence counts from what is usual, a minute at least") func silent() {
        #expect(issues(book(), secondsLater: 61) == [.silent])
    }
    @Test("C17 a clock that is off is estimated from the records that waited least, and nothing is rewritten")
    func skew() {
        let ahead = book { record, index in
            record.exportMilliseconds += 3_600_000 - Int64(index % 7) * 100
        }
        #expect(issues(ahead) == [.clockSkew])
        #expect(ahead.entries.first?.health.skew.milliseconds == 3_599_700)
        let behind = book { record, _ in record.exportMilliseconds -= 86_400_000 }
        #expect(behind.entries.first?.health.skew.milliseconds == -86_400_300)
        #expect(issues(book { record, _ in record.exportMilliseconds = 0 }).isEmpty, "not told is not skewed")
    }
    @Test("templates that keep changing, and sampling that changes, are told") func changes() {
        #expect(issues(book(replaced: 3)) == [.templateChurn])
        #expect(issues(book { $0.samplingInterval = $1 < 50 ? 10 : 20 }) == [.samplingChanged])
    }
    @Test("what its records lack for detectors is told, with the detectors it matters to") func missingElements() {
        #expect(issues(book { record, _ in record.samplingInterval = 1_000 }) == [.samplingHidesSinglePackets])
        #expect(issues(book { record, _ in record.samplingInterval = 0 }) == [.samplingUnknown])
        #expect(issues(book { record, _ in record.tcpControlBits = 0 }) == [.noTCPControlBits])
        #expect(issues(book { record, _ in record.packetDeltaCount = 0 }) == [.noPackets])
        #expect(issues(book { record, _ in record.flags = .timesEstimated }) == [.noFlowTimes])
        #expect(issues(book(3) { record, _ in record.samplingInterval = 0 }).isEmpty, "too early to tell")
        #expect(HealthIssue.samplingHidesSinglePackets.affects.contains("port-scan-vertical"))
        #expect(Set(HealthIssue.allCases.map(\.advice)).count == HealthIssue.allCases.count)
    }
    @Test("missing units come from sequence numbers, less what came late") func missing() {
        var book = book(), result = DecodeResult(row: 0)
        result.exporter = key
        result.missing = SequenceOutcome(unit: .datagrams)
        result.missing?.missing = 5
        book.received(result, decoded: Tally(), row: nil, atMilliseconds: 1_700_000_100_000)
        result.missing?.missing = 0
        result.missing?.late = 2
        book.received(result, decoded: Tally(), row: nil, atMilliseconds: 1_700_000_100_000)
        #expect(book.entries.first?.ledger.missing.units == 3)
        #expect(issues(book) == [.unitsMissing])
    }
}
