internal import FlowModel
internal import WireBytes

/// The bytes of a rollup:
///
///     rollup   := version=1 :1 | kind :1 | period (0 minute, 1 hour, 2 day) :1 | exporters | count | bucket*
///                 | crc32c :4
///     bucket   := periods since the bucket before (the first: since 1970), zigzag | other | count | entry*
///     entry    := key | tally                    tally := flows | octets | packets
///     key      := service: protocol, port | hosts: address address | AS | interface: exporter, index | country
///     address  := 4 :1 | IPv4 :4, or 6 :1 | high :8 | low :8
///
/// Numbers are LEB128 but for those with a size, which are little-endian.
extension RollupSums {
    private static let version: UInt8 = 1

    var bytes: [UInt8] {
        var bytes: [UInt8] = [Self.version, kind.rawValue, period.index]
        var exporters: [ExporterKey: Int] = [:], body: [UInt8] = []
        var previous: Int64 = 0
        body.appendVarint(UInt64(buckets.count))
        for bucket in buckets {
            let number = bucket.start / period.rawValue
            body.appendVarint(zigzag(number &- previous))
            previous = number
            body.append(bucket.other)
            body.appendVarint(UInt64(bucket.entries.count))
            for (key, tally) in bucket.entries {
                body.append(key, &exporters)
                body.append(tally)
            }
        }
        bytes.appendVarint(UInt64(exporters.count))
        for (exporter, _) in exporters.sorted(by: { $0.value < $1.value }) { bytes.append(exporter) }
        bytes += body
        bytes.appendLE(bytes.withBytes { CRC32C.checksum($0) })
        return bytes
    }

    /// Nil for anything that `bytes` doesn't give.
    init?(_ bytes: [UInt8]) {
        guard bytes.count > 8, bytes.count < 1 << 30 else { return nil }
        let isSound = bytes.withBytes { span in
            CRC32C.checksum(span.extracting(0..<(bytes.count - 4))) == span.le32(at: bytes.count - 4)
        }
        guard isSound, bytes[0] == Self.version, let kind = RollupKind(rawValue: bytes[1]),
            let period = RollupPeriod(index: bytes[2])
        else { return nil }
        self.init(kind: kind, period: period)
        var reader = RollupBytes(bytes: bytes, offset: 3)
        guard let exporters = reader.exporters(), let count = reader.count() else { return nil }
        var previous: Int64 = 0
        for _ in 0..<count {
            guard let step = reader.varint(), let other = reader.tally(), let entries = reader.count() else {
                return nil
            }
            previous = previous &+ unzigzag(step)
            let (start, overflows) = previous.multipliedReportingOverflow(by: period.rawValue)
            guard !overflows else { return nil }
            var bucket = RollupBucket(start: start)
            bucket.other = other
            bucket.entries.reserveCapacity(entries)
            for _ in 0..<entries {
                guard let key = reader.key(kind, exporters), let tally = reader.tally() else { return nil }
                bucket.entries[key, default: Tally()] += tally
            }
            buckets.append(bucket)
        }
        guard reader.offset == bytes.count - 4 else { return nil }
    }
}

extension RollupPeriod {
    var index: UInt8 {
        switch self {
        case .minute: 0
        case .hour: 1
        case .day: 2
        }
    }
    init?(index: UInt8) {
        guard Int(index) < Self.allCases.count else { return nil }
        self = Self.allCases[Int(index)]
    }
}

private func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value &<< 1 ^ value &>> 63) }
private func unzigzag(_ word: UInt64) -> Int64 { Int64(bitPattern: word &>> 1) ^ (0 &- Int64(bitPattern: word & 1)) }

