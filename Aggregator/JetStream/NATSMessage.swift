/// A message as a NATS server gives it, or takes it.
package struct NATSMessage: Equatable, Sendable {
    package var subject: String
    /// Where an answer goes.
    package var reply: String?
    /// A status that a server sets in place of a body, such as 503: nobody listens.
    package var status: Int?
    /// What the server says beside its status.
    package var statusText: String
    package var headers: NATSHeaders
    package var payload: [UInt8]

    package init(
        subject: String, reply: String? = nil, status: Int? = nil, statusText: String = "",
        headers: NATSHeaders = NATSHeaders(), payload: [UInt8] = []
    ) {
        self.subject = subject
        self.reply = reply
        self.status = status
        self.statusText = statusText
        self.headers = headers
        self.payload = payload
    }
}

/// Fields of a message, in order. Names are compared as they are.
package struct NATSHeaders: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var fields: [Field] = []
    package struct Field: Equatable, Sendable {
        package let name: String, value: String
    }
    /// More than that in one message is a fault.
    static let fieldsMax = 256

    package init() {}
    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { self[name] = value }
    }

    package subscript(name: String) -> String? {
        get { fields.first { $0.name == name }?.value }
        set {
            fields.removeAll { $0.name == name }
            if let newValue { fields.append(Field(name: name, value: newValue)) }
        }
    }
    /// A field that is a number.
    package func number(_ name: String) -> Int64? { self[name].flatMap { Int64($0) } }

    /// `NATS/1.0`, a line a field, an empty line.
    /// - Throws: `.invalid` when a name or a value would break out of its line.
    func encoded() throws(NATSError) -> [UInt8] {
        var text = "NATS/1.0\r\n"
        for field in fields {
            guard !field.name.isEmpty, field.name.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: ":") }),
                field.value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 })
            else { throw .invalid("the header field \(field.name)") }
            text += "\(field.name): \(field.value)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    /// The head of a message with fields: its status, if it has one, and they.
    static func decode(_ octets: [UInt8]) throws(NATSError) -> (status: Int?, text: String, headers: NATSHeaders) {
        let text = String(decoding: octets, as: UTF8.self)
        guard text.hasPrefix("NATS/1.0"), text.hasSuffix("\r\n\r\n") else { throw .malformed("a message's head") }
        var headers = NATSHeaders()
        // Two line ends, each one Character.
        let lines = text.dropLast(2).split(separator: "\r\n", omittingEmptySubsequences: false)
        guard let first = lines.first, lines.count <= fieldsMax else { throw .malformed("a message's head") }
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { throw .malformed("a message's field") }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers.fields.append(Field(name: String(line[..<colon]), value: String(value)))
        }
        let words = first.dropFirst(8).split(separator: " ", maxSplits: 1)
        guard let word = words.first else { return (nil, "", headers) }
        guard let status = Int(word) else { throw .malformed("a message's status") }
        return (status, words.count > 1 ? String(words[1]) : "", headers)
    }
}
