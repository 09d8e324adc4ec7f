package import FlowModel

/// A webhook's URL, read by a grammar so narrow that no two readers can disagree about it:
///     scheme "://" (name | IPv4 | "[" IPv6 "]") [":" port] ["/" path] ["?" query]
/// Invariant: `text` is what is sent to, made of the parts that were checked.
package struct WebhookURL: Hashable, Sendable, CustomStringConvertible {
    package enum Scheme: String, Sendable, Codable {
        case http, https
        package var port: Int { self == .http ? 80 : 443 }
    }
    package let scheme: Scheme
    /// In lower case, without brackets.
    package let host: String
    /// When the host is an address.
    package let address: IPAddress?
    package let port: Int
    /// With the query; begins with `/`.
    package let target: String

    package static let octetsMax = 2_048

    package init(_ text: String) throws(WebhookURLError) {
        guard text.utf8.count <= Self.octetsMax else { throw .tooLong }
        guard text.utf8.allSatisfy({ (33...126).contains($0) && !Self.refusedOctets.contains($0) }) else {
            throw .badOctet
        }
        guard let mark = Self.firstRange(of: "://", in: text),
            let scheme = Scheme(rawValue: text[..<mark.lowerBound].lowercased())
        else { throw .badScheme }
        let rest = text[mark.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<end], tail = String(rest[end...])
        guard !authority.contains("@") else { throw .userinfo }
        guard Self.isSound(tail) else { throw .badOctet }
        self.scheme = scheme
        (host, address, port) = try Self.authority(authority, scheme)
        target = tail.hasPrefix("/") ? tail : "/" + tail
    }

    /// `#` (the rest would not be sent) and what readers are known to read differently.
    private static let refusedOctets: Set<UInt8> = Set("#\\\"<>^`{|}".utf8)

    /// Path and query: no brackets, and a percent sign is followed by two hexadecimal digits (RFC 3986 §2.1, §3.3).
    private static func isSound(_ text: String) -> Bool {
        let octets = Array(text.utf8)
        func isHex(_ index: Int) -> Bool {
            index < octets.count && "0123456789abcdefABCDEF".utf8.contains(octets[index])
        }
        return octets.indices.allSatisfy { index in
            switch octets[index] {
            case UInt8(ascii: "["), UInt8(ascii: "]"): false
            case UInt8(ascii: "%"): isHex(index + 1) && isHex(index + 2)
            default: true
            }
        }
    }

    private static func firstRange(of mark: String, in text: String) -> Range<String.Index>? {
        var index = text.startIndex
        while index < text.endIndex {
            if text[index...].hasPrefix(mark) { return index..<text.index(index, offsetBy: mark.count) }
            index = text.index(after: index)
        }
        return nil
    }

    private static func authority(
        _ text: Substring, _ scheme: Scheme
    ) throws(WebhookURLError) -> (String, IPAddress?, Int) {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { throw .badHost }
            let inside = text[text.index(after: text.startIndex)..<close]
            guard inside.contains(":"), let address = IPAddress(inside) else { throw .badHost }
            return (address.description, address, try port(text[text.index(after: close)...], scheme))
        }
        let colon = text.firstIndex(of: ":") ?? text.endIndex
        let host = text[..<colon].lowercased(), number = try port(text[colon...], scheme)
        if let address = IPAddress(host) { return (host, address, number) }
        guard isName(host) else { throw .badHost }
        return (host, nil, number)
    }
    private static func port(_ text: Substring, _ scheme: Scheme) throws(WebhookURLError) -> Int {
        if text.isEmpty { return scheme.port }
        let digits = text.dropFirst()
        guard text.first == ":", (1...5).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(digits), (1...65_535).contains(port)
        else { throw .badPort }
        return port
    }
    /// Labels of letters, digits and hyphens; the last begins with a letter and is not `0x…`, as some resolvers read
    /// `127.1`, `0177.0.0.1` and `0x7f000001` as addresses. No `xn--`: HTTP clients may decode it, and then it is
    /// another name than the one that was checked.
    private static func isName(_ host: String) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard host.utf8.count <= 253, let last = labels.last?.utf8.first, (0x61...0x7A).contains(last) else {
            return false
        }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && !label.hasPrefix("xn--")
                && label.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D }
        }
    }

    /// As it goes into a `Host` header: with the port unless it is the scheme's.
    package var authority: String {
        let name = address.map { $0.isV4 ? host : "[\(host)]" } ?? host
        return port == scheme.port ? name : "\(name):\(port)"
    }
    package var text: String { "\(scheme.rawValue)://\(authority)\(target)" }
    /// Without path and query, which often hold a token.
    package var description: String { "\(scheme.rawValue)://\(authority)/…" }
}

/// Why a text is no URL to send to. Says nothing of the text: it may hold a token.
package enum WebhookURLError: Error, Equatable, Sendable {
    case tooLong, badOctet, badScheme, badHost, badPort
    /// A name or password before the host: they end in logs, and hide which host it is.
    case userinfo
}
