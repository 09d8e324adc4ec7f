import ArgumentParser
import Backup
import DataKeys
import Foundation
import Identity
import Platform
import Settings

/// The keys of tenants, on the node itself: no program that is not there may have them.
struct TenantsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenants", abstract: "Shows, rotates and destroys tenants' data keys, on their node.",
        discussion: "Works beside the running service, which sees a change within 40 seconds.",
        subcommands: [Keys.self, RotateKey.self, DestroyKey.self, RewrapKeys.self])

    struct Keys: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "keys", abstract: "Lists all data keys: owner, version, what wrapped it. Never the keys.",
            discussion: "Example: weirctl tenants keys --config aggregator.yaml")
        @OptionGroup var node: NodeOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let settings = try node.read()
            let (found, gone) = try await onNode {
                let file = try KeyFile(directory: settings.dataDirectory)
                defer { file.close() }
                return (try file.rows(), try file.destroyed())
            }
            var printer = RowPrinter(
                rows.chosen, columns: ["tenant", "version", "state", "wrappedBy"].map { RowPrinter.column($0) })
            let newest = Dictionary(found.map { ($0.owner, $0.version) }) { max($0, $1) }
            for row in found {
                try printer.add([
                    "tenant": row.owner, "version": Int(row.version), "wrappedBy": row.wrapped.by,
                    "state": newest[row.owner] == row.version ? "current" : "old",
                    "madeMilliseconds": row.madeMilliseconds,
                ])
            }
            for (owner, time) in gone.sorted(by: { $0.key < $1.key }) {
                try printer.add(["tenant": owner, "state": "destroyed", "destroyedMilliseconds": time])
            }
            printer.finish(whenEmpty: "no keys")
        }
    }

    struct RotateKey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate-key",
            abstract: "Makes a new version of a tenant's data key: what is stored from now on has it.",
            discussion: "Example: weirctl tenants rotate-key acme --config aggregator.yaml")
        @Argument(help: "The tenant.") var tenant: String
        @OptionGroup var node: NodeOptions

        func run() async throws {
            let owner = try owner(tenant), settings = try node.read()
            let version = try await onNode {
                try settings.keys.keys(
                    in: settings.dataDirectory, random: SystemRandomNumberGenerator(), time: SystemTime()
                ).rotate(owner)
            }
            print("\(tenant): version \(version)")
        }
    }

    struct DestroyKey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "destroy-key",
            abstract: "Destroys a tenant's data key, here and at the backups' place. Its history is gone for ever.",
            discussion: """
                Example: weirctl tenants destroy-key acme --yes --config aggregator.yaml
                Nothing brings the data back, no backup either. The tenant can store nothing more.
                """)
        @Argument(help: "The tenant.") var tenant: String
        @Flag(help: "Needed: there is no way back.") var yes = false
        @OptionGroup var node: NodeOptions

        func run() async throws {
            let owner = try owner(tenant), settings = try node.read()
            guard yes else {
                throw Failure.usage("this destroys all flow history of \(tenant), in backups too; add --yes to do it")
            }
            let count = try await onNode {
                try await settings.destroyKey(
                    of: owner, time: SystemTime(), random: SystemRandomNumberGenerator())
            }
            print("\(tenant): \(count) versions destroyed")
            if settings.target == nil {
                complain("backup.to is not set: copies of keys.sqlite that were made elsewhere are yours to remove")
            }
        }
    }

    struct RewrapKeys: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rewrap-keys",
            abstract: "Wraps all data keys with another key-encryption key; then change keys.wrap.",
            discussion: """
                Example: weirctl tenants rewrap-keys --to file:/etc/weir/new.kek --config aggregator.yaml
                Backups that were made before need the old one.
                """)
        @Option(help: "As keys.wrap: file:PATH, env:NAME or transit:https://HOST:PORT/MOUNT/KEY.") var to: String
        @OptionGroup var node: NodeOptions

        func run() async throws {
            let settings = try node.read(), other: BackupSettings
            do throws(SettingError) {
                other = try BackupSettings(
                    SettingsReader(path: node.config, overrides: node.set + ["keys.wrap=\(to)"]))
            } catch {
                throw Failure.usage("--to: \(error)")
            }
            let count = try await onNode {
                let random = SystemRandomNumberGenerator()
                return try settings.keys.keys(in: settings.dataDirectory, random: random, time: SystemTime())
                    .rewrap(with: try other.keys.wrapper(random: random))
            }
            print("\(count) keys wrapped; now set keys.wrap to \(to)")
        }
    }
}

private func owner(_ text: String) throws(Failure) -> KeyOwner {
    guard let tenant = TenantID(text) else {
        throw .usage("\"\(text)\" is not a tenant's name: 1 to 63 of a-z 0-9 -, no hyphen first or last")
    }
    return .tenant(tenant)
}
