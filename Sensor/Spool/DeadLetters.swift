internal import Delivery
internal import FlowModel

/// The folder of batches that no aggregator takes, for an operator to look at. Bounded: when it is full the first ones
/// stay, since they show how it began, and later ones are only counted.
struct DeadLetters {
    static let countMax = 1_000
    static let bytesMax = 256 << 20

    private let folder: String
    /// Bodies in the folder, and their bytes.
    private(set) var count = 0, bytes = 0
    /// Not written since the start, for lack of room.
    private(set) var dropped = 0

    init(folder: String) throws(SpoolError) {
        self.folder = folder
        try SystemFiles.makeFolder(folder)
        for name in try SystemFiles.names(in: folder) {
            if name.hasSuffix(".part") { try SystemFiles.remove("\(folder)/\(name)") }
            guard name.hasSuffix(".weir") else { continue }
            count += 1
            bytes += SystemFiles.byteCount("\(folder)/\(name)")
        }
    }

    /// Writes body and reason, durable on return; or counts the batch as dropped.
    mutating func write(_ batch: SpooledBatch, _ body: [UInt8], reason: String) throws(SpoolError) {
        let path = "\(folder)/\(batch.key.epoch)-\(batch.key.sequence)"
        // A crash before the batch left the spool: it was written then, and is counted.
        if SystemFiles.exists(path + ".weir"), SystemFiles.exists(path + ".json") { return }
        guard count < Self.countMax, bytes + body.count <= Self.bytesMax else {
            dropped += 1
            return
        }
        try SystemFiles.writeDurably([UInt8](Self.note(batch, reason).utf8), to: path + ".json")
        try SystemFiles.writeDurably(body, to: path + ".weir")
        try SystemFiles.syncFolder(folder)
        count += 1
        bytes += body.count
    }

    private static func note(_ batch: SpooledBatch, _ reason: String) -> String {
        """
        {"epoch":"\(batch.key.epoch)","sequence":\(batch.key.sequence),"sha256":"\(batch.digest)",\
        "sealedMilliseconds":\(batch.sealedMilliseconds),"rows":\(batch.rows),"flows":\(batch.tally.flows),\
        "octets":\(batch.tally.octets),"packets":\(batch.tally.packets),"reason":"\(escaped(reason))"}

        """
    }
    /// Text of an aggregator's, so of any content: cut at 1024 characters, safe in a JSON string (RFC 8259 §7).
    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars.prefix(1_024) {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
