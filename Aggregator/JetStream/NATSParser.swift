internal import Foundation
internal import NIOCore

/// What a server says of itself when a connection begins.
struct NATSServerInfo: Equatable, Sendable, Decodable {
    var name: String?
    var version: String
    /// The largest message that it takes, in octets.
    var payloadMax: Int
    var headers: Bool?
    var jetstream: Bool?
    var needsTLS: Bool?

    private enum CodingKeys: String, CodingKey {
        case version, headers, jetstream
        case name = "server_name"
        case payloadMax = "max_payload"
        case needsTLS = "tls_required"
    }
}

/// One thing that a server says.
enum NATSFrame: Equatable, Sendable {
    case info(NATSServerInfo)
    /// With the number of the subscription that it is for.
    case message(NATSMessage, subscription: UInt64)
    case ping, pong, ok
    case error(String)
}

/// Cuts what a server sends into frames. A value: what was cut off is all that it changes.
/// Invariants: no input traps; a line has at most `lineBytesMax` octets and a message `payloadBytesMax`, or the
/// connection is given up.
enum NATSParser {
    static let lineBytesMax = 256 << 10
    static let payloadBytesMax = 64 << 20

    /// The next frame, taken off the front of `buffer`; nil while it is not whole.
    static func next(_ buffer: inout ByteBuffer) throws(NATSError) -> NATSFrame? {
        let view = buffer.readableBytesView
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else {
            guard view.count <= lineBytesMax else { throw .malformed("a line") }
            return nil
        }
        let length = end - view.startIndex + 1
        guard length <= lineBytesMax else { throw .malformed("a line") }
        var line = view[..<end]
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        let word = line.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
        let rest = line.dropFirst(word.count)
        switch String(decoding: word, as: UTF8.self).uppercased() {
        case "MSG": return try message(&buffer, arguments: words(rest), lineBytes: length, hasHead: false)
        case "HMSG": return try message(&buffer, arguments: words(rest), lineBytes: length, hasHead: true)
        case let name:
            let frame = try simple(name, String(decoding: rest, as: UTF8.self))
            buffer.moveReaderIndex(forwardBy: length)
            return frame
        }
    }

    private static func words(_ rest: ByteBufferView) -> [String] {
        rest.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func simple(_ name: String, _ rest: String) throws(NATSError) -> NATSFrame {
        switch name {
        case "PING": return .ping
        case "PONG": return .pong
        case "+OK": return .ok
        case "-ERR": return .error(rest.trimmingCharacters(in: CharacterSet(charactersIn: " '")))
        case "INFO":
            guard let info = try? JSONDecoder().decode(NATSServerInfo.self, from: Data(rest.utf8)) else {
                throw .malformed("an introduction")
            }
            return .info(info)
        default: throw .malformed("a line")
        }
    }

    /// `MSG subject sid [reply] octets`, `HMSG subject sid [reply] head octets`, with head and body in the second.
    private static func message(
        _ buffer: inout ByteBuffer, arguments: [String], lineBytes: Int, hasHead: Bool
    ) throws(NATSError) -> NATSFrame? {
        let numbers = hasHead ? 2 : 1
        guard (2 + numbers...3 + numbers).contains(arguments.count), let total = Int(arguments[arguments.count - 1]),
            (0...payloadBytesMax).contains(total), let subscription = UInt64(arguments[1])
        else { throw .malformed("a message's line") }
        let head = hasHead ? Int(arguments[arguments.count - 2]) ?? -1 : 0
        guard (0...total).contains(head) else { throw .malformed("a message's line") }
        guard buffer.readableBytes >= lineBytes + total + 2 else { return nil }
        buffer.moveReaderIndex(forwardBy: lineBytes)
        let fields = buffer.readBytes(length: head) ?? []
        let payload = buffer.readBytes(length: total - head) ?? []
        guard buffer.readBytes(length: 2) == [13, 10] else { throw .malformed("a message's end") }
        let hasReply = arguments.count == 3 + numbers
        var message = NATSMessage(
            subject: arguments[0], reply: hasReply ? arguments[2] : nil, payload: payload)
        if hasHead {
            let decoded = try NATSHeaders.decode(fields)
            (message.status, message.statusText, message.headers) = (decoded.status, decoded.text, decoded.headers)
        }
        return .message(message, subscription: subscription)
    }
}

/// `NATSParser` in a channel's pipeline.
struct NATSDecoder: ByteToMessageDecoder {
    typealias InboundOut = NATSFrame

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let frame = try NATSParser.next(&buffer) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(frame))
        return .continue
    }
    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        while try decode(context: context, buffer: &buffer) == .continue {}
        return .needMoreData
    }
}

/// Lines to a server.
enum NATSLines {
    /// A subject that is one word and can't end its line.
    static func check(_ subject: String) throws(NATSError) {
        guard (1...1_024).contains(subject.utf8.count), subject.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw .invalid("the subject \(subject)")
        }
    }
    static func publish(_ message: NATSMessage, payloadMax: Int) throws(NATSError) -> ByteBuffer {
        try check(message.subject)
        if let reply = message.reply { try check(reply) }
        let head = try message.headers.fields.isEmpty ? [] : message.headers.encoded()
        let total = head.count + message.payload.count
        guard total <= payloadMax else { throw .invalid("a message of \(total) octets") }
        var buffer = ByteBufferAllocator().buffer(capacity: total + message.subject.utf8.count + 128)
        let reply = message.reply.map { " \($0)" } ?? ""
        if head.isEmpty {
            buffer.writeString("PUB \(message.subject)\(reply) \(total)\r\n")
        } else {
            buffer.writeString("HPUB \(message.subject)\(reply) \(head.count) \(total)\r\n")
            buffer.writeBytes(head)
        }
        buffer.writeBytes(message.payload)
        buffer.writeString("\r\n")
        return buffer
    }
}
