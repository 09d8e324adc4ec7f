/// Exporters that fall silent: a router that failed, a sensor's way that is cut, or somebody who switched export off.
///
/// Method: the tenant's clock is the latest receive time of all its exporters' records; each exporter's usual longest
/// pause is learned, and forgotten slowly. Silence is several such pauses, and never less than `silenceMilliseconds`.
/// Invariants: no clock of our own: when all are silent nothing is said, as nobody can tell that time has passed; a
/// silence is told once. Not here: datagrams lost on the way (the ledger of losses has them).
import FlowModel
import Identity

struct ExporterSilenceDetector: Detector {
    static let name = "exporter-silence"
    static let rule = RuleInfo(
        id: "exporter-silence", title: "Exporter fell silent", tactics: ["TA0005"], techniques: ["T1562"])
    static let rules = [rule]
    static let interest: Aspects = []
    /// Exporters that are watched; further ones are not.
    private static let exportersMax = 4_096
    /// Records' moments before an exporter's pauses are known.
    private static let momentsMin = 16
    /// How often all exporters are looked at, in ms of the tenant's clock.
    private static let paceMilliseconds: Int64 = 10_000

    /// One exporter.
    struct Watch: Sendable {
        var first: Int64, last: Int64
        /// The longest pause of late, in ms.
        var pause: Int64 = 0
        var moments = 0
        /// It has been told that it is silent.
        var isSilent = false
    }

    let tenant: TenantID, parameters: DetectorParameters
    private var watches: [ExporterKey: Watch] = [:]
    private var clock = Int64.min, looked = Int64.min
    /// Exporters that are not watched, as there are too many.
    private(set) var evictions: UInt64 = 0

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
    }

    mutating func begin(_ columns: FlowColumns, rows: Range<Int>) {
        var index = rows.lowerBound
        while index < rows.upperBound {
            // Records of one exporter come in runs, mostly with one receive time.
            let exporter = columns.exporter[index]
            var latest = columns.receiveMilliseconds[index]
            index += 1
            while index < rows.upperBound, columns.exporter[index] == exporter {
                latest = max(latest, columns.receiveMilliseconds[index])
                index += 1
            }
            guard Int(exporter) < columns.exporters.count, latest > 0 else { continue }
            heard(columns.exporters[Int(exporter)], at: min(latest, EventTime.range.upperBound))
        }
    }

    private mutating func heard(_ exporter: ExporterKey, at time: Int64) {
        clock = max(clock, time)
        guard var watch = watches[exporter] else {
            guard watches.count < Self.exportersMax else {
                evictions &+= 1
                return
            }
            watches[exporter] = Watch(first: time, last: time)
            return
        }
        guard time > watch.last else { return }
        // A pause that was told of is not usual. Others fade by a hundredth with each moment.
        if !watch.isSilent { watch.pause = max(time - watch.last, watch.pause - watch.pause / 100) }
        watch.last = time
        watch.moments = min(watch.moments + 1, 1 << 20)
        watches[exporter] = watch
    }

    mutating func observe(_ sight: FlowSight) {}

    mutating func settle(received: Int64) -> [Finding] {
        guard clock >= looked &+ Self.paceMilliseconds || looked == Int64.min else { return [] }
        looked = clock
        return look()
    }
    /// The end of a file is no silence.
    mutating func finish() -> [Finding] { [] }

    private mutating func look() -> [Finding] {
        var findings: [Finding] = []
        for (exporter, watch) in watches where watch.moments >= Self.momentsMin {
            let limit = max(parameters.silenceMilliseconds, parameters.silencePausesMin * min(watch.pause, 1 << 40))
            let isSilent = clock - watch.last >= limit
            if isSilent != watch.isSilent { watches[exporter]?.isSilent = isSilent }
            if isSilent, !watch.isSilent { findings.append(finding(exporter, watch, limit: limit)) }
        }
        return findings
    }

    private func finding(_ exporter: ExporterKey, _ watch: Watch, limit: Int64) -> Finding {
        let silence = clock - watch.last
        return Finding(
            tenant: tenant, rule: Self.rule,
            entity: "\(exporter.address)|\(exporter.observationDomain)|\(exporter.exportProtocol.name)",
            windowStart: watch.last,
            title: "Exporter \(exporter.address) (\(exporter.exportProtocol.name), domain "
                + "\(exporter.observationDomain)) has sent no records for \(silence / 60_000) min; its longest pause "
                + "of late was \(watch.pause / 1_000) s",
            severity: .low, entities: [FindingEntity(exporter.address, .victim)], ports: [],
            span: (watch.last, clock),
            evidence: Evidence(
                observed: Double(silence) / 1_000, threshold: Double(limit) / 1_000, unit: "s", flows: 0, packets: 0,
                octets: 0),
            update: 0)
    }

    func save(to writer: inout SnapshotWriter) {
        for word in [clock, looked] { writer.add(word) }
        writer.add(evictions)
        writer.add(watches.count)
        for (exporter, watch) in watches.sorted(by: { Self.order($0.key) < Self.order($1.key) }) {
            for word in [exporter.address.high, exporter.address.low, UInt64(exporter.observationDomain)] {
                writer.add(word)
            }
            writer.add(UInt64(exporter.exportProtocol.rawValue))
            for word in [watch.first, watch.last, watch.pause] { writer.add(word) }
            writer.add(watch.moments)
            writer.add(watch.isSilent)
        }
    }
    private static func order(_ key: ExporterKey) -> (IPAddress, UInt32, UInt8) {
        (key.address, key.observationDomain, key.exportProtocol.rawValue)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        clock = try reader.nextSigned()
        looked = try reader.nextSigned()
        evictions = try reader.next()
        for _ in 0..<(try reader.nextCount()) {
            let address = IPAddress(high: try reader.next(), low: try reader.next())
            let domain = try reader.nextSmall(UInt32.self)
            guard let way = ExportProtocol(rawValue: try reader.nextSmall(UInt8.self)) else { throw .damaged }
            var watch = Watch(first: try reader.nextSigned(), last: try reader.nextSigned())
            watch.pause = try reader.nextSigned()
            watch.moments = Int(try reader.nextSmall(Int32.self))
            watch.isSilent = try reader.nextBool()
            guard watch.last > 0, watch.last <= EventTime.range.upperBound, watch.pause >= 0, clock > 0,
                clock <= EventTime.range.upperBound
            else { throw .damaged }
            watches[ExporterKey(address: address, observationDomain: domain, exportProtocol: way)] = watch
        }
    }
}
