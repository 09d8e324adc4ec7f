internal import Delivery
internal import HTTPTypes

/// The header fields of `POST /v1/batches` (`IngestWire`): each exactly once, in exactly its form.
struct BatchFields: Equatable, Sendable {
    let key: BatchKey
    let digest: BatchDigest
    /// Of the body, when the sender says; at most `IngestWire.bodyBytesMax`.
    let length: Int?

    init(_ fields: HTTPFields) throws(IngestProblem) {
        let epoch = try Self.only(IngestWire.epochField, in: fields, "32 lower-case hexadecimal digits") { Epoch($0) }
        let sequence = try Self.only(
            IngestWire.sequenceField, in: fields, "a decimal number below 2^64 without sign or leading zeros",
            Self.sequence)
        digest = try Self.only(IngestWire.digestField, in: fields, "64 lower-case hexadecimal digits") {
            BatchDigest($0)
        }
        key = BatchKey(epoch: epoch, sequence: sequence)
        guard let text = fields[.contentLength] else {
            length = nil
            return
        }
        guard let length = Int(text), length >= 0 else { throw .badField("content-length", "a decimal number") }
        guard length <= IngestWire.bodyBytesMax else { throw .tooLarge(max: IngestWire.bodyBytesMax) }
        self.length = length
    }

    private static func only<Value>(
        _ name: String, in fields: HTTPFields, _ allowed: String, _ parse: (String) -> Value?
    ) throws(IngestProblem) -> Value {
        guard let field = HTTPField.Name(name), fields[values: field].count == 1, let text = fields[field],
            let value = parse(text)
        else { throw .badField(name, allowed) }
        return value
    }
    /// Swift's own parser takes `+1` and `01`: two spellings of one key.
    private static func sequence(_ text: String) -> UInt64? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        guard text == "0" || text.utf8.first != UInt8(ascii: "0") else { return nil }
        return UInt64(text)
    }
}
