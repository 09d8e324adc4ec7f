import ArgumentParser

struct ComplianceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compliance",
        abstract: "What the running system shows for controls of SOC 2, ISO 27001 and others.",
        subcommands: [Report.self], defaultSubcommand: Report.self)

    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One line a control: whether its evidence holds now, and what of it does not.",
            discussion: """
                Evidence is what a program can see of itself: keys that end, second factors, an audit log that is whole.
                Much of each control is people's, and is not here.

                weirctl compliance report --framework GDPR
                weirctl compliance report --evidence
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "SOC 2, ISO 27001:2022, PCI DSS 4.0, HIPAA or GDPR; all without.") var framework: String?
        @Flag(help: "One line for each piece of evidence instead, with what was seen.") var evidence = false

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get(
                "/v1/compliance", framework.map { ["framework": $0] } ?? [:])
            if evidence {
                return try rows.printItems(
                    ["items": answer["evidence"] ?? [Any]()],
                    columns: ["id", "holds", "seen", "claim"].map { RowPrinter.column($0) }, whenEmpty: "nothing")
            }
            try rows.printItems(
                ["items": answer["controls"] ?? [Any]()],
                columns: ["framework", "id", "subject", "holds"].map { RowPrinter.column($0) }
                    + [RowPrinter.words("missing")], whenEmpty: "no controls")
        }
    }
}
