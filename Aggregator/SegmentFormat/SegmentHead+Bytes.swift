internal import BatchFormat
internal import FlowModel
internal import Identity
internal import WireBytes

extension SegmentHead {
    /// Reads and checks a whole head.
    /// - Throws: what is wrong with it.
    package init(_ bytes: [UInt8]) throws(SegmentError) {
        self = try bytes.withBytes { span throws(SegmentError) in
            var reader = HeadReader(span)
            return try reader.head()
        }
    }

    /// What `init(_:)` reads.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            SegmentLayout.fixedBytes + SegmentLayout.exporterBytes * exporters.count + 64 * origins.count
                + parts.count * (SegmentLayout.partBytes + blockCount * SegmentLayout.Block.bytes))
        appendFixed(to: &bytes)
        for exporter in exporters {
            bytes.appendLE(exporter.address.high)
            bytes.appendLE(exporter.address.low)
            bytes.appendLE(exporter.observationDomain)
            bytes += [exporter.exportProtocol.rawValue, 0, 0, 0]
        }
        for origin in origins { bytes.append(origin) }
        for part in parts {
            bytes += [part.part.rawValue, part.part.isTable ? 1 : 0, 0, 0]
            for block in part.blocks { bytes.append(block) }
        }
        bytes.appendLE(bytes.withBytes { Checksum.of($0) })
        return bytes
    }
    private func appendFixed(to bytes: inout [UInt8]) {
        bytes.appendLE(SegmentLayout.magic)
        bytes.appendLE(version)
        bytes += [UInt8(truncatingIfNeeded: parts.count), 0]
        for count in [rows, blockRows, exporters.count, origins.count] { bytes.appendLE(UInt32(count)) }
        for sum in [tally.flows, tally.octets, tally.packets] { bytes.appendLE(sum) }
        for time in [flowStartMin, flowEndMax, receiveMin, receiveMax, logOffsetMin, logOffsetMax] {
            bytes.appendLE(UInt64(bitPattern: time))
        }
        bytes.appendLE(UInt32(bloomBytes))
        bytes.appendLE(bloomChecksum)
        bytes.appendLE(UInt32(endpointCount))
        bytes.appendLE(UInt32(arrivalCount))
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ origin: SegmentOrigin) {
        let names = [origin.sensor.tenant.rawValue, origin.sensor.site, origin.sensor.name]
        append(origin.fidelity.rawValue)
        for name in names { append(UInt8(truncatingIfNeeded: name.utf8.count)) }
        for name in names { append(contentsOf: name.utf8) }
    }
    fileprivate mutating func append(_ block: BlockEntry) {
        appendLE(UInt32(block.words))
        appendLE(UInt32(block.frame.count))
        appendLE(block.checksum)
        self += [block.octets, 0, 0, 0]
        for word in [block.base, block.min, block.max] { appendLE(word) }
    }
}

/// Reads a head from front to back.
private struct HeadReader: ~Escapable {
    private let bytes: RawSpan
    private var offset = SegmentLayout.fixedBytes

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    mutating func head() throws(SegmentError) -> SegmentHead {
        guard bytes.byteCount <= SegmentLimit.headBytesMax else {
            throw .tooLarge(bytes.byteCount, max: SegmentLimit.headBytesMax)
        }
        let least = SegmentLayout.fixedBytes + SegmentLayout.checksumBytes
        guard bytes.byteCount >= least else { throw .truncated(wanted: least, has: bytes.byteCount) }
        guard bytes.le32(at: 0) == SegmentLayout.magic else { throw .notASegment }
        let version = bytes.le16(at: SegmentLayout.versionOffset), end = bytes.byteCount - SegmentLayout.checksumBytes
        guard SegmentLayout.versions.contains(version) else { throw .unknownVersion(version) }
        guard Checksum.of(bytes.extracting(0..<end)) == bytes.le32(at: end) else { throw .headDamaged }
        var head = try fixed()
        head.version = version
        head.exporters = try exporters()
        head.origins = try origins()
        head.parts = try parts(of: head)
        guard offset == end else { throw .trailingBytes(end - offset) }
        return head
    }

