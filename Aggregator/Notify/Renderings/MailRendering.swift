import Detect
internal import Foundation
import Identity
import Incidents

/// Messages as Internet mail: RFC 5322 headers, RFC 2047 words, multipart/alternative of text and HTML in base64.
/// No octet of an incident can end a header or a part: what is not plain ASCII is encoded, and parts are base64.
package struct MailRendering: Equatable, Sendable {
    package var rendering: Rendering
    package var from: MailAddress
    package var to: [MailAddress]

    package static let recipientsMax = 50

    /// Nil without recipients or with more than `recipientsMax`.
    package init?(_ rendering: Rendering, from: MailAddress, to: [MailAddress]) {
        guard (1...Self.recipientsMax).contains(to.count) else { return nil }
        self.rendering = rendering
        self.from = from
        self.to = to
    }

    /// The whole message with CRLF, as DATA takes it before dots are stuffed.
    package func mail(_ message: Message) -> [UInt8] {
        // A hash of what is told: no line of a part can be the boundary, as base64 has no underscore.
        let boundary = "_weir_\(digest128([message.id, "boundary"]))"
        var lines = [
            "From: \(from.text)", "To: \(to.map(\.text).joined(separator: ",\r\n "))",
            "Subject: \(Self.words(clipped(rendering.subject(message), charactersMax: 200)))",
            "Date: \(Self.date(message.at))", "Message-ID: <\(message.id)@\(from.domain)>",
            // RFC 3834 §5: nobody's absence is to be answered with.
            "Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: All", "MIME-Version: 1.0",
            "Content-Type: multipart/alternative; boundary=\"\(boundary)\"",
        ]
        if case .single(let brief, _) = message.body {
            // All of an incident in one thread.
            lines.append("References: <incident.\(digest128([message.tenant.rawValue, brief.id]))@\(from.domain)>")
        }
        lines.append("")
        for (type, text) in [("text/plain", rendering.text(message)), ("text/html", html(message))] {
            lines += [
                "--\(boundary)", "Content-Type: \(type); charset=utf-8", "Content-Transfer-Encoding: base64", "",
            ]
            lines += Self.base64Lines(text) + [""]
        }
        lines += ["--\(boundary)--", ""]
        return Array(lines.joined(separator: "\r\n").utf8)
    }

    private func html(_ message: Message) -> String {
        let items = rendering.lines(message).map { "<li>\(Self.htmlEscaped($0))</li>" }.joined(separator: "\n")
        return "<!DOCTYPE html><html><body><h3>\(Self.htmlEscaped(rendering.subject(message)))</h3>\n<ul>\n"
            + "\(items)\n</ul></body></html>\n"
    }

    static func htmlEscaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    static func base64Lines(_ text: String) -> [String] {
        let octets = Array(Data(text.utf8).base64EncodedString().utf8)
        return stride(from: 0, to: octets.count, by: 76).map {
            String(decoding: octets[$0..<min($0 + 76, octets.count)], as: UTF8.self)
        }
    }

    /// Header text: as it is if it is short printable ASCII, else encoded words of at most 75 characters, folded, none
    /// of which ends within a character.
    //= RFC 2047 §2
    static func words(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { (32...126).contains($0) } && !text.contains("=?")
        if isPlain, text.utf8.count <= 70 { return text }
        var words: [String] = [], current: [UInt8] = []
        func end() {
            if !current.isEmpty { words.append("=?utf-8?B?\(Data(current).base64EncodedString())?=") }
            current = []
        }
        for scalar in text.unicodeScalars {
            let octets = Array(String(scalar).utf8)
            if current.count + octets.count > 45 { end() }
            current += octets
        }
        end()
        return words.joined(separator: "\r\n ")
    }

    /// `Sun, 01 Mar 2026 12:00:00 +0000`.
    //= RFC 5322 §3.3
    static func date(_ milliseconds: Int64) -> String {
        let time = EventTime(milliseconds), text = time.description
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        func part(_ from: Int, _ count: Int) -> String { String(text.dropFirst(from).prefix(count)) }
        let month = months[max(0, min(11, (Int(part(5, 2)) ?? 1) - 1))]
        let day = days[Schedule.weekday(ofLocal: time.milliseconds) - 1]
        return "\(day), \(part(8, 2)) \(month) \(part(0, 4)) \(part(11, 8)) +0000"
    }
}

/// `name@domain` in plain ASCII, as settings give it: no display name, no quotes, no comments.
package struct MailAddress: Hashable, Sendable, CustomStringConvertible {
    package let text: String
    package var description: String { text }
    var domain: String { String(text[text.index(after: text.lastIndex(of: "@") ?? text.startIndex)...]) }

    /// Nil for what is not a dot-atom, an `@` and a domain name (RFC 5322 §3.4.1), or too long (RFC 5321 §4.5.3.1).
    package init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, text.utf8.count <= 254, parts[0].utf8.count <= 64 else { return nil }
        let marks = Set("!#$%&'*+-/=?^_`{|}~".utf8)
        func isAlphanumeric(_ octet: UInt8) -> Bool {
            (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
        }
        let atoms = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let labels = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        guard atoms.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { isAlphanumeric($0) || marks.contains($0) } }),
            labels.allSatisfy({
                (1...63).contains($0.utf8.count) && $0.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x2D }
                    && !$0.hasPrefix("-") && !$0.hasSuffix("-")
            })
        else { return nil }
        self.text = text
    }
}
