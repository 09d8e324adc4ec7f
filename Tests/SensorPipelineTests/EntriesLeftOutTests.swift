import Dedupe
import FlowModel
import Platform
import SensorPipeline
import Testing

@Suite("What no batch can hold") struct EntriesLeftOutTests {
    private func seal(values: Int) -> (rows: UInt64, leftOut: UInt64) {
        var worker = SensorWorker(limits: .init(windowMilliseconds: 10_000, rowsMax: 64), seed: 7)
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        var noise = SeededGenerator(seed: 1)
        let value = (0..<60_000).map { _ in UInt8.random(in: 0...255, using: &noise) }
        worker.meter(key, atMilliseconds: 1_000) { columns in
            var record = FlowRecord()
            record.exporter = columns.intern(key) ?? 0
            record.deltaFlowCount = 1
            record.extra = columns.extras.add(
                (0..<values).map { ExtraValue(ElementKey(id: UInt16($0)), Array(value.dropFirst($0))) })
            columns.append(record)
        }
        worker.close()
        var sealer = WindowSealer(
            rowsMax: 64, board: ObserverBoard(ObserverDedupeSettings(mode: .off), seed: 7))
        let batches = sealer.seal(from: &worker)
        return (batches.reduce(0) { $0 + UInt64($1.rows) }, worker.entriesLeftOut)
    }

    @Test("a row with more beside its columns than a batch holds is sealed without it, and counted")
    func counted() {
        #expect(seal(values: 2) == (1, 0))
        #expect(seal(values: 120) == (1, 1))
    }
}
