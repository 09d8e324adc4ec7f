internal import BatchFormat
internal import Delivery
internal import FlowModel
internal import FlowStore
internal import Identity
internal import QueryEngine
internal import WireBytes

/// The columns of a table of records, in order, and how they are made of a batch's columns and back.
///
/// Addresses are two words, as in `FlowColumns`: IPv4 in its mapped form. Times are ms since 1970 UTC.
enum FlowTable {
    /// Which batch a row is of: what makes storing idempotent.
    private static let keys: [(name: String, type: String)] = [
        ("day", "Date"), ("epoch_high", "UInt64"), ("epoch_low", "UInt64"), ("sequence", "UInt64"),
        ("site", "String"), ("sensor", "String"),
    ]
    /// With the field that needs each; nil: all do.
    private static let fields: [(name: String, type: String, field: FieldSet)] = [
        ("flow_start", "Int64", .flowStartMilliseconds), ("flow_end", "Int64", .flowEndMilliseconds),
        ("export_time", "Int64", .exportMilliseconds), ("receive_time", "Int64", .receiveMilliseconds),
        ("source_high", "UInt64", .sourceIPAddress), ("source_low", "UInt64", .sourceIPAddress),
        ("destination_high", "UInt64", .destinationIPAddress), ("destination_low", "UInt64", .destinationIPAddress),
        ("next_hop_high", "UInt64", .ipNextHopAddress), ("next_hop_low", "UInt64", .ipNextHopAddress),
        ("octets", "UInt64", .octetDeltaCount), ("packets", "UInt64", .packetDeltaCount),
        ("flows", "UInt32", .deltaFlowCount), ("ingress", "UInt32", .ingressInterface),
        ("egress", "UInt32", .egressInterface), ("source_as", "UInt32", .bgpSourceAsNumber),
        ("destination_as", "UInt32", .bgpDestinationAsNumber), ("source_port", "UInt16", .sourceTransportPort),
        ("destination_port", "UInt16", .destinationTransportPort), ("tcp_bits", "UInt16", .tcpControlBits),
        ("vlan", "UInt16", .vlanId), ("protocol", "UInt8", .protocolIdentifier),
        ("class_of_service", "UInt8", .ipClassOfService), ("source_prefix", "UInt8", .sourceIPPrefixLength),
        ("destination_prefix", "UInt8", .destinationIPPrefixLength), ("direction", "UInt8", .flowDirection),
        ("flags", "UInt8", .flags), ("sampling", "Float32", .samplingInterval),
        ("exporter_high", "UInt64", .exporter), ("exporter_low", "UInt64", .exporter),
        ("exporter_domain", "UInt32", .exporter), ("exporter_protocol", "UInt8", .exporter),
        ("extra_keys", "Array(UInt64)", .extras), ("extras", "String", .extras),
        ("observers", "String", .observers), ("sketch", "String", .sketch),
    ]
    static var definition: [(name: String, type: String)] { keys + fields.map { ($0.name, $0.type) } }

    /// The columns that `wanted` needs, with the sensor's.
    static func names(for wanted: FieldSet) -> [String] {
        ["site", "sensor"] + fields.filter { !wanted.isDisjoint(with: $0.field) }.map(\.name)
    }

    // MARK: To ClickHouse

