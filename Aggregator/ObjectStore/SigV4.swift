internal import Crypto
internal import Foundation

/// AWS Signature Version 4, for requests whose whole body is at hand: its SHA-256 is always signed. Pure.
struct SigV4: Sendable {
    struct Credentials: Sendable {
        let accessKey: String
        let secretKey: [UInt8]
        let sessionToken: String?
    }
    let region: String
    let service: String

    /// - Parameters:
    ///   - path: percent-encoded as it goes on the wire, beginning with `/`.
    ///   - query: names and values, not encoded.
    ///   - headers: with lower-case names; all are signed. Must have `host`.
    ///   - payloadDigest: SHA-256 of the body, hexadecimal.
    /// - Returns: all headers to send: those given, `x-amz-date`, `x-amz-security-token` and `authorization`.
    func signed(
        method: String, path: String, query: [(String, String)], headers: [(String, String)], payloadDigest: String,
        milliseconds: Int64, credentials: Credentials
    ) -> [(String, String)] {
        let stamp = Self.stamp(milliseconds), day = String(stamp.prefix(8))
        var headers = headers + [("x-amz-date", stamp)]
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        headers.sort { $0.0 < $1.0 }
        let names = headers.map(\.0).joined(separator: ";")
        let canonical = [
            method, path, Self.canonicalQuery(query),
            headers.map { "\($0.0):\($0.1.trimmingCharacters(in: .whitespaces))\n" }.joined(), names, payloadDigest,
        ].joined(separator: "\n")
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let toSign = [
            "AWS4-HMAC-SHA256", stamp, scope, hexadecimal(SHA256.hash(data: Array(canonical.utf8))),
        ].joined(separator: "\n")
        var key = SymmetricKey(data: Array("AWS4".utf8) + credentials.secretKey)
        for part in [day, region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(toSign.utf8), using: key))
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope),"
            + "SignedHeaders=\(names),Signature=\(signature)"
        return headers + [("authorization", authorization)]
    }

    /// Sorted by name, then value, both encoded.
    static func canonicalQuery(_ query: [(String, String)]) -> String {
        query.map { (encoded($0.0), encoded($0.1)) }.sorted { $0 < $1 }.map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }

    /// RFC 3986's unreserved characters stay; all other octets become `%XX`.
    static func encoded(_ text: String, keeping: String = "") -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
            .union(keeping.utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        return String(
            decoding: text.utf8.flatMap { octet in
                plain.contains(octet)
                    ? [octet] : [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            }, as: UTF8.self)
    }

    /// `20130524T000000Z`.
    static func stamp(_ milliseconds: Int64) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents(
            [.year, .month, .day, .hour, .minute, .second],
            from: Foundation.Date(timeIntervalSince1970: Double(milliseconds / 1_000)))
        func two(_ number: Int?) -> String { String(String((number ?? 0) + 100).suffix(2)) }
        return "\(String(String((parts.year ?? 0) + 10_000).suffix(4)))\(two(parts.month))\(two(parts.day))T"
            + "\(two(parts.hour))\(two(parts.minute))\(two(parts.second))Z"
    }
}
