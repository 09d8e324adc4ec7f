import Notify
import NotifyChannels
import Passwords
import Platform
import Settings

/// What signing in goes by, beside what is the same everywhere.
///
/// - `people.breachList` (path): a folder of digests of breached passwords, see `BreachList`; no new password may be in
///   it. None without.
/// - `people.mail.server` (HOST:PORT), `.security` (`startTLS`, `implicitTLS`, `plain`), `.user`, `.password`,
///   `.trust`, `.from`: how links for new passwords are sent, as a mail channel of `notify.channels`. None without a
///   server.
/// - `people.resetLink` (text): the https address of a page that asks for a new password; a `#` and the token go after
///   it. Mails have the token alone without.
struct PeopleSettings: Equatable, Sendable {
    struct Mail: Equatable, Sendable {
        let server: MailSender.Server, from: MailAddress
    }
    let breaches: BreachList?, mail: Mail?, resetLink: String?

    init(_ reader: SettingsReader) throws(SettingError) {
        breaches = try reader.optionalPath(of: "breachList").map { folder throws(SettingError) in
            do throws(SystemError) { return try BreachList(folder: folder) } catch {
                throw reader.error("breachList", "\(folder)/00000.txt: \(error)")
            }
        }
        resetLink = try reader.optionalString("resetLink")
        if let resetLink, !resetLink.hasPrefix("https://") || resetLink.contains("#") {
            throw reader.error("resetLink", "\"\(resetLink)\" is not an https address without a #")
        }
        let mail = reader.scoped(to: "mail")
        self.mail =
            mail.has("server")
            ? Mail(server: try MailSender.Server(mail), from: try MailAddress(mail, "from")) : nil
    }

    /// How letters are sent; what may be reached is what `notify` says.
    func sender(_ notify: NotifySettings) -> LetterSender? {
        mail.map { mail in
            var policy = notify.egress
            // The operator wrote the port; what is refused is where it leads to.
            policy.ports = [mail.server.port]
            return LetterSender(
                mail.server, from: mail.from, name: notify.rendering.host, egress: Egress(policy: policy))
        }
    }
}
