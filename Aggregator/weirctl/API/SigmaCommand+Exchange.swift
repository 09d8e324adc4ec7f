import ArgumentParser
import Foundation
internal import NIOCore
internal import NIOHTTP1
import Sigma

extension SigmaCommand {
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes the tenant's rules as one text of YAML, for other programs.",
            discussion: "weirctl sigma export --origin own --state enabled > rules.yml")
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "Only shared, file (of the tenant's folder) or own.") var origin: String?
        @Option(help: "Only draft, test, enabled or disabled.") var state: String?

        func run() async throws {
            let query = ["origin": origin, "state": state].compactMapValues { $0 }
            try await APIClient(connection.profile()).download("/v1/sigma/export", query) { piece in
                FileHandle.standardOutput.write(Data(piece.readableBytesView))
            }
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts all rules of files as the tenant's own.",
            discussion: """
                weirctl sigma import rules/*.yml                 as drafts
                weirctl sigma import rules.yml --state test      (exit status 1 when one was not taken)
                """)
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Files of rules; '-' for standard input.") var files: [String]
        @Option(help: "draft, test, enabled or disabled.") var state = "draft"

        func run() async throws {
            let client = APIClient(try connection.profile())
            var waiting: [SigmaDocument] = [], failed = 0
            for file in files {
                let parse = SigmaParse(try SigmaFilesRead.text(file))
                waiting += parse.documents
                for refusal in parse.refusals {
                    failed += 1
                    complain("weirctl: \(file): \(refusal.title): \(refusal.issues.first?.description ?? "unreadable")")
                }
            }
            // Correlations and filters need the rules that they name, which may come after them.
            waiting.sort { $0.isRule && !$1.isRule }
            for document in waiting {
                let key = document.metadata.key
                do {
                    _ = try await client.send(
                        .PUT, Show.path(key), json: ["text": document.yaml, "state": state])
                    print("taken    \(document.metadata.title)")
                } catch let failure as Failure {
                    failed += 1
                    print("refused  \(document.metadata.title)")
                    complain("weirctl: \(failure.message)")
                }
            }
            if failed > 0 { throw Failure.work("\(failed) were not taken") }
        }
    }

    struct Versions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What was said about a rule, when and by whom; one version as YAML.",
            discussion: """
                weirctl sigma versions KEY
                weirctl sigma versions KEY --show 3 > rule.yml && weirctl sigma set KEY --file rule.yml
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Argument(help: "The rule's id, else its name, else its title.") var key: String
        @Option(help: "Writes the rule of this version.") var show: Int?

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get(Show.path(key) + "/versions")
            guard let show else {
                return try rows.printItems(
                    answer, columns: ["version", "at", "actor", "state", "level"].map { RowPrinter.column($0) },
                    whenEmpty: "nothing was said about it")
            }
            let items = answer["items"] as? [[String: Any]] ?? []
            guard let version = items.first(where: { $0["version"] as? Int == show }) else {
                throw Failure.usage("--show: there is no version \(show)")
            }
            guard let text = version["text"] as? String else {
                throw Failure.work("version \(show) says only \(version["state"] ?? "another level") of a shared rule")
            }
            print(text, terminator: text.hasSuffix("\n") ? "" : "\n")
        }
    }
}

extension SigmaDocument {
    fileprivate var isRule: Bool {
        if case .rule = self { true } else { false }
    }
}
