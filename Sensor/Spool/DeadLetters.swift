internal import Delivery
internal import FlowModel
internal import Platform

/// The folder of batches that no aggregator takes, for an operator to look at. Bounded: when it is full the first ones
/// stay, since they show how it began, and later ones are only counted.
///
///     <epoch>-<sequence>.weir     the body       <epoch>-<sequence>.json     why, and what it carries
///     <epoch>-<sequence>.again    a body that someone has renamed so: it goes into the spool again
struct DeadLetters {
    static let countMax = 1_000
    static let bytesMax = 256 << 20
    /// The reason of batches that can't be sent at all.
    static let damage = "damaged in the spool: the digest is not that of the bytes"

    private let folder: String, disk: any SpoolDisk
    /// Bodies in the folder, and their bytes.
    private(set) var count = 0, bytes = 0
    /// Not written since the start, for lack of room.
    private(set) var dropped = 0

    init(folder: String, disk: any SpoolDisk) throws(SystemError) {
        (self.folder, self.disk) = (folder, disk)
        try disk.makeFolder(folder)
        try recount()
    }
    private mutating func recount() throws(SystemError) {
        (count, bytes) = (0, 0)
        for name in try disk.names(in: folder) {
            if name.hasSuffix(".part") { try disk.remove("\(folder)/\(name)") }
            guard name.hasSuffix(".weir") else { continue }
            count += 1
            bytes += (try? disk.open("\(folder)/\(name)", making: false).byteCount()) ?? 0
        }
    }

    /// Writes body and reason, durable on return; or counts the batch as dropped.
    mutating func write(_ batch: SpooledBatch, _ body: [UInt8], reason: String) throws(SystemError) {
        let path = "\(folder)/\(batch.key.epoch)-\(batch.key.sequence)"
        // A crash before the batch left the spool: it was written then, and is counted.
        if disk.exists(path + ".weir"), disk.exists(path + ".json") { return }
        guard count < Self.countMax, bytes + body.count <= Self.bytesMax else {
            dropped += 1
            return
        }
        try disk.writeWhole([UInt8](DeadLetter(batch: batch, reason: reason).json.utf8), to: path + ".json")
        try disk.writeWhole(body, to: path + ".weir")
        try disk.syncFolder(folder)
        count += 1
        bytes += body.count
    }

    // MARK: Again

    /// What is to be sent again: the batch under the key it goes by now, its body, and where it lies. What can't be
    /// read as it was written is renamed back, and stays.
    func renamed() throws(SystemError) -> [(batch: SpooledBatch, body: [UInt8], path: String)] {
        var found: [(batch: SpooledBatch, body: [UInt8], path: String)] = []
        for name in try disk.names(in: folder) where name.hasSuffix(".again") && found.count < Self.againMax {
            let path = "\(folder)/\(name.dropLast(".again".count))"
            let note = try? read(path + ".json", bytesMax: Self.noteBytesMax)
            let body = try read(path + ".again", bytesMax: Self.bytesMax)
            guard let letter = note.flatMap({ DeadLetter(json: $0) }), BatchDigest(of: body) == letter.batch.digest
            else {
                try disk.rename(path + ".again", to: path + ".weir")
                continue
            }
            found.append((letter.batchToSend, body, path))
        }
        return found
    }
    private static let againMax = 16, noteBytesMax = 64 << 10
    private func read(_ path: String, bytesMax: Int) throws(SystemError) -> [UInt8] {
        let file = try disk.open(path, making: false)
        return try file.read(min(try file.byteCount(), bytesMax), at: 0)
    }
    /// It is in the spool, durably.
    mutating func remove(_ path: String) throws(SystemError) {
        try disk.remove(path + ".again")
        try disk.remove(path + ".json")
        try disk.syncFolder(folder)
        try recount()
    }
}

/// A batch that was set aside, as its note tells.
package struct DeadLetter: Equatable, Sendable {
    package let batch: SpooledBatch
    package let reason: String

    init(batch: SpooledBatch, reason: String) {
        (self.batch, self.reason) = (batch, reason)
    }
    /// As in the folder; one line of NDJSON.
    package var json: String {
        """
        {"epoch":"\(batch.key.epoch)","sequence":\(batch.key.sequence),"sha256":"\(batch.digest)",\
        "sealedMilliseconds":\(batch.sealedMilliseconds),"rows":\(batch.rows),"flows":\(batch.tally.flows),\
        "octets":\(batch.tally.octets),"packets":\(batch.tally.packets),"bytes":\(batch.byteCount),\
        "reason":"\(Self.escaped(reason))"}

        """
    }
    /// A note as it was written; nil for anything else.
    package init?(json: [UInt8]) {
        let text = String(decoding: json, as: UTF8.self)
        func field(_ name: String) -> Substring? {
            guard let start = text.firstRange(of: "\"\(name)\":")?.upperBound else { return nil }
            let rest = text[start...]
            guard rest.first == "\"" else { return rest.prefix { $0 != "," && $0 != "}" } }
            return rest.dropFirst().prefix { $0 != "\"" }
        }
        func word(_ name: String) -> UInt64? { field(name).flatMap { UInt64($0) } }
        guard let epoch = field("epoch").flatMap({ Epoch($0) }), let sequence = word("sequence"),
            let digest = field("sha256").flatMap({ BatchDigest($0) }),
            let sealed = field("sealedMilliseconds").flatMap({ Int64($0) }),
            let rows = field("rows").flatMap({ Int($0) }),
            let flows = word("flows"), let octets = word("octets"), let packets = word("packets"),
            let start = text.firstRange(of: "\"reason\":\"")?.upperBound, let end = text.lastIndex(of: "\""),
            start <= end
        else { return nil }
        batch = SpooledBatch(
            key: BatchKey(epoch: epoch, sequence: sequence), digest: digest,
            byteCount: field("bytes").flatMap { Int($0) } ?? 0, sealedMilliseconds: sealed, rows: rows,
            tally: Tally(flows: flows, octets: octets, packets: packets))
        reason = String(text[start..<end])
    }

    /// A refused batch keeps its key. Where the key was the trouble it gets one that follows from its bytes, so that it
    /// is the same however often this is done.
    var batchToSend: SpooledBatch {
        guard reason.hasPrefix("conflict") || reason.contains("under this key") else { return batch }
        let words = stride(from: 0, to: 16, by: 8).map { start in
            batch.digest.octets[start..<(start + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        return SpooledBatch(
            key: BatchKey(epoch: Epoch(high: words[0], low: words[1]), sequence: batch.key.sequence),
            digest: batch.digest, byteCount: batch.byteCount, sealedMilliseconds: batch.sealedMilliseconds,
            rows: batch.rows, tally: batch.tally)
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
