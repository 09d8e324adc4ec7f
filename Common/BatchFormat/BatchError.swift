/// Why bytes are not a batch that this version takes: always the writer's doing or the disk's. Columns are named by
/// their number in the body.
package enum BatchError: Error, Equatable, Sendable {
    case bodyTooLarge(Int, max: Int)
    case truncated(wanted: Int, has: Int)
    case notABatch
    case unknownVersion(UInt16)
    case unknownFidelity(UInt8)
    case tooManyRows(Int, max: Int)
    case tooManyExporters(Int, max: Int)
    /// The head's checksum does not match.
    case headDamaged
    case unknownExportProtocol(UInt8)
    /// Column numbers must ascend.
    case columnOutOfOrder(UInt8)
    case badEncoding(column: UInt8)
    /// A column's words, octets, frame length and base do not go together, or not with the rows.
    case badLength(column: UInt8)
    /// Bytes are left over after the last frame.
    case trailingBytes(Int)
    /// Decodes to more than 100 times its size (see `BatchLimit`).
    case tooDense(bytes: Int, min: Int)
    /// Does not decode to exactly the declared size, or its checksum does not match.
    case badFrame(column: UInt8)
    /// A word of the column leads to something that is not there.
    case badReference(column: UInt8)
    /// A row names an exporter that is not in the head.
    case unknownExporter(UInt32)
    /// The exporters of this batch do not fit the columns that are decoded into.
    case exportersFull
    /// What goes with this batch's rows does not fit the columns that are decoded into.
    case sideStoreFull
    /// Negative, infinite or not a number.
    case badSamplingInterval
    /// A sum or bound in the head is not that of the columns.
    case sumMismatch
}
