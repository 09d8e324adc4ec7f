import ArgumentParser
import Foundation
import Identity
import Platform
import Tenancy

/// Opens the control log of a data folder; works beside a running service.
func control(_ options: SettingsOptions) throws(Failure) -> ControlLog {
    let settings = try options.read()
    try makeFolder(settings.dataDirectory)
    return try administering { () throws(ControlError) in try ControlLog(folder: settings.dataDirectory) }
}

/// What `ControlLog` refuses, as a command says it.
func administering<Value>(_ body: () throws(ControlError) -> Value) throws(Failure) -> Value {
    do throws(ControlError) {
        return try body()
    } catch {
        switch error {
        case .tenantExists(let tenant): throw .work("the tenant \(tenant) is there already")
        case .unknownTenant(let tenant): throw .usage("there is no tenant \(tenant); see: weir-aggregator tenants list")
        case .unknownKey(let id): throw .usage("there is no key \(id); see: weir-aggregator keys list")
        case .badName(let name): throw .usage("--name: \"\(name)\" is not 1 to 100 characters long")
        case .badReach:
            throw .usage("--site, --exporter: at most \(Reach.membersMax), each of 1 to 100 printable characters")
        case .tooManyNames(let max): throw .work("there are \(max) named networks already")
        case .refused(let refusal): throw .work("refused: \(refusal)")
        case .storage(let reason): throw .work(reason)
        }
    }
}

func tenantID(_ text: String) throws(Failure) -> TenantID {
    guard let tenant = TenantID(text) else {
        throw .usage("\"\(text)\" is not a tenant's name: 1 to 63 of a-z 0-9 -, no hyphen first or last")
    }
    return tenant
}
var actor: String { "cli:\(userName)" }
var now: Int64 { SystemTime().wallMilliseconds() }

struct TenantsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenants", abstract: "Makes and lists tenants.", subcommands: [Create.self, List.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a tenant.",
            discussion: "Example: weir-aggregator tenants create acme --config aggregator.yaml")
        @Argument(help: "Its name, as in its sensors' certificates.") var name: String
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let tenant = try tenantID(name), log = try control(options)
            try administering { () throws(ControlError) in try log.createTenant(tenant, by: actor, at: now) }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists all tenants, a name a line.",
            discussion: "Example: weir-aggregator tenants list --config aggregator.yaml")
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let log = try control(options)
            for tenant in try administering({ () throws(ControlError) in try log.tenants() }) { print(tenant) }
        }
    }
}

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Makes, lists and revokes the API keys of a tenant.",
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key and shows it this once: only its digest is kept.",
            discussion: """
                Example: weir-aggregator keys create --tenant acme --name console --days 90 --out acme.key \
                --config aggregator.yaml
                With --scope flows:read-pseudonyms (and not flows:read) a key sees pseudonyms in the place of addresses,
                and asks with them.
                """)
        @Option(help: "Whose data the key opens.") var tenant: String
        @Option(help: "What people call it.") var name: String
        @Option(
            help: ArgumentHelp(
                "What it may do, several times: \(Scope.allCases.map(\.rawValue).joined(separator: ", ")). "
                    + "All but administration without."))
        var scope: [String] = []
        @Option(help: "The only site whose flows and sensors it sees, several times. All without.")
        var site: [String] = []
        @Option(help: "The only exporter, or network of them, whose flows it sees, several times. All without.")
        var exporter: [String] = []
        @Option(help: "How long it is good for, 1 to 3650; for ever without.") var days: Int?
        @Option(help: "The file to write the key to, for its owner only; standard output without.") var out: String?
        @OptionGroup var options: SettingsOptions

        func run() throws {
            if let days, !(1...3_650).contains(days) { throw Failure.usage("--days: \(days) is outside 1...3650") }
            if let out, FileManager.default.fileExists(atPath: out) {
                throw Failure.usage("--out: \(out) is there already")
            }
            let scopes = try scope.map { text throws(Failure) in
                guard let scope = Scope(rawValue: text) else {
                    throw .usage("--scope: \"\(text)\" is none; see --help")
                }
                return scope
            }
            let tenant = try tenantID(self.tenant), log = try control(options), time = now
            let expiry = days.map { time + Int64($0) * 86_400_000 }
            let made = try administering { () throws(ControlError) in
                var generator = SystemRandomNumberGenerator()
                return try log.createKey(
                    tenant: tenant, name: name, scopes: scopes.isEmpty ? Scope.usual : Set(scopes),
                    reach: Reach(
                        sites: site.isEmpty ? nil : Set(site), exporters: exporter.isEmpty ? nil : Set(exporter)),
                    expiresMilliseconds: expiry, by: actor, at: time, using: &generator)
            }
            guard let out else { return print(made.key.secret) }
            try makeSecretFile(out, made.key.secret + "\n")
            complain("\(made.record.id) is in \(out)")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists a tenant's keys: id, name, state, scopes. Never the keys themselves.",
            discussion: "Example: weir-aggregator keys list --tenant acme --config aggregator.yaml")
        @Option(help: "Whose.") var tenant: String
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let tenant = try tenantID(self.tenant), log = try control(options), time = now
            for key in try administering({ () throws(ControlError) in try log.keys(of: tenant) }) {
                let isOver = key.expiresMilliseconds.map { $0 <= time } ?? false
                let state = key.revokedMilliseconds != nil ? "revoked" : isOver ? "expired" : "valid"
                print("\(key.id)\t\(key.name)\t\(state)\t\(key.scopes.map(\.rawValue).sorted().joined(separator: " "))")
            }
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes a key, from the next request on.",
            discussion: "Example: weir-aggregator keys revoke key-1a2b3c --config aggregator.yaml")
        @Argument(help: "The id that `keys list` shows.") var id: String
        @OptionGroup var options: SettingsOptions

        func run() throws {
            let log = try control(options)
            try administering { () throws(ControlError) in try log.revokeKey(id: id, by: actor, at: now) }
        }
    }
}
