import ArgumentParser

/// The command line of operators and analysts: development identities, test traffic, offline detection, and questions
/// to an aggregator.
@main
struct WeirCTL: AsyncParsableCommand {
    static let version = "0.1.0"
    static let configuration = CommandConfiguration(
        commandName: "weirctl",
        abstract: "Works with Weir: certificates, test traffic, offline detection, incidents and flows.",
        discussion: """
            Try it without an aggregator:
              weirctl simulate --scenario mixed --protocol netflow9 --pcap attack.pcap
              weirctl detect attack.pcap

            Ask an aggregator (passwords and keys are never on the command line):
              weirctl login --url https://127.0.0.1:8444 --ca ca.pem --email ada@example.net
              weirctl incidents
              weirctl flows --filter 'dst port 22 and bytes > 1M' --top srcip

            Exit status: 0 done, 1 the work failed, 2 the command line or settings are wrong.
            """,
        version: version,
        subcommands: [
            CertsCommand.self, SimulateCommand.self, DetectCommand.self, LoginCommand.self, LogoutCommand.self,
            WhoAmICommand.self, IncidentsCommand.self, FlowsCommand.self, HuntCommand.self, IntelCommand.self,
            SigmaCommand.self, ModelsCommand.self,
            NetworksCommand.self, SensorsCommand.self, TenantsCommand.self, BackupCommand.self, ExceptionsCommand.self,
            NotifyCommand.self, TrendsCommand.self, ProgramsCommand.self, DetectorsCommand.self,
            MitigationCommand.self, AuditCommand.self, PeopleCommand.self, KeysCommand.self, FeaturesCommand.self,
            ComplianceCommand.self, PrivacyCommand.self, DoctorCommand.self,
        ])

    static func main() async {
        ignoreBrokenPipes()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            complain("weirctl: \(failure.message)")
            end(withStatus: failure.status)
        } catch {
            let status = exitCode(for: error)
            if status == .success { exit(withError: error) }
            // The parser's own code for a wrong command line is 64; ours is 2.
            complain(fullMessage(for: error))
            end(withStatus: status == .validationFailure ? 2 : 1)
        }
    }
}

/// What ends a command, said in one line.
struct Failure: Error {
    let message: String
    let status: Int32

    /// The work could not be done: exit 1.
    static func work(_ message: String) -> Failure { Failure(message: message, status: 1) }
    /// The command line or a setting is wrong: exit 2. Says what, where, and what is allowed.
    static func usage(_ message: String) -> Failure { Failure(message: message, status: 2) }
}