    private func fixed() throws(SegmentError) -> SegmentHead {
        func time(_ offset: Int) -> Int64 { Int64(bitPattern: bytes.le64(at: offset)) }
        var head = SegmentHead()
        head.rows = Int(bytes.le32(at: SegmentLayout.rowsOffset))
        guard head.rows <= SegmentLimit.rowsMax else { throw .tooManyRows(head.rows, max: SegmentLimit.rowsMax) }
        head.blockRows = Int(bytes.le32(at: SegmentLayout.blockRowsOffset))
        guard (1...SegmentLimit.blockRows).contains(head.blockRows) else {
            throw .tooManyRows(head.blockRows, max: SegmentLimit.blockRows)
        }
        head.endpointCount = Int(bytes.le32(at: SegmentLayout.endpointsOffset))
        head.arrivalCount = Int(bytes.le32(at: SegmentLayout.arrivalsOffset))
        guard head.endpointCount <= 2 * head.rows, head.arrivalCount <= head.rows else {
            throw .tooManyRows(head.rows, max: SegmentLimit.rowsMax)
        }
        head.tally = Tally(
            flows: bytes.le64(at: SegmentLayout.flowsOffset), octets: bytes.le64(at: SegmentLayout.octetsOffset),
            packets: bytes.le64(at: SegmentLayout.packetsOffset))
        head.flowStartMin = time(SegmentLayout.flowStartMinOffset)
        head.flowEndMax = time(SegmentLayout.flowEndMaxOffset)
        head.receiveMin = time(SegmentLayout.receiveMinOffset)
        head.receiveMax = time(SegmentLayout.receiveMaxOffset)
        head.logOffsetMin = time(SegmentLayout.logOffsetMinOffset)
        head.logOffsetMax = time(SegmentLayout.logOffsetMaxOffset)
        head.bloomBytes = Int(bytes.le32(at: SegmentLayout.bloomBytesOffset))
        head.bloomChecksum = bytes.le32(at: SegmentLayout.bloomChecksumOffset)
        return head
    }

    /// Where the next `count` bytes begin.
    private mutating func take(_ count: Int) throws(SegmentError) -> Int {
        let end = bytes.byteCount - SegmentLayout.checksumBytes
        guard count <= end - offset else { throw .truncated(wanted: offset + count, has: end) }
        offset += count
        return offset - count
    }

    private mutating func exporters() throws(SegmentError) -> [ExporterKey] {
        let count = Int(bytes.le32(at: SegmentLayout.exporterCountOffset))
        guard count <= FlowColumns.exportersMax else {
            throw .tooManyExporters(count, max: FlowColumns.exportersMax)
        }
        let start = try take(count * SegmentLayout.exporterBytes)
        var exporters: [ExporterKey] = []
        exporters.reserveCapacity(count)
        for index in 0..<count {
            let at = start + index * SegmentLayout.exporterBytes, number = bytes.u8(at: at + 20)
            guard let exportProtocol = ExportProtocol(rawValue: number) else { throw .unknownExportProtocol(number) }
            exporters.append(
                ExporterKey(
                    address: IPAddress(high: bytes.le64(at: at), low: bytes.le64(at: at + 8)),
                    observationDomain: bytes.le32(at: at + 16), exportProtocol: exportProtocol))
        }
        return exporters
    }

    private mutating func origins() throws(SegmentError) -> [SegmentOrigin] {
        let count = Int(bytes.le32(at: SegmentLayout.originCountOffset))
        guard count <= SegmentLimit.originsMax else { throw .tooManyOrigins(count, max: SegmentLimit.originsMax) }
        var origins: [SegmentOrigin] = []
        for _ in 0..<count {
            let at = try take(4)
            guard let fidelity = Fidelity(rawValue: bytes.u8(at: at)) else { throw .badOrigin }
            let tenant = try name(bytes.u8(at: at + 1)), site = try name(bytes.u8(at: at + 2))
            let sensor = try name(bytes.u8(at: at + 3))
            guard let id = TenantID(tenant) else { throw .badOrigin }
            origins.append(
                SegmentOrigin(sensor: SensorIdentity(tenant: id, site: site, name: sensor), fidelity: fidelity))
        }
        return origins
    }
    private mutating func name(_ length: UInt8) throws(SegmentError) -> String {
        let at = try take(Int(length))
        let octets = bytes.extracting(at..<(at + Int(length))).copied()
        guard let text = String(validating: octets, as: UTF8.self) else { throw .badOrigin }
        return text
    }

