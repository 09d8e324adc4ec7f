internal import FlowModel

/// Writes IPFIX files: whole messages one after the other (RFC 5655 §4), each at most `messageOctetsMax` long, so that
/// they can also be sent as datagrams. An observation domain's templates come before its first record that needs them.
///
/// A record keeps its exporter's observation domain (in the message's header), its address (`exporterIPv4Address` or
/// `exporterIPv6Address`) and the second in which it was exported (in the header). Counters are as they were exported.
/// Left out: flags of Weir's own, other observers, estimates of distinct values; counters that say in another way what
/// `octetDeltaCount` and `packetDeltaCount` do, since readers sum both.
struct IPFIXFileWriter {
    static let messageOctetsMax = 1_400, domainsMax = 65_536, openMax = 256
    private static let messageLengthMax = 65_535

    private var streams: [UInt32: DomainStream] = [:]
    /// Domains with a message begun.
    private var open: Set<UInt32> = []
    private var shapes = ExtraShapes()
    private(set) var rowsWithoutExtras: UInt64 = 0
    private var record: [UInt8] = []

    /// Appends a row of `columns` to its domain's message; a full message goes to `out`.
    /// - Returns: false when there is no room for one more domain.
    mutating func add(_ columns: FlowColumns, row: Int, into out: inout [UInt8]) -> Bool {
        let key = columns.exporterKey(ofRow: row), domain = key.observationDomain
        guard streams[domain] != nil || streams.count < Self.domainsMax else { return false }
        let flow = columns[row]
        var shape = RecordShape(flow, exporter: key.address)
        shape.extras = shapes.number(of: flow.extra, in: columns.extras)
        encode(flow, key, shape, columns.extras)
        if shape.extras != 0, record.count + Self.room(shapes.fields(of: shape)) > Self.messageLengthMax {
            rowsWithoutExtras += 1
            shape.extras = 0
            encode(flow, key, shape, columns.extras)
        }
        let seconds = flow.exportMilliseconds != 0 ? flow.exportMilliseconds : flow.flowEndMilliseconds
        var stream = streams.removeValue(forKey: domain) ?? DomainStream(domain: domain)
        stream.add(record, shape, shapes, exportSeconds: UInt32(clamping: seconds / 1_000), into: &out)
        streams[domain] = stream
        open.insert(domain)
        if open.count > Self.openMax { finish(into: &out) }
        return true
    }

    /// Sends what was begun; rows may follow.
    mutating func finish(into out: inout [UInt8]) {
        for domain in open.sorted() { streams[domain]?.flush(into: &out) }
        open.removeAll(keepingCapacity: true)
    }

    /// Octets beside the record, in a message of its own that also brings its template.
    private static func room(_ fields: [TemplateField]) -> Int { 16 + 8 + 8 * fields.count + 4 }

    private mutating func encode(_ flow: FlowRecord, _ key: ExporterKey, _ shape: RecordShape, _ extras: ExtraElements)
    {
        record.removeAll(keepingCapacity: true)
        shape.appendColumns(of: flow, exporter: key.address, to: &record)
        guard shape.extras != 0 else { return }
        extras.walk(flow.extra) { field, range in
            guard ExtraShapes.isWritten(field) else { return }
            if field.length == ExtraField.variableLength { record.appendVariableLength(range.count) }
            record.append(contentsOf: extras.octets[range])
        }
    }
}

/// The messages of one observation domain.
struct DomainStream {
    private let domain: UInt32
    /// Data records in messages before the one that is open.
    private var sequence: UInt32 = 0
    private var templates: [RecordShape: UInt16] = [:]
    private var exportSeconds: UInt32 = 0
    /// The open message: its sets, the header left out.
    private var body: [UInt8] = []
    private var records: UInt32 = 0
    /// The open set's number and where it begins.
    private var set: (id: UInt16, start: Int)?

    private static let headerOctets = 16, templateSet: UInt16 = 2, firstTemplate: UInt16 = 256

    init(domain: UInt32) { self.domain = domain }

    mutating func add(
        _ record: [UInt8], _ shape: RecordShape, _ shapes: ExtraShapes, exportSeconds: UInt32, into out: inout [UInt8]
    ) {
        if !body.isEmpty, exportSeconds != self.exportSeconds { flush(into: &out) }
        self.exportSeconds = exportSeconds
        let known = templates[shape], fields = known == nil ? shapes.fields(of: shape) : []
        let templateOctets = known == nil ? 8 + fields.reduce(0) { $0 + $1.octets } : 0
        if !body.isEmpty,
            Self.headerOctets + body.count + templateOctets + 4 + record.count > IPFIXFileWriter.messageOctetsMax
        {
            flush(into: &out)
        }
        let id = known ?? define(shape, fields)
        openSet(id)
        body.append(contentsOf: record)
        records &+= 1
    }

    /// Writes a template. When all numbers are given away, they begin again: a template that is written again under a
    /// number takes the old one's place.
    private mutating func define(_ shape: RecordShape, _ fields: [TemplateField]) -> UInt16 {
        if templates.count >= Int(UInt16.max - Self.firstTemplate) { templates.removeAll() }
        let id = Self.firstTemplate + UInt16(templates.count)
        templates[shape] = id
        openSet(Self.templateSet)
        body.append(u16: id)
        body.append(u16: UInt16(clamping: fields.count))
        for field in fields { field.append(to: &body) }
        return id
    }

    private mutating func openSet(_ id: UInt16) {
        if set?.id == id { return }
        closeSet()
        set = (id, body.count)
        body.append(u16: id)
        body.append(u16: 0)
    }
    //= RFC 7011 §3.3.2
    private mutating func closeSet() {
        guard let set else { return }
        let length = UInt16(clamping: body.count - set.start)
        body[set.start + 2] = UInt8(length >> 8)
        body[set.start + 3] = UInt8(truncatingIfNeeded: length)
        self.set = nil
    }

    //= RFC 7011 §3.1
    mutating func flush(into out: inout [UInt8]) {
        guard !body.isEmpty else { return }
        closeSet()
        out.append(u16: 10)
        out.append(u16: UInt16(clamping: Self.headerOctets + body.count))
        out.append(u32: exportSeconds)
        out.append(u32: sequence)
        out.append(u32: domain)
        out.append(contentsOf: body)
        sequence &+= records
        records = 0
        body.removeAll(keepingCapacity: true)
    }
}

/// Integers in network order.
extension [UInt8] {
    mutating func append(u16 value: UInt16) {
        append(UInt8(value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }
    mutating func append(u32 value: UInt32) {
        append(u16: UInt16(value >> 16))
        append(u16: UInt16(truncatingIfNeeded: value))
    }
    mutating func append(u64 value: UInt64) {
        append(u32: UInt32(value >> 32))
        append(u32: UInt32(truncatingIfNeeded: value))
    }
    mutating func append(_ address: IPAddress) {
        if address.isV4 { return append(u32: address.v4) }
        append(u64: address.high)
        append(u64: address.low)
    }
    //= RFC 7011 §7
    mutating func appendVariableLength(_ length: Int) {
        if length < 255 { return append(UInt8(length)) }
        append(255)
        append(u16: UInt16(clamping: length))
    }
}
