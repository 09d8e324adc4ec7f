internal import WireBytes

/// Cuts a stream of bytes into IPFIX messages by their length field (RFC 7011 §3.1).
///
/// Invariants: holds less than one message, so never more than 65,534 bytes; a message is handed out once, whole, in
/// order; what is no IPFIX ends the stream, since nothing tells where the next message would start.
package struct MessageFramer: Sendable {
    /// The beginning of a message whose end has not come.
    private var part: [UInt8] = []

    /// Why a stream can't be read on.
    package enum Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// Not version 10: some other protocol, or not the start of a message.
        case version(UInt16)
        /// A length that does not cover the message's own header.
        case length(UInt16)

        package var description: String {
            switch self {
            case .version(9): "NetFlow v9 over TCP: only IPFIX is taken over TCP and TLS"
            case .version(1), .version(5), .version(7): "NetFlow over TCP: only IPFIX is taken over TCP and TLS"
            case .version(0): "sFlow over TCP, or no export protocol: only IPFIX is taken over TCP and TLS"
            // The first two octets of a TLS record (RFC 8446 §5.1) are 22 and 3.
            case .version(0x1603): "TLS on a port without TLS"
            case .version(let version): "no IPFIX: its version is \(version), not 10"
            case .length(let length): "an IPFIX message of \(length) bytes, shorter than its header"
            }
        }
    }
    package static let headerBytes = 16, messageBytesMax = 65_535

    package init() {}

    /// Whether a message has begun and not ended.
    package var isWithinMessage: Bool { !part.isEmpty }

    /// Takes the next bytes of the stream and hands out each message that they complete.
    /// - Parameter body: gets a whole message, which lives until it returns.
    /// - Throws: `Fault`; what came before it was handed out, and the framer is not to be used again.
    package mutating func feed(_ bytes: RawSpan, _ body: (_ message: RawSpan) -> Void) throws(Fault) {
        var offset = 0
        if !part.isEmpty { offset = try complete(with: bytes, body) }
        while offset < bytes.byteCount {  // ends: each turn takes a message or all that is left
            let rest = bytes.extracting(offset..<bytes.byteCount)
            guard let length = try Self.length(rest), length <= rest.byteCount else {
                keep(rest)
                return
            }
            body(rest.extracting(0..<length))
            offset += length
        }
    }

    /// What has come of an unfinished message; empties the framer.
    package mutating func takePart() -> [UInt8] {
        defer { part = [] }
        return part
    }

    /// Adds to the kept part what is missing.
    /// - Returns: how many bytes were used.
    private mutating func complete(
        with bytes: RawSpan, _ body: (_ message: RawSpan) -> Void
    ) throws(Fault) -> Int {
        var used = 0
        if part.count < Self.headerBytes {
            used = min(Self.headerBytes - part.count, bytes.byteCount)
            keep(bytes.extracting(0..<used))
        }
        guard let length = try part.withBytes({ span throws(Fault) in try Self.length(span) }) else { return used }
        let more = min(length - part.count, bytes.byteCount - used)
        keep(bytes.extracting(used..<(used + more)))
        if part.count == length {
            part.withBytes { body($0) }
            part.removeAll(keepingCapacity: length <= 4_096)
        }
        return used + more
    }
    private mutating func keep(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe part.append(contentsOf: $0) }
    }

    /// The length of the message that starts here; nil while too little has come to tell.
    private static func length(_ bytes: RawSpan) throws(Fault) -> Int? {
        guard bytes.byteCount >= 2 else { return nil }
        // Told by the first two bytes, so that a sender of something else is refused at once and not at its timeout.
        let version = bytes.be16(at: 0)
        guard version == 10 else { throw .version(version) }
        guard bytes.byteCount >= 4 else { return nil }
        let length = bytes.be16(at: 2)
        guard Int(length) >= headerBytes else { throw .length(length) }
        return Int(length)
    }
}
