import FlowModel
import Identity
import SegmentFormat
import TestKit

/// Rows of every shape: like a site's traffic, and with values that no site has.
enum RandomRows {
    static func make(_ count: Int, using generator: inout some RandomNumberGenerator) -> FlowColumns {
        var columns = FlowColumns(), time: Int64 = 1_700_000_000_000
        let exporters = (0..<Int.random(in: 1...4, using: &generator)).map { index in
            ExporterKey(
                address: IPAddress(v4: 0x0A00_0001 + UInt32(index)), observationDomain: UInt32(index) * 7,
                exportProtocol: ExportProtocol.allCases[index % 4])
        }
        let isWild = below(4, &generator) == 0, hasDetails = Bool.random(using: &generator)
        for _ in 0..<count {
            time += Int64(below(4, &generator))
            var record = isWild ? FlowRecord.any(using: &generator) : tame(&generator, at: time)
            if below(2, &generator) == 0, columns.count > 0 {
                turn(&record, into: columns[Int(below(UInt64(columns.count), &generator))], using: &generator)
            }
            guard let exporter = exporters.randomElement(using: &generator), let number = columns.intern(exporter)
            else { continue }
            record.exporter = number
            (record.extra, record.observers, record.sketch) = (0, 0, 0)
            if hasDetails { addDetails(to: &record, in: &columns, using: &generator) }
            columns.append(record)
        }
        return columns
    }

    /// IPv4 and IPv6 traffic as routers export it.
    private static func tame(_ generator: inout some RandomNumberGenerator, at time: Int64) -> FlowRecord {
        var record = FlowRecord()
        let isV6 = below(8, &generator) == 0, site = UInt64(0x2001_0DB8) << 32
        let client = below(300, &generator), server = below(40, &generator)
        record.sourceIPAddress =
            isV6 ? IPAddress(high: site, low: client) : IPAddress(v4: 0x0A00_0000 + UInt32(client) * 7)
        record.destinationIPAddress =
            isV6 ? IPAddress(high: site | 1, low: server) : IPAddress(v4: 0xC000_0200 + UInt32(server))
        record.ipNextHopAddress = IPAddress(v4: 0xCB00_7100 + UInt32(server & 3))
        record.bgpDestinationAsNumber = 64_496 + UInt32(server & 7)
        record.destinationIPPrefixLength = 24
        record.packetDeltaCount = 1 + below(500, &generator)
        record.octetDeltaCount = record.packetDeltaCount * (40 + below(1_400, &generator))
        record.flowStartMilliseconds = time - Int64(below(60_000, &generator))
        record.flowEndMilliseconds = time
        record.receiveMilliseconds = time / 7 * 7
        record.exportMilliseconds = record.receiveMilliseconds / 1_000 * 1_000
        record.protocolIdentifier = below(10, &generator) < 7 ? 6 : 17
        record.sourceTransportPort = UInt16(32_768 + below(28_000, &generator))
        record.destinationTransportPort = [443, 80, 53, 22, 25][Int(below(5, &generator))]
        record.tcpControlBits = record.protocolIdentifier == 6 ? 0x1B : 0
        record.ingressInterface = UInt32(below(3, &generator))
        record.egressInterface = UInt32(below(12, &generator))
        record.samplingInterval = 1
        record.flowDirection = below(2, &generator) == 0 ? 0 : 255
        return record
    }

    /// Makes a record one of the same conversation as `other`, mostly the other way.
    private static func turn(
        _ record: inout FlowRecord, into other: FlowRecord, using generator: inout some RandomNumberGenerator
    ) {
        let isBack = below(3, &generator) > 0
        record.sourceIPAddress = isBack ? other.destinationIPAddress : other.sourceIPAddress
        record.destinationIPAddress = isBack ? other.sourceIPAddress : other.destinationIPAddress
        record.sourceTransportPort = isBack ? other.destinationTransportPort : other.sourceTransportPort
        record.destinationTransportPort = isBack ? other.sourceTransportPort : other.destinationTransportPort
        record.protocolIdentifier = other.protocolIdentifier
        record.bgpSourceAsNumber = isBack ? other.bgpDestinationAsNumber : other.bgpSourceAsNumber
        record.bgpDestinationAsNumber = isBack ? other.bgpSourceAsNumber : other.bgpDestinationAsNumber
        record.ingressInterface = isBack ? other.egressInterface : other.ingressInterface
    }

    /// What columns do not hold, for some rows.
    private static func addDetails(
        to record: inout FlowRecord, in columns: inout FlowColumns, using generator: inout some RandomNumberGenerator
    ) {
        let octets = (0..<12).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let end = ElementKey(id: 136), label = ElementKey(enterprise: 6_876, id: 880)
        switch below(4, &generator) {
        case 0:
            let shape = columns.extras.shape([.init(end, length: 1), .init(label, length: 4)])
            if let shape { record.extra = columns.extras.add(shape) { $0 += octets.prefix(5) } }
        case 1:
            let length = Int(below(12, &generator))
            record.extra = columns.extras.add([.init(label, Array(octets.prefix(length))), .init(end, [octets[0]])])
        default: break
        }
        if below(4, &generator) == 0 {
            let count = UInt64(columns.exporters.count)
            record.observers = columns.observerSets.place(
                of: (0..<below(4, &generator)).map { _ in UInt32(below(count, &generator)) })
        }
        if below(6, &generator) == 0 {
            var pair = DistinctPair()
            for octet in octets { pair.ports.insert(UInt64(octet)) }
            record.sketch = columns.sketches.add(pair)
        }
    }

    static func origin(_ name: String, _ fidelity: Fidelity = .full) -> SegmentOrigin {
        SegmentOrigin(
            sensor: SensorIdentity(tenant: TenantID("acme") ?? .fallback, site: "paris", name: name),
            fidelity: fidelity)
    }
    static func below(_ bound: UInt64, _ generator: inout some RandomNumberGenerator) -> UInt64 {
        UInt64.random(in: 0..<bound, using: &generator)
    }
}

extension TenantID {
    static var fallback: TenantID { TenantID("x").unsafelyUnwrapped }
}

/// A row as it can be compared with one of other columns: what is beside the columns written out, and who sealed it.
struct WholeRow: Hashable {
    let record: FlowRecord, exporter: ExporterKey, extras: [ExtraValue], observers: [ExporterKey], sketch: DistinctPair?
    let origin: SegmentOrigin

    init(_ columns: FlowColumns, _ row: Int, _ origin: SegmentOrigin) {
        var record = columns[row]
        exporter = columns.exporterKey(ofRow: row)
        extras = columns.extras.values(at: record.extra)
        observers = columns.observerSets.set(at: record.observers).map { columns.exporters[Int($0)] }
            .sorted { ($0.address, $0.observationDomain) < ($1.address, $1.observationDomain) }
        sketch = columns.sketches.pair(at: record.sketch)
        (record.exporter, record.extra, record.observers, record.sketch) = (0, 0, 0, 0)
        if !(record.samplingInterval.isFinite && record.samplingInterval >= 0) { record.samplingInterval = 0 }
        self.record = record
        self.origin = origin
    }
}
