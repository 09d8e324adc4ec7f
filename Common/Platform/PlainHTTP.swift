internal import CSockets
internal import Glibc

/// One request at a time to a server on this machine or beside it, without TLS: a collector of traces, the program's
/// own pages. Blocks the thread that asks; anything that crosses a network wants another client.
package struct PlainHTTP: Hashable, Sendable {
    package let host: String, port: UInt16, path: String
    /// Of an answer; the rest of a longer one is not read.
    package static let answerBytesMax = 256 << 10

    package struct Answer: Equatable, Sendable {
        package let status: Int
        package let body: [UInt8]
    }

    package init(host: String, port: UInt16, path: String) {
        (self.host, self.port, self.path) = (host, port, path)
    }
    /// `http://HOST[:PORT][/PATH]`, an IPv6 address in brackets; nil for anything else.
    package init?(url: String) {
        let scheme = "http://"
        guard url.hasPrefix(scheme), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        let rest = url.dropFirst(scheme.count), place = rest.prefix { $0 != "/" }
        path = rest.count > place.count ? String(rest.dropFirst(place.count)) : "/"
        var name = place, number: UInt16 = 80
        if let colon = place.lastIndex(of: ":"), !place.hasSuffix("]") {
            guard let told = UInt16(place[place.index(after: colon)...]), told > 0 else { return nil }
            (name, number) = (place[..<colon], told)
        }
        if name.hasPrefix("["), name.hasSuffix("]") {
            name = name.dropFirst().dropLast()
        } else if name.contains(":") {
            return nil
        }
        guard !name.isEmpty else { return nil }
        (host, port) = (String(name), number)
    }

    /// - Parameter body: with a type, a POST; nil: a GET.
    /// - Parameter headers: `Name: value` lines beside Host, Content-Type and Content-Length.
    /// - Throws: what the system said; `EPROTO` for what is no HTTP/1 answer.
    package func ask(
        _ body: (type: String, bytes: [UInt8])? = nil, headers: [String] = [], within limit: Duration
    ) throws(SystemError) -> Answer {
        let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var head = "\(body == nil ? "GET" : "POST") \(path) HTTP/1.0\r\nHost: \(place)\r\nConnection: close\r\n"
        for header in headers { head += header + "\r\n" }
        if let body { head += "Content-Type: \(body.type)\r\nContent-Length: \(body.bytes.count)\r\n" }
        let request = [UInt8]((head + "\r\n").utf8) + (body?.bytes ?? [])
        var answer = [UInt8](repeating: 0, count: Self.answerBytesMax)
        let count = unsafe weir_ask(
            host, port, request, UInt32(clamping: request.count), &answer, UInt32(answer.count),
            Self.milliseconds(limit))
        guard count >= 0 else { throw SystemError(call: "connect", number: Int32(clamping: -count)) }
        answer.removeLast(answer.count - Int(count))
        guard let read = Self.read(answer) else { throw SystemError(call: "recv", number: EPROTO) }
        return read
    }

    /// Whether something listens there.
    /// - Throws: what the system said.
    package func connect(within limit: Duration) throws(SystemError) {
        let status = unsafe weir_ask(host, port, nil, 0, nil, 0, Self.milliseconds(limit))
        guard status >= 0 else { throw SystemError(call: "connect", number: Int32(clamping: -status)) }
    }

    private static func milliseconds(_ limit: Duration) -> UInt32 {
        let (seconds, attoseconds) = limit.components
        return UInt32(clamping: seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    }
    /// The status line's number, and what comes after the empty line.
    static func read(_ bytes: [UInt8]) -> Answer? {
        let line = bytes.prefix { $0 != 0x0D && $0 != 0x0A }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
        var end = bytes.startIndex
        while end + 3 < bytes.endIndex, bytes[end..<end + 4] != [0x0D, 0x0A, 0x0D, 0x0A] { end += 1 }
        return Answer(status: status, body: Array(bytes.dropFirst(end + 4)))
    }
}
