import FlowModel
internal import NIOCore
package import Notify
package import Settings

/// Submits mail to a server: the connection around `SMTPDialogue`.
package struct MailSender: ChannelSender {
    package struct Server: Equatable, Sendable {
        package var host: String
        package var port: Int
        package var security: SMTPDialogue.Security
        package var user: String?, password: SecretReference?
        /// A PEM file of certificate authorities; the machine's own without.
        package var trust: String?

        package init(host: String, port: Int, security: SMTPDialogue.Security) {
            self.host = host
            self.port = port
            self.security = security
        }
    }

    private let server: Server, rendering: MailRendering, egress: Egress, timeout: Duration

    package init(_ server: Server, rendering: MailRendering, egress: Egress, timeout: Duration = .seconds(60)) {
        self.server = server
        self.rendering = rendering
        self.egress = egress
        self.timeout = timeout
    }

    package func send(_ message: Message, at now: Int64) async -> Outbox.Result {
        await server.submit(
            rendering.mail(message), from: rendering.from, to: rendering.to, as: rendering.rendering.host, egress,
            timeout)
    }
}

/// Sends letters to people, each to one.
package struct LetterSender: Sendable {
    private let server: MailSender.Server, from: MailAddress, name: String, egress: Egress, timeout: Duration

    /// - Parameter name: of this machine, at the server.
    package init(
        _ server: MailSender.Server, from: MailAddress, name: String, egress: Egress, timeout: Duration = .seconds(60)
    ) {
        (self.server, self.from, self.name, self.egress, self.timeout) = (server, from, name, egress, timeout)
    }

    package func send(_ letter: Letter, to address: MailAddress, at now: Int64) async -> Outbox.Result {
        await server.submit(
            letter.mail(from: from, to: address, at: now), from: from, to: [address], as: name, egress, timeout)
    }
}

extension MailSender.Server {
    func submit(
        _ mail: [UInt8], from: MailAddress, to recipients: [MailAddress], as name: String, _ egress: Egress,
        _ timeout: Duration
    ) async -> Outbox.Result {
        await egress.reach(host, IPAddress(host), port: port) { address in
            guard let dialogue = dialogue(mail, from, recipients, name) else { return .failed(retryAfter: nil) }
            let ending = try? await within(timeout) { try await talk(dialogue, to: address) }
            return switch ending {
            case .delivered: .delivered
            case .refused: .refused
            case .failed, nil: .failed(retryAfter: nil)
            }
        }
    }

    /// Nil when the password can't be read.
    private func dialogue(
        _ mail: [UInt8], _ from: MailAddress, _ recipients: [MailAddress], _ name: String
    ) -> SMTPDialogue? {
        var credentials: SMTPDialogue.Credentials?
        if let user, let reference = password {
            guard let password = try? reference.read() else { return nil }
            credentials = .init(user: user, password: password)
        }
        return SMTPDialogue(
            name: name, security: security, credentials: credentials, from: from, to: recipients, mail: mail)
    }

    private func talk(_ start: SMTPDialogue, to address: IPAddress) async throws -> SMTPDialogue.Ending {
        let trust = StreamConnection.Trust(host: host, file: self.trust)
        let connection = try await StreamConnection.open(
            to: address, port: port, trust: security == .implicitTLS ? trust : nil)
        return try await connection.channel.executeThenClose { inbound, outbound in
            var dialogue = start, lines = LineBuffer()
            for try await buffer in inbound {
                lines.add(buffer.readableBytesView)
                while let line = lines.next(octetsMax: SMTPDialogue.lineOctetsMax) {
                    var actions = dialogue.received(line)
                    // What lies behind the answer to STARTTLS came in the clear: it ends the dialogue.
                    if actions == [.startTLS] {
                        if let extra = lines.next(octetsMax: 0) {
                            actions = dialogue.received(extra)
                        } else {
                            try await connection.startTLS(trust)
                            actions = dialogue.secured()
                        }
                    }
                    for action in actions {
                        switch action {
                        case .send(let octets): try await outbound.write(ByteBuffer(bytes: octets))
                        case .end(let ending): return ending
                        case .startTLS: break
                        }
                    }
                }
            }
            throw Disconnected()
        }
    }
    struct Disconnected: Error {}
}

/// Octets as they come, lines as they end.
struct LineBuffer {
    private var octets: [UInt8] = []

    mutating func add(_ more: some Sequence<UInt8>) { octets += more }

    /// A line without its CR LF; one that has not ended, if it is longer than `octetsMax` already.
    mutating func next(octetsMax: Int) -> [UInt8]? {
        guard let end = octets.firstIndex(of: UInt8(ascii: "\n")) else {
            guard octets.count > octetsMax else { return nil }
            defer { octets = [] }
            return octets
        }
        var line = Array(octets[..<end])
        octets.removeSubrange(...end)
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line
    }
}