extension [UInt8] {
    fileprivate mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {  // ends: at most 10 turns
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
    fileprivate mutating func append(_ tally: Tally) {
        for value in [tally.flows, tally.octets, tally.packets] { appendVarint(value) }
    }
    fileprivate mutating func append(_ exporter: ExporterKey) {
        append(exporter.address)
        appendLE(exporter.observationDomain)
        append(exporter.exportProtocol.rawValue)
    }
    fileprivate mutating func append(_ address: IPAddress) {
        append(address.isV4 ? 4 : 6)
        if address.isV4 { return appendLE(address.v4) }
        appendLE(address.high)
        appendLE(address.low)
    }
    fileprivate mutating func append(_ key: RollupKey, _ exporters: inout [ExporterKey: Int]) {
        switch key {
        case .service(let transport, let port):
            append(transport)
            appendLE(port)
        case .hosts(let low, let high):
            append(low)
            append(high)
        case .asNumber(let number): appendVarint(UInt64(number))
        case .interface(let exporter, let index):
            let number = exporters[exporter] ?? exporters.count
            exporters[exporter] = number
            appendVarint(UInt64(number))
            appendVarint(UInt64(index))
        case .country(let code): appendLE(code)
        }
    }
}

/// Reads a rollup from front to back; everything is nil beyond the end.
private struct RollupBytes {
    let bytes: [UInt8]
    var offset: Int

    private mutating func octets(_ count: Int) -> UInt64? {
        guard bytes.count - 4 - offset >= count else { return nil }
        var value: UInt64 = 0
        for place in 0..<count { value |= UInt64(bytes[offset + place]) << UInt64(8 * place) }
        offset += count
        return value
    }
    mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let octet = octets(1) else { return nil }
            value |= shift < 64 ? (octet & 0x7F) << shift : 0
            if octet < 0x80 { return value }
        }
        return nil
    }
    /// How many things follow, each of at least an octet.
    mutating func count() -> Int? {
        guard let value = varint(), value <= UInt64(bytes.count - offset) else { return nil }
        return Int(value)
    }
    mutating func tally() -> Tally? {
        guard let flows = varint(), let octets = varint(), let packets = varint() else { return nil }
        return Tally(flows: flows, octets: octets, packets: packets)
    }
    mutating func exporters() -> [ExporterKey]? {
        guard let count = count() else { return nil }
        var exporters: [ExporterKey] = []
        for _ in 0..<count {
            guard let address = address(), let domain = octets(4), let number = octets(1),
                let exportProtocol = ExportProtocol(rawValue: UInt8(truncatingIfNeeded: number))
            else { return nil }
            exporters.append(
                ExporterKey(
                    address: address, observationDomain: UInt32(truncatingIfNeeded: domain),
                    exportProtocol: exportProtocol))
        }
        return exporters
    }
    mutating func address() -> IPAddress? {
        guard let family = octets(1) else { return nil }
        if family == 4 { return octets(4).map { IPAddress(v4: UInt32(truncatingIfNeeded: $0)) } }
        guard family == 6, let high = octets(8), let low = octets(8) else { return nil }
        return IPAddress(high: high, low: low)
    }
    mutating func key(_ kind: RollupKind, _ exporters: [ExporterKey]) -> RollupKey? {
        switch kind {
        case .service:
            guard let transport = octets(1), let port = octets(2) else { return nil }
            return .service(
                protocolIdentifier: UInt8(truncatingIfNeeded: transport), port: UInt16(truncatingIfNeeded: port))
        case .hostPair:
            guard let low = address(), let high = address() else { return nil }
            return .hosts(low, high)
        case .sourceAS, .destinationAS: return varint().flatMap { UInt32(exactly: $0) }.map { .asNumber($0) }
        case .ingressInterface, .egressInterface:
            guard let number = varint(), let index = varint().flatMap({ UInt32(exactly: $0) }),
                number < UInt64(exporters.count)
            else { return nil }
            return .interface(exporters[Int(number)], index: index)
        case .sourceCountry, .destinationCountry:
            return octets(2).map { .country(UInt16(truncatingIfNeeded: $0)) }
        }
    }
}
