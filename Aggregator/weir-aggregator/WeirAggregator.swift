import ArgumentParser

/// The aggregator's program: settings become real clocks, files and listeners in one service group; and the local
/// administration of tenants and keys. No logic of its own.
@main
struct WeirAggregator: AsyncParsableCommand {
    static let version = "0.1.0"
    static let configuration = CommandConfiguration(
        commandName: "weir-aggregator",
        abstract: "Stores the flows that sensors send, detects attacks, and answers each tenant about its own.",
        discussion: """
            First steps:
              weir-aggregator check --config aggregator.yaml
              weir-aggregator tenants create acme --config aggregator.yaml
              weir-aggregator keys create --tenant acme --name console --config aggregator.yaml --out acme.key
              weir-aggregator people invite ada@example.net --tenant acme --config aggregator.yaml
              weir-aggregator run --config aggregator.yaml

            Keep what cannot be made again:
              weir-aggregator backup --config aggregator.yaml
              weir-aggregator verify --config aggregator.yaml

            Who is told of incidents:
              weir-aggregator notify test CHANNEL --config aggregator.yaml

            Tenants and keys can be changed while the service runs; it sees them with the next request.
            Exit status: 0 done, 1 the work failed, 2 the command line or settings are wrong.
            """,
        version: version,
        subcommands: [
            RunCommand.self, CheckCommand.self, HealthCommand.self, TenantsCommand.self, KeysCommand.self,
            PeopleCommand.self, BackupCommand.self, RestoreCommand.self, VerifyCommand.self, NotifyCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            complain("weir-aggregator: \(failure.message)")
            endProcess(failure.status)
        } catch {
            let status = exitCode(for: error)
            if status == .success { exit(withError: error) }
            // The parser's own code for a wrong command line is 64; ours is 2.
            complain(fullMessage(for: error))
            endProcess(status == .validationFailure ? 2 : 1)
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
