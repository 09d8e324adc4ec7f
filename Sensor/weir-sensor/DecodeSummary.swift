import Capture
import Decode
import FlowModel
import InformationElements
import SensorPipeline

/// What `decode --format summary` counts, as one JSON object.
struct DecodeSummary {
    private(set) var datagrams: UInt64 = 0
    private var ledger = LedgerBook()
    private var frames = 0, skipped: [CaptureSkip: Int] = [:]
    private var changes: [(name: String, count: Int)] = [
        ("learned", 0), ("replaced", 0), ("withdrawn", 0), ("withdrawalsIgnored", 0), ("optionRecords", 0),
    ]
    private var samplesSkipped = 0
    private var setsHeld = 0, setsReplayed = 0, unheard: [ExporterKey: UInt64] = [:]

    mutating func add(_ result: DecodeResult, _ tally: Tally) {
        datagrams += 1
        ledger.received(from: result.exporter, losses: result.losses, decoded: tally)
        let counts = [
            result.templatesLearned, result.templatesReplaced, result.templatesWithdrawn, result.withdrawalsIgnored,
            result.optionRecords,
        ]
        for (index, count) in counts.enumerated() { changes[index].count += count }
        samplesSkipped += result.samplesSkipped
        setsHeld += result.setsHeld
        setsReplayed += result.setsReplayed
    }
    /// Sets that had waited, decoded behind the last datagram.
    mutating func addReplayed(_ result: DecodeResult, _ tally: Tally) {
        ledger.replayed(result, decoded: tally)
        setsReplayed += result.setsReplayed
    }
    mutating func add(_ reader: CaptureReader) {
        frames += reader.frames
        skipped.merge(reader.skipped) { $0 + $1 }
    }
    /// Data sets whose template never came.
    mutating func add(_ lost: [HeldLoss]) {
        for loss in lost { unheard[loss.exporter, default: 0] &+= loss.sets }
    }

    /// - Parameter census: the templates; of those without an entry only their number is told.
    func json(_ census: TemplateCensus, _ registry: ElementRegistry) -> String {
        let total = ledger.total
        let members = [
            "\"frames\":\(frames)", "\"datagrams\":\(datagrams)", "\"records\":\(total.decoded.flows)",
            "\"octetDeltaCount\":\(total.decoded.octets)", "\"packetDeltaCount\":\(total.decoded.packets)",
            "\"protocols\":{\(protocols.joined(separator: ","))}",
            "\"exporters\":[\(exporters.joined(separator: ","))]",
            "\"templates\":[\(census.entries.map { text($0, registry) }.joined(separator: ","))]",
            "\"templatesOmitted\":\(census.omitted)",
            "\"templateChanges\":{\(changes.map { "\"\($0.name)\":\($0.count)" }.joined(separator: ","))}",
            "\"setsHeld\":\(setsHeld)", "\"setsReplayed\":\(setsReplayed)", "\"samplesSkipped\":\(samplesSkipped)",
            "\"losses\":{\(losses(total.counts).joined(separator: ","))}",
            "\"framesSkipped\":{\(frameSkips.joined(separator: ","))}",
        ]
        return "{\(members.joined(separator: ","))}"
    }

    private func losses(_ counts: [Loss: UInt64]) -> [String] {
        Loss.allCases.compactMap { loss in
            let waited = loss == .noTemplate ? unheard.values.reduce(0, &+) : 0
            let count = (counts[loss] ?? 0) &+ waited
            return count == 0 ? nil : "\"\(loss.rawValue)\":{\"count\":\(count),\"unit\":\"\(loss.unit.rawValue)\"}"
        }
    }
    private var frameSkips: [String] {
        CaptureSkip.allCases.compactMap { skip in skipped[skip].map { "\"\(skip.rawValue)\":\($0)" } }
    }
    private var protocols: [String] {
        ExportProtocol.allCases.compactMap { exportProtocol in
            let ledgers = ledger.exporters.filter { $0.key.exportProtocol == exportProtocol }.values
            guard !ledgers.isEmpty else { return nil }
            let received = ledgers.reduce(0) { $0 + $1.datagramsReceived }
            let records = ledgers.reduce(0) { $0 + $1.decoded.flows }
            return "\"\(exportProtocol.name)\":{\"datagrams\":\(received),\"records\":\(records)}"
        }
    }
    private var exporters: [String] {
        ledger.exporters.sorted {
            ($0.key.address, $0.key.observationDomain) < ($1.key.address, $1.key.observationDomain)
        }
        .map { key, entry in
            let lost = losses(of: key, entry)
            return "{\(text(key)),\"datagrams\":\(entry.datagramsReceived)"
                + ",\"records\":\(entry.decoded.flows),\"octetDeltaCount\":\(entry.decoded.octets)"
                + ",\"packetDeltaCount\":\(entry.decoded.packets),\"losses\":{\(lost.joined(separator: ","))}}"
        }
    }
    private func losses(of key: ExporterKey, _ entry: ExporterLedger) -> [String] {
        Loss.allCases.compactMap { loss in
            let count = (entry.counts[loss] ?? 0) &+ (loss == .noTemplate ? unheard[key] ?? 0 : 0)
            return count == 0 ? nil : "\"\(loss.rawValue)\":\(count)"
        }
    }
    private func text(_ key: ExporterKey) -> String {
        "\"exporter\":\"\(key.address)\",\"observationDomain\":\(key.observationDomain)"
            + ",\"exportProtocol\":\"\(key.exportProtocol.name)\""
    }

    private func text(_ template: TemplateCensus.Entry, _ registry: ElementRegistry) -> String {
        let fields = template.fields.enumerated().map { index, field in
            let isScope = index < template.scopeCount && template.exporter.exportProtocol == .netflow9
            let name = isScope ? scopeName(field.element.id) : registry.information(field.element).name
            let length = field.length == ExtraField.variableLength ? "\"variable\"" : "\(field.length)"
            return "{\"name\":\"\(name)\",\"length\":\(length)}"
        }
        return
            "{\(text(template.exporter)),\"id\":\(template.id),\"kind\":\"\(template.isOptions ? "options" : "data")\""
            + ",\"records\":\(template.records),\"fields\":[\(fields.joined(separator: ","))]}"
    }
    //= RFC 3954 §6.1
    private func scopeName(_ number: UInt16) -> String {
        switch number {
        case 1: "scopeSystem"
        case 2: "scopeInterface"
        case 3: "scopeLineCard"
        case 4: "scopeCache"
        case 5: "scopeTemplate"
        default: "scope\(number)"
        }
    }
}
