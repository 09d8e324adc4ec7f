/// Sends links for new passwords to who asked for one at the own address.
///
/// Invariants: what was asked for waits in a bounded queue, so the answer to who asks takes as long whether the address
/// is known or not; a full queue refuses, and is counted. A token is in the letter and nowhere else.
package import Logging
package import Notify
package import Platform
internal import ServiceLifecycle
package import Telemetry
package import Tenancy

package final class ResetMail: Service {
    package typealias Send = @Sendable (Letter, MailAddress, _ now: Int64) async -> Outbox.Result
    package static let waitingMax = 100

    private let control: ControlLog, link: String?, time: any TimeSource, logger: Logger, send: Send
    private let asked: AsyncStream<String>, entry: AsyncStream<String>.Continuation
    private let sent: Counter, failed: Counter, refused: Counter

    /// - Parameter link: what goes before a `#` and the token; the token alone without.
    package init(
        control: ControlLog, link: String?, time: any TimeSource, registry: MetricRegistry, logger: Logger,
        send: @escaping Send
    ) {
        (self.control, self.link, self.time, self.logger, self.send) = (control, link, time, logger, send)
        (asked, entry) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.waitingMax))
        func counter(_ result: String) -> Counter {
            registry.counter(
                "weir_reset_mails_total", help: "Mails with links for new passwords.", labels: ["result": result])
        }
        (sent, failed, refused) = (counter("sent"), counter("failed"), counter("queue_full"))
    }

    /// - Returns: false when too many wait.
    package func ask(_ email: String) -> Bool {
        guard case .enqueued = entry.yield(String(email.prefix(254))) else {
            refused.add()
            return false
        }
        return true
    }

    package func run() async throws {
        for await email in asked.cancelOnGracefulShutdown() { await answer(email) }
    }

    private func answer(_ email: String) async {
        do {
            var chance = SystemRandomNumberGenerator()
            let now = time.wallMilliseconds()
            guard let made = try control.makeReset(email: email, by: "mail", at: now, using: &chance) else { return }
            guard let address = MailAddress(made.person.email) else {
                failed.add()
                return logger.warning("An address can't be written to.", metadata: ["person": "\(made.person.id)"])
            }
            let result = await send(letter(made.token, made.person, now), address, now)
            guard result == .delivered else {
                failed.add()
                return logger.warning(
                    "A link for a new password was not sent.",
                    metadata: ["person": "\(made.person.id)", "result": "\(result)"])
            }
            sent.add()
        } catch {
            failed.add()
            logger.error("A link for a new password was not made.", metadata: ["error": "\(error)"])
        }
    }

    private func letter(_ token: OpaqueToken, _ person: Person, _ now: Int64) -> Letter {
        let way = link.map { "\($0)#\(token.secret)" } ?? "POST /v1/password/reset with the token \(token.secret)"
        return Letter(
            id: "reset \(person.id) \(now)", subject: "A new password for Weir",
            text: """
                Somebody, probably you, asked for a new password for \(person.email).

                Within an hour you can set one, once:
                \(way)

                If that was not you, nothing has changed, and there is nothing to do.
                """)
    }
}
