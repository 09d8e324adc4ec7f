/// Reading JSON from strangers: whole documents up to a size, and lists whose broken members are counted, not fatal.
internal import Foundation

/// The members that could be read, and how many could not.
struct Lossy<Element: Decodable>: Decodable {
    private(set) var elements: [Element] = []
    private(set) var broken = 0
    /// More members than `Limit.objectsMax`: the rest was not read.
    private(set) var isCut = false

    init() {}
    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        while !container.isAtEnd {  // ends: each turn takes a member
            guard elements.count + broken < Limit.objectsMax else {
                isCut = true
                return
            }
            if let element = try? container.decode(Element.self) {
                elements.append(element)
            } else {
                broken += 1
                let place = container.currentIndex
                _ = try? container.decode(Anything.self)
                guard container.currentIndex > place else {
                    isCut = true
                    return
                }
            }
        }
    }
}

/// Any value at all, passed over.
private struct Anything: Decodable {
    init(from decoder: any Decoder) throws {}
}

/// A value where a value of another type, or none, is no reason to refuse what holds it.
struct Lenient<Value: Decodable>: Decodable {
    let value: Value?
    init(from decoder: any Decoder) throws { value = try? decoder.singleValueContainer().decode(Value.self) }
}

/// Text, a number or a truth value, as text: MISP writes some of its numbers as strings.
struct LooseText: Decodable {
    let text: String
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self.text = text
        } else if let number = try? container.decode(Int64.self) {
            text = String(number)
        } else {
            text = try container.decode(Bool.self) ? "1" : "0"
        }
    }
}

extension FeedRead {
    /// The document as a `Document`, its keys `like_this` read as `likeThis`; refused as a whole when it is too large
    /// or is not one.
    mutating func document<Document: Decodable>(_ octets: [UInt8], as type: Document.Type) -> Document? {
        guard accepts(octets, max: Limit.documentOctetsMax) else { return nil }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: Data(octets))
        } catch {
            refuse(.malformed, at: "document", JSONFault.text(error))
            return nil
        }
    }
    mutating func note<Element>(_ list: Lossy<Element>, _ what: String) {
        for _ in 0..<list.broken { refuse(.malformed, at: what) }
        if list.isCut { refuse(.tooMuch, at: what) }
    }
}

enum JSONFault {
    /// What is wrong and where, in a few words.
    static func text(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "not JSON" }
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context): return "no \(key.stringValue) in '\(path(context))'"
        case .typeMismatch(_, let context), .valueNotFound(_, let context): return "wrong type of '\(path(context))'"
        case .dataCorrupted(let context): return "not readable at '\(path(context))'"
        @unknown default: return "not readable"
        }
    }
}
