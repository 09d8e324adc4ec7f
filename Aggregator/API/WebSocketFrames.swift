/// What a client of a WebSocket may say here: it listens, so pings, pongs and the end.
enum WebSocketWord: Equatable, Sendable {
    case ping([UInt8]), pong
    /// RFC 6455 §7.4; nil: it gave no reason.
    case close(UInt16?)
}

/// Why a connection is ended, by the code that the client is told (RFC 6455 §7.4.1).
enum WebSocketFault: UInt16, Error, Equatable {
    case protocolError = 1002
    /// Data: nothing is listened to here.
    case unsupported = 1003
}

/// Frames of a client (RFC 6455 §5), from octets cut anywhere. A value without I/O: holds less than a frame, and a
/// frame of what is allowed has at most 131 octets.
struct WebSocketReader: Sendable {
    private static let payloadMax = 125
    private var octets: [UInt8] = []

    /// - Throws: `WebSocketFault`; then nothing more can be read.
    mutating func take(_ more: some Sequence<UInt8>) throws(WebSocketFault) -> [WebSocketWord] {
        var words: [WebSocketWord] = []
        for octet in more {
            octets.append(octet)
            if let word = try word() {
                words.append(word)
                octets.removeAll(keepingCapacity: true)
            }
        }
        return words
    }

    /// The frame, once all of it is there.
    private func word() throws(WebSocketFault) -> WebSocketWord? {
        guard octets.count >= 2 else { return nil }
        let (first, second) = (octets[0], octets[1])
        // No extension was agreed on; a client's frames are masked (§5.1).
        guard first & 0x70 == 0, second & 0x80 != 0 else { throw .protocolError }
        let code = first & 0x0F
        guard code >= 0x8 else { throw code <= 0x2 ? .unsupported : .protocolError }
        // Control frames are short and whole (§5.5).
        let length = Int(second & 0x7F)
        guard first & 0x80 != 0, length <= Self.payloadMax, code <= 0xA else { throw .protocolError }
        guard octets.count == 6 + length else { return nil }
        let payload = (0..<length).map { octets[6 + $0] ^ octets[2 + $0 % 4] }
        switch code {
        case 0x9: return .ping(payload)
        case 0xA: return .pong
        default: return .close(try Self.reason(payload))
        }
    }
    /// §5.5.1 and §7.4: none, or a code that may be sent and then UTF-8.
    private static func reason(_ payload: [UInt8]) throws(WebSocketFault) -> UInt16? {
        guard !payload.isEmpty else { return nil }
        guard payload.count >= 2, String(validating: payload.dropFirst(2), as: UTF8.self) != nil else {
            throw .protocolError
        }
        let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
        guard (1000...1014).contains(code) && ![1004, 1005, 1006].contains(code) || (3000...4999).contains(code) else {
            throw .protocolError
        }
        return code
    }
}

/// Frames of the server: whole, unmasked.
enum WebSocketFrame {
    static func text(_ text: String) -> [UInt8] { frame(0x1, Array(text.utf8)) }
    static func ping() -> [UInt8] { frame(0x9, []) }
    static func pong(_ payload: [UInt8]) -> [UInt8] { frame(0xA, payload) }
    static func close(_ code: UInt16) -> [UInt8] { frame(0x8, [UInt8(code >> 8), UInt8(code & 0xFF)]) }

    private static func frame(_ code: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0x80 | code]
        switch payload.count {
        case ...125: frame.append(UInt8(payload.count))
        case ...0xFFFF: frame += [126] + octets(payload.count, 2)
        default: frame += [127] + octets(payload.count, 8)
        }
        return frame + payload
    }
    private static func octets(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * (count - 1 - $0))) }
    }
}
