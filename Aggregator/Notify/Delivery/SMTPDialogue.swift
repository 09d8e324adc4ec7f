internal import Foundation
package import Settings

/// Submission of one mail (RFC 6409) as a value: lines in, what to do out.
///
/// Invariants: nothing but EHLO and STARTTLS is said before TLS unless `Security.plain`; credentials never without TLS;
/// what the server sent in the clear behind its answer to STARTTLS ends the session (it would be taken as said under
/// TLS); a line is at most `lineOctetsMax`, an answer at most `linesMax` lines. Not here: the socket, the certificate.
package struct SMTPDialogue: Sendable {
    package enum Security: String, Sendable, CaseIterable {
        /// Port 587: the server must offer STARTTLS.
        case startTLS
        /// Port 465 (RFC 8314 §3.3).
        case implicitTLS
        /// For a relay on this machine.
        case plain
    }
    package enum Action: Equatable, Sendable {
        case send([UInt8])
        /// Begin TLS now, then call `secured`.
        case startTLS
        /// The session is over; QUIT has been said if it could be.
        case end(Ending)
    }
    package enum Ending: Equatable, Sendable {
        /// - Parameter refused: recipients that the server did not take.
        case delivered(refused: [String])
        /// May work later.
        case failed(Problem)
        /// The server does not want this mail: it answered 5yz.
        case refused(Problem)
    }
    /// Where it ended, and the server's code; its text is not kept, as servers quote what they were sent.
    package struct Problem: Equatable, Sendable {
        package let step: String
        package let code: Int?

        package init(step: String, code: Int?) {
            self.step = step
            self.code = code
        }
    }
    package struct Credentials: Sendable {
        let user: String, password: Secret
        package init(user: String, password: Secret) {
            self.user = user
            self.password = password
        }
    }

    package static let lineOctetsMax = 2_048, linesMax = 100

    private enum State: Equatable {
        case greeting, hello, startTLS, handshake, secureHello, authentication, sender, recipient(Int), data, content
        case ended
    }
    private let name: String, security: Security, credentials: Credentials?
    private let from: MailAddress, to: [MailAddress], mail: [UInt8]
    private var state: State
    private var capabilities: [String] = []
    private var refused: [String] = []
    private var lines = 0

    /// - Parameters:
    ///   - name: this host's, for EHLO.
    ///   - mail: as `MailRendering` makes it: lines end with CRLF.
    package init(
        name: String, security: Security, credentials: Credentials?, from: MailAddress, to: [MailAddress], mail: [UInt8]
    ) {
        self.name = SyslogRendering.name(name, max: 255)
        (self.security, self.credentials) = (security, credentials)
        (self.from, self.to, self.mail) = (from, to, mail)
        state = .greeting
    }

    /// A line without its CRLF.
    package mutating func received(_ line: [UInt8]) -> [Action] {
        guard state != .ended else { return [] }
        lines += 1
        guard state != .handshake, line.count <= Self.lineOctetsMax, lines <= Self.linesMax, line.count >= 3,
            let code = Int(String(decoding: line.prefix(3), as: UTF8.self)), (200..<600).contains(code)
        else { return end(.failed(problem(nil)), isPolite: false) }
        if [.hello, .secureHello].contains(state), code == 250 {
            capabilities.append(String(decoding: line.dropFirst(4), as: UTF8.self).uppercased())
        }
        // `250-` goes on (RFC 5321 §4.2.1).
        if line.count > 3, line[3] == UInt8(ascii: "-") { return [] }
        lines = 0
        return answered(code)
    }

    /// TLS is up, with a certificate that was checked.
    package mutating func secured() -> [Action] {
        guard state == .handshake else { return [] }
        // RFC 3207 §4.2: what was learnt in the clear is forgotten.
        capabilities = []
        return say("EHLO \(name)", .secureHello)
    }

    private mutating func answered(_ code: Int) -> [Action] {
        switch (state, code) {
        case (.greeting, 220): return say("EHLO \(name)", security == .startTLS ? .hello : .secureHello)
        case (.hello, 250):
            guard capabilities.contains("STARTTLS") else { return end(.failed(problem(nil))) }
            return say("STARTTLS", .startTLS)
        case (.startTLS, 220):
            state = .handshake
            return [.startTLS]
        case (.secureHello, 250): return authenticate()
        case (.authentication, 235): return say("MAIL FROM:<\(from)>", .sender)
        // The credentials may be mended: the mail is kept.
        case (.authentication, _): return end(.failed(problem(code)))
        case (.sender, 250): return askRecipient(0)
        case (.recipient(let index), 250), (.recipient(let index), 251): return askRecipient(index + 1)
        case (.recipient(let index), 500...599):
            refused.append(to[index].text)
            if index + 1 == to.count, refused.count == to.count { return end(.refused(problem(code))) }
            return askRecipient(index + 1)
        case (.data, 354):
            state = .content
            return [.send(Self.stuffed(mail))]
        case (.content, 250): return end(.delivered(refused: refused))
        default: return end(code >= 500 ? .refused(problem(code)) : .failed(problem(code)))
        }
    }

    private mutating func authenticate() -> [Action] {
        guard let credentials else { return say("MAIL FROM:<\(from)>", .sender) }
        let mechanisms = capabilities.first { $0.hasPrefix("AUTH ") }?.split(separator: " ") ?? []
        guard security != .plain, mechanisms.contains("PLAIN") else { return end(.failed(problem(nil))) }
        // RFC 4616 §2: authorization identity, user, password.
        let text = [0] + Array(credentials.user.utf8) + [0] + Array(credentials.password.text.utf8)
        return say("AUTH PLAIN \(Data(text).base64EncodedString())", .authentication)
    }
    private mutating func askRecipient(_ index: Int) -> [Action] {
        guard index < to.count else { return say("DATA", .data) }
        return say("RCPT TO:<\(to[index])>", .recipient(index))
    }
    private mutating func say(_ line: String, _ next: State) -> [Action] {
        state = next
        return [.send(Array("\(line)\r\n".utf8))]
    }
    private mutating func end(_ ending: Ending, isPolite: Bool = true) -> [Action] {
        state = .ended
        return (isPolite ? [.send(Array("QUIT\r\n".utf8))] : []) + [.end(ending)]
    }
    private func problem(_ code: Int?) -> Problem {
        let step =
            switch state {
            case .recipient: "recipient"
            default: "\(state)"
            }
        return Problem(step: step, code: code)
    }

    /// A line that begins with a dot gets another (RFC 5321 §4.5.2); a lone dot ends.
    static func stuffed(_ mail: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(mail.count + 64)
        var isLineStart = true
        for octet in mail {
            if isLineStart, octet == UInt8(ascii: ".") { out.append(octet) }
            out.append(octet)
            isLineStart = octet == UInt8(ascii: "\n")
        }
        if !isLineStart { out += [13, 10] }
        return out + Array(".\r\n".utf8)
    }
}
