import ArgumentParser
import Backup
import DataKeys
import Foundation
import ObjectStore
import Platform
import Settings

/// `--config`: the aggregator's own settings file, of which only the data folder, keys and backup are read.
struct NodeOptions: ParsableArguments {
    @Option(help: "The aggregator's settings file.") var config: String
    @Option(name: .long, help: ArgumentHelp("Sets one key, over file and environment.", valueName: "key=value"))
    var set: [String] = []

    func read() throws(Failure) -> BackupSettings {
        do throws(SettingError) {
            return try BackupSettings(SettingsReader(path: config, overrides: set))
        } catch {
            throw .usage("\(error)")
        }
    }
}

/// What this node's storage throws, as a command says it.
func onNode<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as Failure {
        throw error
    } catch BackupError.noBackup(let reason) {
        throw Failure.usage(reason)
    } catch {
        throw Failure.work("\(error)")
    }
}

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Lists, verifies and prunes a node's backups.",
        discussion: "Made and brought back with `weir-aggregator backup` and `weir-aggregator restore`.",
        subcommands: [List.self, Verify.self, Prune.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists backups, oldest first.",
            discussion: "Example: weirctl backup list --config aggregator.yaml")
        @OptionGroup var node: NodeOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let settings = try node.read()
            var printer = RowPrinter(
                rows.chosen,
                columns: ["id", "kind", "chain", "files", "bytes"].map { RowPrinter.column($0) })
            let found = try await onNode {
                let target = try settings.open(time: SystemTime(), random: SystemRandomNumberGenerator())
                var found: [Manifest] = []
                for id in try await target.ids() { found.append(try await target.manifest(id)) }
                return found
            }
            for manifest in found {
                try printer.add([
                    "id": manifest.id, "kind": manifest.isFull ? "full" : "incremental", "chain": manifest.chain,
                    "takenMilliseconds": manifest.takenMilliseconds, "files": manifest.files.count,
                    "bytes": manifest.bytes,
                ])
            }
            printer.finish(whenEmpty: "no backups")
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads backups back and compares every octet with what their manifests say.",
            discussion: "Example: weirctl backup verify --config aggregator.yaml")
        @Option(help: "This backup only; all without.") var id: String?
        @Flag(help: "Compares what is stored, without the wrapping key.") var stored = false
        @OptionGroup var node: NodeOptions

        func run() async throws {
            let settings = try node.read()
            let report = try await onNode {
                let random = SystemRandomNumberGenerator()
                return try await VerifyRun(
                    target: try settings.open(time: SystemTime(), random: random),
                    wrapper: stored ? nil : try settings.keys.wrapper(random: random, makesOwn: false),
                    time: SystemTime()
                ).run(id: id)
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
            for problem in report.problems { complain(problem) }
            guard report.problems.isEmpty else { throw Failure.work("\(report.problems.count) problems") }
        }
    }

    struct Prune: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes the oldest chains: full backups with the incremental ones that build on them.",
            discussion: "Example: weirctl backup prune --keep 4 --config aggregator.yaml")
        @Option(help: "So many chains stay, 1 to 10000.") var keep: Int
        @OptionGroup var node: NodeOptions

        func run() async throws {
            guard (1...10_000).contains(keep) else { throw Failure.usage("--keep: \(keep) is outside 1...10000") }
            let settings = try node.read()
            let gone = try await onNode {
                try await settings.open(time: SystemTime(), random: SystemRandomNumberGenerator())
                    .prune(keeping: keep)
            }
            for id in gone { print(id) }
        }
    }
}