    private mutating func parts(of head: SegmentHead) throws(SegmentError) -> [PartEntry] {
        var parts: [PartEntry] = [], previous: UInt8 = 0
        for _ in 0..<Int(bytes.u8(at: SegmentLayout.partCountOffset)) {
            let at = try take(SegmentLayout.partBytes), number = bytes.u8(at: at)
            let blocks = Int(bytes.u8(at: at + 1)) == 0 ? head.blockCount : 1
            guard number > previous else { throw .partOutOfOrder(number) }
            previous = number
            let start = try take(blocks * SegmentLayout.Block.bytes)
            // A part that a later release adds is skipped.
            guard let part = SegmentPart(rawValue: number) else { continue }
            guard part.isTable == (bytes.u8(at: at + 1) == 1) else { throw .badPart(number) }
            var entry = PartEntry(part: part), frameStart = 0
            for block in 0..<blocks {
                let at = start + block * SegmentLayout.Block.bytes
                entry.blocks.append(try self.block(part, at: at, head, block, &frameStart))
            }
            parts.append(entry)
        }
        return parts
    }
    private func block(
        _ part: SegmentPart, at offset: Int, _ head: SegmentHead, _ number: Int, _ frameStart: inout Int
    ) throws(SegmentError) -> BlockEntry {
        var block = BlockEntry()
        block.words = Int(bytes.le32(at: offset))
        let frameBytes = Int(bytes.le32(at: offset + SegmentLayout.Block.frameBytesOffset))
        guard frameBytes <= SegmentLimit.blobBytesMax - frameStart else { throw .badPart(part.rawValue) }
        block.frame = frameStart..<(frameStart + frameBytes)
        frameStart += frameBytes
        block.checksum = bytes.le32(at: offset + SegmentLayout.Block.checksumOffset)
        block.octets = bytes.u8(at: offset + SegmentLayout.Block.octetsOffset)
        block.base = bytes.le64(at: offset + SegmentLayout.Block.baseOffset)
        block.min = bytes.le64(at: offset + SegmentLayout.Block.minOffset)
        block.max = bytes.le64(at: offset + SegmentLayout.Block.maxOffset)
        guard part.allows(block, head, number) else { throw .badPart(part.rawValue) }
        return block
    }
}

extension SegmentPart {
    /// Whether the head has one entry of it for the whole segment.
    var isTable: Bool { level == .endpoint || level == .arrival || level == .directory }

    /// Whether what a head says of a block can be.
    fileprivate func allows(_ block: BlockEntry, _ head: SegmentHead, _ number: Int) -> Bool {
        let rows = head.rows(ofBlock: number).count
        switch level {
        case .row: return block.words == rows && allows(block)
        case .conversation: return block.words <= rows && allows(block)
        case .endpoint: return block.words == head.endpointCount && allows(block)
        case .arrival: return block.words == head.arrivalCount && allows(block)
        case .bounds: return block.words == 0 && block.octets == 0 && block.base == 0 && block.frame.isEmpty
        case .directory:
            return block.words <= head.endpointCount && block.octets == 0 && block.base == 0 && !block.frame.isEmpty
        case .details: return block.words <= rows && block.octets == 0 && block.base == 0
        }
    }
    /// Whether octets, base and length of a block of words go together.
    func allows(_ block: BlockEntry) -> Bool {
        block.octets >> UInt8(width - 1) <= 1
            && block.base & (Planes.bits(block.octets) | ~Planes.mask(width)) == 0
            && (block.octets == 0) == block.frame.isEmpty
    }
}

enum Planes {
    /// The bits of the lowest `width` octets.
    static func mask(_ width: Int) -> UInt64 { width >= 8 ? .max : (1 << UInt64(8 * width)) - 1 }
    /// The bits of the octets that have a bit in `octets`.
    static func bits(_ octets: UInt8) -> UInt64 {
        (0..<8).reduce(0) { octets >> UInt8($1) & 1 == 1 ? $0 | 0xFF << UInt64(8 * $1) : $0 }
    }
}
