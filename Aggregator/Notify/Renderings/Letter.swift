internal import Detect
internal import Identity

/// Plain text to one person, about that person's account and not about a tenant's incidents.
package struct Letter: Equatable, Sendable {
    package let id: String, subject: String, text: String

    package init(id: String, subject: String, text: String) { (self.id, self.subject, self.text) = (id, subject, text) }

    /// The whole message with CRLF, as DATA takes it before dots are stuffed.
    package func mail(from: MailAddress, to: MailAddress, at now: Int64) -> [UInt8] {
        let lines =
            [
                "From: \(from.text)", "To: \(to.text)",
                "Subject: \(MailRendering.words(clipped(subject, charactersMax: 200)))",
                "Date: \(MailRendering.date(now))", "Message-ID: <\(digest128([id, to.text]))@\(from.domain)>",
                // RFC 3834 §5: nobody's absence is to be answered with.
                "Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: All", "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "",
            ] + MailRendering.base64Lines(text) + [""]
        return Array(lines.joined(separator: "\r\n").utf8)
    }
}
