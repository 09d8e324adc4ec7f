internal import Crypto
internal import Foundation
internal import HTTPTypes
internal import Hummingbird

/// A list in pages, for those that are whole in memory: `limit` and `cursor` as everywhere; without `limit`, all of it.
/// A cursor is the name of the last item, so what comes and goes between two pages moves nothing.
struct Pages {
    static let names: Set = ["limit", "cursor"], limitMax = 1_000
    private let limit: Int?, after: String?

    init(_ parameters: Parameters) throws(Problem) {
        limit = try parameters.integer("limit", in: 1...Self.limitMax)
        after = try parameters.text("cursor").map { text throws(Problem) in
            guard let data = Data(base64Encoded: Self.padded(text)), let name = String(data: data, encoding: .utf8)
            else {
                throw .badParameter("cursor", text, allowed: "the `next` of a page before")
            }
            return name
        }
    }
    /// For a route without other parameters.
    init(_ request: Request) throws(Problem) { try self.init(Parameters(request, allowed: Self.names)) }

    /// - Parameter name: tells items apart, and gives their order.
    func answer<Item, Body: Encodable>(
        _ items: [Item], by name: (Item) -> String, isDescending: Bool = false, _ body: (Item) throws -> Body
    ) throws -> Response {
        func isBefore(_ one: String, _ other: String) -> Bool { isDescending ? one > other : one < other }
        var named = items.map { (name: name($0), item: $0) }.sorted { isBefore($0.name, $1.name) }
        if let after { named.removeFirst(named.prefix { !isBefore(after, $0.name) }.count) }
        let page = named.prefix(limit ?? named.count)
        let next = page.count < named.count ? page.last.map { Self.cursor($0.name) } : nil
        return try jsonResponse(PageBody(items: try page.map { try body($0.item) }, next: next))
    }

    /// base64url (RFC 4648 §5): nothing that a query would have to encode.
    private static func cursor(_ name: String) -> String {
        Data(name.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing(
            "=", with: "")
    }
    private static func padded(_ text: String) -> String {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        return plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
    }
}

private struct PageBody<Item: Encodable>: Encodable {
    let items: [Item], next: String?

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(items, forKey: .items)
        try container.encode(next, forKey: .next)
    }
    private enum Key: CodingKey { case items, next }
}

/// A thing by what it is now: `ETag`, and `If-Match` of a change that is to count only if it still is (RFC 9110
/// §13.1.1).
enum EntityTag {
    static func of(_ body: some Encodable) throws -> String {
        let digest = SHA256.hash(data: Data(try jsonOctets(body))).prefix(12)
        return "\"" + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\""
    }
    /// - Parameter named: what the tag is of; not what the caller named it by.
    static func answer(_ body: some Encodable, of named: some Encodable) throws -> Response {
        var response = try jsonResponse(body)
        response.headers[.eTag] = try of(named)
        return response
    }
    /// - Parameter current: nil: there is none.
    /// - Throws: `Problem`: 412 with the tag of now.
    static func check(_ request: Request, _ current: (some Encodable)?) throws {
        guard let field = request.headers[.ifMatch] else { return }
        let tag = try current.map { try of($0) }
        let isNamed = field.split(separator: ",").contains { part in
            let name = part.drop { $0 == " " }.prefix { $0 != " " }
            return tag != nil && (name == "*" || name == tag ?? "")
        }
        guard isNamed else {
            throw Problem(
                .preconditionFailed, "changed", "It has changed since", detail: "Read it again",
                headers: tag.map { [.eTag: $0] } ?? [:])
        }
    }
}
