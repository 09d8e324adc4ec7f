import Decode
import FlowModel
import WireBytes

/// Datagrams made by hand, field by field, and what a decoder makes of them.
struct Bytes {
    var bytes: [UInt8] = []
    init(_ bytes: [UInt8] = []) { self.bytes = bytes }
    func u8(_ values: UInt8...) -> Bytes { Bytes(bytes + values) }
    func u16(_ values: UInt16...) -> Bytes { Bytes(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func u32(_ values: UInt32...) -> Bytes { Bytes(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func u64(_ values: UInt64...) -> Bytes { Bytes(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func raw(_ more: [UInt8]) -> Bytes { Bytes(bytes + more) }
    func v6(_ text: String) -> Bytes {
        guard let address = IPAddress(text) else { return self }
        return u64(address.high, address.low)
    }
}

typealias Field = (id: UInt16, length: UInt16)

enum Make {
    static let exportSeconds: UInt32 = 1_700_000_000
    static let exportMilliseconds = Int64(exportSeconds) * 1_000
    static let uptime: UInt32 = 10_000_000

    static func set(_ id: UInt16, _ body: [UInt8]) -> [UInt8] {
        Bytes().u16(id, UInt16(body.count + 4)).raw(body).bytes
    }
    /// `count` is 1 whatever there is: it is wrong in practice.
    static func netflow9(
        _ sets: [[UInt8]], domain: UInt32 = 7, sequence: UInt32 = 1, uptime: UInt32 = uptime, count: UInt16 = 1
    ) -> [UInt8] {
        Bytes().u16(9, count).u32(uptime, exportSeconds, sequence, domain).raw(sets.flatMap { $0 }).bytes
    }
    static func ipfix(
        _ sets: [[UInt8]], domain: UInt32 = 7, sequence: UInt32 = 1, length: Int? = nil
    ) -> [UInt8] {
        let body = sets.flatMap { $0 }
        return Bytes().u16(10, UInt16(length ?? body.count + 16)).u32(exportSeconds, sequence, domain).raw(body).bytes
    }
    static func template(_ id: UInt16, _ fields: [Field]) -> [UInt8] {
        fields.reduce(Bytes().u16(id, UInt16(fields.count))) { $0.u16($1.id, $1.length) }.bytes
    }
    static func optionsTemplate9(_ id: UInt16, scopes: [Field], options: [Field]) -> [UInt8] {
        (scopes + options).reduce(Bytes().u16(id, UInt16(4 * scopes.count), UInt16(4 * options.count))) {
            $0.u16($1.id, $1.length)
        }.bytes
    }
    static func optionsTemplate10(_ id: UInt16, scopes: [Field], options: [Field]) -> [UInt8] {
        (scopes + options).reduce(Bytes().u16(id, UInt16(scopes.count + options.count), UInt16(scopes.count))) {
            $0.u16($1.id, $1.length)
        }.bytes
    }

    /// Addresses, ports, protocol, octets, packets: enough for a flow.
    static let basic: [Field] = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]
    static func basicRecord(octets: UInt32 = 1_000, packets: UInt32 = 10, source: UInt32 = 0x0A00_0001) -> [UInt8] {
        Bytes().u32(source, 0x0A00_0002).u16(40_000, 443).u8(6).u32(octets, packets).bytes
    }
    static func netflow5(records: Int, count: UInt16? = nil, sampling: UInt16 = 0) -> [UInt8] {
        let header = Bytes().u16(5, count ?? UInt16(records)).u32(uptime, exportSeconds, 500_000_000, 99)
            .u8(1, 2).u16(sampling)
        return (0..<records).reduce(header) { bytes, index in
            bytes.u32(0x0A00_0001 + UInt32(index), 0x0A00_0002, 0x0A00_00FE).u16(3, 4).u32(10, 1_500)
                .u32(uptime - 5_000, uptime - 1_000).u16(1_234, 53).u8(0, 0x1B, 17, 0xB8).u16(65_001, 65_002)
                .u8(24, 16).u16(0)
        }.bytes
    }
}

/// A decoder with its columns: what most tests need.
struct Decoding {
    var decoder: DatagramDecoder
    var columns = FlowColumns()
    static let exporter = IPAddress(v4: 0xC000_0201)
    static let received: Int64 = Make.exportMilliseconds + 250

    init(limits: DecodeLimits = .init()) { decoder = DatagramDecoder(limits: limits) }
    init(settings: DecodeSettings) { decoder = DatagramDecoder(settings: settings) }

    @discardableResult
    mutating func decode(
        _ bytes: [UInt8], port: UInt16 = 5_000, source: IPAddress = exporter, at time: Int64 = received,
        session: UInt32 = 0, isRepeat: Bool = false
    ) -> DecodeResult {
        let origin = DatagramOrigin(
            source: source, sourcePort: port, localPort: 2_055, receiveMilliseconds: time, session: session)
        return bytes.withBytes { decoder.decode($0, from: origin, into: &columns, isRepeat: isRepeat) }
    }
    var records: [FlowRecord] { columns.rows.map { columns[$0] } }
    func record(_ row: Int = 0) -> FlowRecord { row < columns.count ? columns[row] : FlowRecord() }

    /// One IPFIX message with a template and a set of data.
    static func ipfix(_ fields: [Field], _ data: [UInt8]) -> Decoding {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([Make.set(2, Make.template(256, fields)), Make.set(256, data)]))
        return decoding
    }
    /// The same as NetFlow v9.
    static func netflow9(_ fields: [Field], _ data: [UInt8], uptime: UInt32 = Make.uptime) -> Decoding {
        var decoding = Decoding()
        decoding.decode(
            Make.netflow9([Make.set(0, Make.template(256, fields)), Make.set(256, data)], uptime: uptime))
        return decoding
    }
}

func address(_ text: String) -> IPAddress { IPAddress(text) ?? .absent }
