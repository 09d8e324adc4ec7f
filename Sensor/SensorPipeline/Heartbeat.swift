package import Decode
internal import FlowModel

/// What a sensor tells its aggregator every few seconds: the body of `POST /v1/heartbeat`.
///
///     {"version":"0.1.0","startedMilliseconds":n,"fidelity":"full",
///      "spool":{"batches":n,"bytes":n,"bytesMax":n},"deadLetters":n,
///      "ledger":[{"exporter":"10.0.0.1","observationDomain":0,"exportProtocol":"netflow9","datagramsReceived":n,
///                 "datagramsDecoded":n,"decoded":{"flows":n,"octets":n,"packets":n},"sealed":{…},"sealedRows":n,
///                 "counts":{"no_template":n},"records":{"duplicate":{"flows":n,…}},
///                 "missing":{"units":n,"late":n,"restarts":n},
///                 "health":{"firstHeardMilliseconds":n,"lastHeardMilliseconds":n,"clockSkewMilliseconds":n,
///                           "samplingInterval":n,"templatesReplaced":n,"issues":["clock_skew",…]},
///                 "interfaces":[{"ifIndex":7,"octets":[n,n],"packets":[n,n],"errors":[n,n],"discards":[n,n]}],
///                 "interfacesOmitted":n}],
///      "ledgerOmitted":n}
///
/// The ledger counts since this process started. Exporters come in the order of their datagrams, most first, at most
/// `exportersMax` and no more than `bytesMax` of text; `ledgerOmitted` says how many more there are. Losses that are
/// zero are left out. Datagrams that named no exporter, and the kernel's drops, are the last entry's: exporter `::`,
/// protocol `unknown`, without health. `missing` is in the exporter's own units (see `MissingUnits`), a skew that is
/// not known is left out, and issues are those of `HealthIssue`. Exporters that found no line of their own in the
/// ledger are together under the name `overflow`, one for each protocol. `interfaces` is left out where there are
/// none: what each has received and sent by the device's own counters (sFlow), at most `interfacesMax` of an
/// exporter, the busiest.
package struct Heartbeat: Sendable {
    package var version: String
    package var startedMilliseconds: Int64
    /// `full`, `service` or `host`.
    package var fidelity: String
    package var spoolBatches: Int, spoolBytes: Int, spoolBytesMax: Int
    package var deadLetters: Int
    package var ledger: LedgerBook
    /// By the sensor's clock, in ms since 1970 UTC.
    package var nowMilliseconds: Int64

    /// By the devices' own counters.
    package var interfaces: [InterfaceCounterBook.Key: InterfaceTotals.Growth] = [:]

    package static let exportersMax = 2_000, interfacesMax = 32
    /// An aggregator takes 1 MiB.
    package static let bytesMax = 960 << 10

    package init(
        version: String, startedMilliseconds: Int64, fidelity: String, spoolBatches: Int, spoolBytes: Int,
        spoolBytesMax: Int, deadLetters: Int, ledger: LedgerBook, nowMilliseconds: Int64
    ) {
        self.version = version
        self.startedMilliseconds = startedMilliseconds
        self.fidelity = fidelity
        (self.spoolBatches, self.spoolBytes, self.spoolBytesMax) = (spoolBatches, spoolBytes, spoolBytesMax)
        self.deadLetters = deadLetters
        self.ledger = ledger
        self.nowMilliseconds = nowMilliseconds
    }

    /// The JSON text. All texts in it are ours (addresses, names of protocols and losses), so none needs escaping.
    package var json: String {
        let all = ledger.entries.sorted { a, b in
            if a.ledger.datagramsReceived != b.ledger.datagramsReceived {
                return a.ledger.datagramsReceived > b.ledger.datagramsReceived
            }
            return Self.order(a.key) < Self.order(b.key)
        }
        var room = Self.bytesMax, entries: [String] = []
        let interfaces = Dictionary(grouping: interfaces) { $0.key.exporter }
        for each in all.prefix(Self.exportersMax) {
            let entry = entry(each, interfaces[each.key] ?? [])
            room -= entry.utf8.count + 1
            if room < 0 { break }
            entries.append(entry)
        }
        let spool = "{\"batches\":\(spoolBatches),\"bytes\":\(spoolBytes),\"bytesMax\":\(spoolBytesMax)}"
        var text = "{\"version\":\"\(version)\",\"startedMilliseconds\":\(startedMilliseconds)"
        text += ",\"fidelity\":\"\(fidelity)\",\"spool\":\(spool),\"deadLetters\":\(deadLetters)"
        text += ",\"ledger\":[" + (entries + unattributed).joined(separator: ",")
        return text + "],\"ledgerOmitted\":\(all.count - entries.count)}"
    }

    package var jsonBytes: [UInt8] { [UInt8](json.utf8) }

    private static func order(_ key: ExporterKey) -> (IPAddress, UInt32, UInt8) {
        (key.address, key.observationDomain, key.exportProtocol.rawValue)
    }
    private var unattributed: [String] {
        var rest = ExporterLedger()
        rest.datagramsReceived = ledger.unattributedDatagrams
        rest.counts = ledger.unattributed
        guard rest != ExporterLedger() else { return [] }
        return [Self.entry(exporter: "::", domain: 0, exportProtocol: "unknown", rest) + "}"]
    }
    private func entry(
        _ entry: LedgerBook.Entry,
        _ interfaces: [(key: InterfaceCounterBook.Key, value: InterfaceTotals.Growth)]
    ) -> String {
        let (key, health, missing) = (entry.key, entry.health, entry.ledger.missing)
        let issues = health.issues(atMilliseconds: nowMilliseconds, missing: missing).map { "\"\($0.rawValue)\"" }
        let skew = health.skew.milliseconds.map { ",\"clockSkewMilliseconds\":\($0)" } ?? ""
        return Self.entry(
            exporter: entry.name, domain: key.observationDomain, exportProtocol: key.exportProtocol.name,
            entry.ledger)
            + ",\"health\":{\"firstHeardMilliseconds\":\(health.firstHeardMilliseconds)"
            + ",\"lastHeardMilliseconds\":\(health.lastHeardMilliseconds)\(skew)"
            + ",\"samplingInterval\":\(health.samplingInterval),\"templatesReplaced\":\(health.templatesReplaced)"
            + ",\"issues\":[\(issues.joined(separator: ","))]}\(Self.interfaces(interfaces))}"
    }
    private static func interfaces(
        _ all: [(key: InterfaceCounterBook.Key, value: InterfaceTotals.Growth)]
    ) -> String {
        guard !all.isEmpty else { return "" }
        let busiest = all.sorted { a, b in
            let (first, second) = (a.value.octets[0] &+ a.value.octets[1], b.value.octets[0] &+ b.value.octets[1])
            return first != second ? first > second : a.key.ifIndex < b.key.ifIndex
        }.prefix(interfacesMax)
        let texts = busiest.map { key, growth in
            "{\"ifIndex\":\(key.ifIndex),\"octets\":\(pair(growth.octets)),\"packets\":\(pair(growth.packets))"
                + ",\"errors\":\(pair(growth.errors)),\"discards\":\(pair(growth.discards))}"
        }
        return ",\"interfaces\":[\(texts.joined(separator: ","))],\"interfacesOmitted\":\(all.count - busiest.count)"
    }
    private static func pair(_ counts: [UInt64]) -> String { "[\(counts.map { "\($0)" }.joined(separator: ","))]" }
    /// Without the closing brace.
    private static func entry(
        exporter: String, domain: UInt32, exportProtocol: String, _ ledger: ExporterLedger
    ) -> String {
        let records = Loss.allCases.compactMap { loss in
            ledger.records[loss].map { "\"\(loss.rawValue)\":\(tally($0))" }
        }
        let missing = ledger.missing
        return "{\"exporter\":\"\(exporter)\",\"observationDomain\":\(domain)"
            + ",\"exportProtocol\":\"\(exportProtocol)\",\"datagramsReceived\":\(ledger.datagramsReceived)"
            + ",\"datagramsDecoded\":\(ledger.datagramsDecoded),\"decoded\":\(tally(ledger.decoded))"
            + ",\"sealed\":\(tally(ledger.sealed)),\"sealedRows\":\(ledger.sealedRows)"
            + ",\"counts\":\(counts(ledger.counts)),\"records\":{\(records.joined(separator: ","))}"
            + ",\"missing\":{\"units\":\(missing.units),\"late\":\(missing.late)"
            + ",\"restarts\":\(missing.restarts)}"
    }
    private static func tally(_ tally: Tally) -> String {
        "{\"flows\":\(tally.flows),\"octets\":\(tally.octets),\"packets\":\(tally.packets)}"
    }
    private static func counts(_ counts: [Loss: UInt64]) -> String {
        let entries = Loss.allCases.compactMap { loss in counts[loss].map { "\"\(loss.rawValue)\":\($0)" } }
        return "{\(entries.joined(separator: ","))}"
    }
}