    /// All rows of some batches that are kept under one day, as a block.
    static func block(_ batches: [(batch: StoredBatch, columns: FlowColumns)], day: Int) -> [UInt8] {
        let rows = batches.reduce(0) { $0 + $1.columns.count }
        var writer = NativeWriter(columns: definition.count, rows: rows)
        for (name, type) in keys {
            writer.begin(name, type)
            for (batch, columns) in batches { write(key: name, batch, day, columns.count, to: &writer) }
        }
        for (name, type, _) in fields {
            writer.begin(name, type)
            if name == "extra_keys" {
                // One list of ends for all rows.
                writer.add(lists: batches.flatMap { FlowDetails.keys($0.columns) })
                continue
            }
            for (_, columns) in batches { write(field: name, columns, to: &writer) }
        }
        return writer.bytes
    }
    private static func write(
        key name: String, _ batch: StoredBatch, _ day: Int, _ count: Int, to writer: inout NativeWriter
    ) {
        switch name {
        case "day": writer.add(repeatElement(UInt16(clamping: day), count: count))
        case "epoch_high": writer.add(repeatElement(batch.key.epoch.high, count: count))
        case "epoch_low": writer.add(repeatElement(batch.key.epoch.low, count: count))
        case "sequence": writer.add(repeatElement(batch.key.sequence, count: count))
        case "site": writer.add(texts: repeatElement(Array(batch.sensor.site.utf8), count: count))
        default: writer.add(texts: repeatElement(Array(batch.sensor.name.utf8), count: count))
        }
    }
    private static func write(field name: String, _ columns: FlowColumns, to writer: inout NativeWriter) {
        let rows = columns.rows
        switch name {
        case "flow_start": writer.add(columns.flowStartMilliseconds[rows])
        case "flow_end": writer.add(columns.flowEndMilliseconds[rows])
        case "export_time": writer.add(columns.exportMilliseconds[rows])
        case "receive_time": writer.add(columns.receiveMilliseconds[rows])
        case "source_high": writer.add(columns.sourceHigh[rows])
        case "source_low": writer.add(columns.sourceLow[rows])
        case "destination_high": writer.add(columns.destinationHigh[rows])
        case "destination_low": writer.add(columns.destinationLow[rows])
        case "next_hop_high": writer.add(columns.nextHopHigh[rows])
        case "next_hop_low": writer.add(columns.nextHopLow[rows])
        case "octets": writer.add(columns.octetDeltaCount[rows])
        case "packets": writer.add(columns.packetDeltaCount[rows])
        case "flows": writer.add(columns.deltaFlowCount[rows])
        case "ingress": writer.add(columns.ingressInterface[rows])
        case "egress": writer.add(columns.egressInterface[rows])
        case "source_as": writer.add(columns.bgpSourceAsNumber[rows])
        case "destination_as": writer.add(columns.bgpDestinationAsNumber[rows])
        default: writeSmall(field: name, columns, to: &writer)
        }
    }
    private static func writeSmall(field name: String, _ columns: FlowColumns, to writer: inout NativeWriter) {
        let rows = columns.rows
        switch name {
        case "source_port": writer.add(columns.sourceTransportPort[rows])
        case "destination_port": writer.add(columns.destinationTransportPort[rows])
        case "tcp_bits": writer.add(columns.tcpControlBits[rows])
        case "vlan": writer.add(columns.vlanId[rows])
        case "protocol": writer.add(columns.protocolIdentifier[rows])
        case "class_of_service": writer.add(columns.ipClassOfService[rows])
        case "source_prefix": writer.add(columns.sourceIPPrefixLength[rows])
        case "destination_prefix": writer.add(columns.destinationIPPrefixLength[rows])
        case "direction": writer.add(columns.flowDirection[rows].lazy.map { $0 &- FlowColumns.directionBase })
        case "flags": writer.add(columns.flags[rows])
        case "sampling": writer.add(columns.samplingInterval[rows])
        case "exporter_high": writer.add(rows.lazy.map { columns.exporterKey(ofRow: $0).address.high })
        case "exporter_low": writer.add(rows.lazy.map { columns.exporterKey(ofRow: $0).address.low })
        case "exporter_domain": writer.add(rows.lazy.map { columns.exporterKey(ofRow: $0).observationDomain })
        case "exporter_protocol":
            writer.add(rows.lazy.map { columns.exporterKey(ofRow: $0).exportProtocol.rawValue })
        case "extras": writer.add(texts: rows.lazy.map { FlowDetails.extras(columns, $0) })
        case "observers": writer.add(texts: rows.lazy.map { FlowDetails.observers(columns, $0) })
        default: writer.add(texts: rows.lazy.map { FlowDetails.sketch(columns, $0) })
        }
    }
}
