package import FlowModel
internal import WireBytes

/// What the head of a body says, without a byte decompressed.
package struct BatchSummary: Equatable, Sendable {
    package internal(set) var fidelity: Fidelity
    package internal(set) var rows: Int
    /// The sums over all rows.
    package internal(set) var tally: Tally
    /// Bounds over all rows, in ms since 1970 UTC; all 0 when there are no rows.
    package internal(set) var flowStartMin: Int64
    package internal(set) var flowEndMax: Int64
    package internal(set) var receiveMin: Int64
    package internal(set) var receiveMax: Int64

    /// Reads and checks the whole head, the frames' lengths included.
    /// - Parameter body: a whole sealed batch.
    /// - Throws: any `BatchError` that can be told from the head.
    package init(_ body: RawSpan) throws(BatchError) {
        self = try BatchHead(body).summary
    }

    /// The summary of `rows` of `columns`.
    init(_ columns: borrowing FlowColumns, rows: Range<Int>, fidelity: Fidelity) {
        self.fidelity = fidelity
        self.rows = rows.count
        tally = columns.tally(of: rows)
        let receives = columns.receiveMilliseconds.span.extracting(rows)
        flowStartMin = least(columns.flowStartMilliseconds.span.extracting(rows))
        flowEndMax = greatest(columns.flowEndMilliseconds.span.extracting(rows))
        (receiveMin, receiveMax) = (least(receives), greatest(receives))
    }
    init(fidelity: Fidelity, rows: Int, tally: Tally, start: Int64, end: Int64, receive: (Int64, Int64)) {
        self.fidelity = fidelity
        self.rows = rows
        self.tally = tally
        (flowStartMin, flowEndMax) = (start, end)
        (receiveMin, receiveMax) = receive
    }
}

/// The least of some times; 0 of none.
func least(_ times: Span<Int64>) -> Int64 {
    var low = times.isEmpty ? 0 : Int64.max
    for row in 0..<times.count { low = min(low, times[row]) }
    return low
}
/// The greatest of some times; 0 of none.
func greatest(_ times: Span<Int64>) -> Int64 {
    var high = times.isEmpty ? 0 : Int64.min
    for row in 0..<times.count { high = max(high, times[row]) }
    return high
}

/// One line of the directory, checked: its frame lies in the body, its lengths go with the rows.
struct ColumnEntry {
    let id: ColumnID
    let encoding: ColumnEncoding
    /// Which octets of the words have a plane, lowest first; all others are those of `base`.
    let octets: UInt8
    let base: UInt64
    let words: Int
    /// Where its frame is in the body; empty for a column whose words are all alike.
    let frame: Range<Int>
    /// Of the frame; nil where the frame has its own (version 1).
    let checksum: UInt32?
}

/// A parsed head. Having one means that all bounds hold.
struct BatchHead {
    let summary: BatchSummary
    let exporters: [ExporterKey]
    /// 1 to `BatchLayout.version`.
    let version: UInt16
    /// Columns that this version knows, ascending.
    let columns: [ColumnEntry]

    func column(_ id: ColumnID) -> ColumnEntry? { columns.first { $0.id == id } }

    init(_ body: RawSpan) throws(BatchError) {
        let headBytes = try Self.checkedHeadBytes(body)
        version = body.le16(at: BatchLayout.versionOffset)
        summary = try Self.summary(body)
        guard summary.rows <= BatchLimit.rowsMax else {
            throw .tooManyRows(summary.rows, max: BatchLimit.rowsMax)
        }
        let bytesMin = BatchLimit.bodyBytesMin(rows: summary.rows)
        guard body.byteCount >= bytesMin else { throw .tooDense(bytes: body.byteCount, min: bytesMin) }
        let exporterCount = Int(body.le32(at: BatchLayout.exporterCountOffset))
        exporters = try Self.exporters(body, count: exporterCount)
        let columnsOffset = BatchLayout.fixedBytes + exporterCount * BatchLayout.exporterBytes
        columns = try Directory(version: version, rows: summary.rows).columns(
            body, at: columnsOffset, frames: headBytes)
    }

    /// The head's length, after the checks that make reading it safe and its bytes trustworthy.
    private static func checkedHeadBytes(_ body: RawSpan) throws(BatchError) -> Int {
        guard body.byteCount <= BatchLimit.bodyBytesMax else {
            throw .bodyTooLarge(body.byteCount, max: BatchLimit.bodyBytesMax)
        }
        guard body.byteCount >= BatchLayout.fixedBytes else {
            throw .truncated(wanted: BatchLayout.fixedBytes, has: body.byteCount)
        }
        guard body.le32(at: 0) == BatchLayout.magic else { throw .notABatch }
        let version = body.le16(at: BatchLayout.versionOffset)
        guard version >= 1, version <= BatchLayout.version else { throw .unknownVersion(version) }
        let exporterCount = Int(body.le32(at: BatchLayout.exporterCountOffset))
        guard exporterCount <= FlowColumns.exportersMax else {
            throw .tooManyExporters(exporterCount, max: FlowColumns.exportersMax)
        }
        let headBytes = BatchLayout.headBytes(
            version: version, exporters: exporterCount,
            columns: Int(body.u8(at: BatchLayout.columnCountOffset)))
        guard body.byteCount >= headBytes else { throw .truncated(wanted: headBytes, has: body.byteCount) }
        let summed = headBytes - BatchLayout.checksumBytes
        guard CRC32C.checksum(body.extracting(0..<summed)) == body.le32(at: summed) else { throw .headDamaged }
        return headBytes
    }

    private static func summary(_ body: RawSpan) throws(BatchError) -> BatchSummary {
        let fidelityNumber = body.u8(at: BatchLayout.fidelityOffset)
        guard let fidelity = Fidelity(rawValue: fidelityNumber) else { throw .unknownFidelity(fidelityNumber) }
        func time(_ offset: Int) -> Int64 { Int64(bitPattern: body.le64(at: offset)) }
        return BatchSummary(
            fidelity: fidelity,
            rows: Int(body.le32(at: BatchLayout.rowsOffset)),
            tally: Tally(
                flows: body.le64(at: BatchLayout.flowsOffset), octets: body.le64(at: BatchLayout.octetsOffset),
                packets: body.le64(at: BatchLayout.packetsOffset)),
            start: time(BatchLayout.flowStartMinOffset), end: time(BatchLayout.flowEndMaxOffset),
            receive: (time(BatchLayout.receiveMinOffset), time(BatchLayout.receiveMaxOffset)))
    }

    private static func exporters(_ body: RawSpan, count: Int) throws(BatchError) -> [ExporterKey] {
        var exporters: [ExporterKey] = []
        exporters.reserveCapacity(count)
        for index in 0..<count {
            let at = BatchLayout.fixedBytes + index * BatchLayout.exporterBytes
            let number = body.u8(at: at + BatchLayout.exporterProtocolOffset)
            guard let exportProtocol = ExportProtocol(rawValue: number) else { throw .unknownExportProtocol(number) }
            exporters.append(
                ExporterKey(
                    address: IPAddress(high: body.le64(at: at), low: body.le64(at: at + 8)),
                    observationDomain: body.le32(at: at + BatchLayout.exporterDomainOffset),
                    exportProtocol: exportProtocol))
        }
        return exporters
    }
}
