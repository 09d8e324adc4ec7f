import ArgumentParser
import Platform
import Tenancy

struct PeopleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "people", abstract: "Invites people into tenants, and lists them.",
        subcommands: [Invite.self, List.self, ResetFactor.self])

    struct Invite: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an invitation and shows its token this once: only its digest is kept.",
            discussion: """
                Example: weir-aggregator people invite ada@example.net --tenant acme --role analyst --out ada.token \
                --config aggregator.yaml
                Who has the token joins with it, for seven days: POST /v1/invitations/accept
                """)
        @Argument(help: "The address of who is invited.") var email: String
        @Option(help: "Into which tenant.") var tenant: String
        @Option(help: "As what: \(Role.allCases.map(\.rawValue).joined(separator: ", ")), or one of the tenant's own.")
        var role: String = Role.viewer.rawValue
        @Option(help: "The only site to be seen, several times. All without.") var site: [String] = []
        @Option(help: "The only exporter, or network of them, to be seen, several times. All without.")
        var exporter: [String] = []
        @Option(help: "The file to write the token to, for its owner only; standard output without.") var out: String?
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let tenant = try tenantID(self.tenant), log = try control(options)
            let reach = Reach(
                sites: site.isEmpty ? nil : Set(site), exporters: exporter.isEmpty ? nil : Set(exporter))
            let made = try administering { () throws(ControlError) in
                var generator = SystemRandomNumberGenerator()
                return try log.invite(
                    email, Standing(role: role, reach: reach), to: tenant, lifetime: 7 * 86_400_000,
                    by: Granter(actor, scopes: nil), at: now, using: &generator)
            }
            guard let out else { return print(made.token.secret) }
            try makeSecretFile(out, made.token.secret + "\n")
            complain("\(made.id) is in \(out)")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists a tenant's members: id, address, role, reach, state.",
            discussion: "Example: weir-aggregator people list --tenant acme --config aggregator.yaml")
        @Option(help: "Whose.") var tenant: String
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let tenant = try tenantID(self.tenant), log = try control(options)
            let directory = try administering { () throws(ControlError) in try log.directory() }
            for (id, standing) in (directory.members[tenant] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let person = directory.people[id], state = person?.isDisabled == false ? "valid" : "disabled"
                print("\(id)\t\(person?.email ?? "")\t\(standing.role)\t\(standing.reach.text)\t\(state)")
            }
        }
    }

    struct ResetFactor: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset-factor",
            abstract: "Takes away the authenticator of who lost it, and the recovery codes.",
            discussion: "Example: weir-aggregator people reset-factor usr-1a2b3c --config aggregator.yaml")
        @Argument(help: "The id that `people list` shows.") var id: String
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let log = try control(options)
            let isGone = try administering { () throws(ControlError) in
                try log.removeFactor(of: id, by: actor, at: now)
            }
            guard isGone else { throw Failure.usage("\(id) has no authenticator") }
        }
    }
}
