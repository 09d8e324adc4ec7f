import Foundation
import TestKit
import Testing

/// The built program's settings and local administration, as an operator meets them.
@Suite("weir-aggregator", .enabled(if: Program.isInstalled("weir-aggregator"), "weir-aggregator is not built"))
struct ServerChannelProgramTests {
    /// A folder with the example settings and the certificates that they name.
    private struct Site {
        let folder: TemporaryFolder
        var path: String { folder.path }

        init() throws {
            folder = try TemporaryFolder("weir-site")
            let example = PackageTree.root.appendingPathComponent("deploy/examples/aggregator.yaml")
            try FileManager.default.copyItem(at: example, to: folder.file("aggregator.yaml"))
            let authority = try Authority("weir.example"), certificates = folder.file("certs")
            try FileManager.default.createDirectory(at: certificates, withIntermediateDirectories: true)
            for (from, to) in [("agg1.pem", "aggregator.pem"), ("agg1.key", "aggregator.key"), ("ca.pem", "ca.pem")] {
                try FileManager.default.copyItem(
                    at: authority.folder.file(from), to: certificates.appendingPathComponent(to))
            }
        }
        func run(_ arguments: String...) throws -> Program.Outcome {
            try Program.run("weir-aggregator", arguments + ["--config", "\(path)/aggregator.yaml"])
        }
    }

    @Test("the example settings are accepted")
    func example() throws {
        let outcome = try Site().run("check")
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test(
        "a wrong setting ends the program with 2 and names the key, the value and what is allowed",
        arguments: [
            ("sensors.listen=8443", ["sensors.listen", "8443", "HOST:PORT"]),
            ("sensors.listen=::1:8443", ["sensors.listen", "brackets"]),
            ("trustDomain=Weir", ["trustDomain", "Weir", "a-z"]),
            ("sensors.connectionAgeMax=1s", ["sensors.connectionAgeMax", "1s", "10s"]),
            ("sensors.conectionsMax=3", ["sensors.conectionsMax", "did you mean sensors.connectionsMax"]),
            ("api.key=certs/ca.pem", ["certs/ca.pem", "no private key"]),
            ("api.certificate=none.pem", ["none.pem", "No such file"]),
            ("log.level=loud", ["log.level", "loud", "info"]),
        ])
    func wrong(_ setting: String, _ words: [String]) throws {
        for command in ["check", "run"] {
            let outcome = try Site().run(command, "--set", setting)
            #expect(outcome.status == 2, "\(command): \(outcome.errors)")
            for word in words { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        }
    }

    @Test("tenants and keys are made, listed and revoked; a key is shown once, in a file of its owner's only")
    func administration() throws {
        let site = try Site(), file = site.path + "/acme.key"
        #expect(try site.run("keys", "create", "--tenant", "acme", "--name", "early").status == 2)
        #expect(try site.run("tenants", "create", "acme").status == 0)
        #expect(try site.run("tenants", "create", "acme").status == 1)
        #expect(try site.run("tenants", "create", "ACME").status == 2)
        #expect(try site.run("tenants", "list").text == "acme\n")
        let made = try site.run("keys", "create", "--tenant", "acme", "--name", "console", "--out", file)
        #expect(made.status == 0, "\(made.errors)")
        #expect(try site.run("keys", "create", "--tenant", "acme", "--name", "x", "--out", file).status == 2)
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let secret = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .newlines)
        #expect(secret.hasPrefix("weir_"))
        let listed = try site.run("keys", "list", "--tenant", "acme").text
        #expect(listed.contains("\tconsole\tvalid\t") && !listed.contains(secret))
        let id = try require(listed.split(separator: "\t").first.map(String.init))
        #expect(try site.run("keys", "revoke", id).status == 0)
        #expect(try site.run("keys", "list", "--tenant", "acme").text.contains("\tconsole\trevoked\t"))
        #expect(try site.run("keys", "revoke", "key-none").status == 2)
    }

    @Test("people are invited with a token that is shown once; the audit log is checked against heads from before")
    func people() throws {
        let site = try Site(), config = "\(site.path)/aggregator.yaml"
        func audit(_ arguments: String...) throws -> Program.Outcome {
            try Program.run("weirctl", ["audit", "verify", "--config", config] + arguments)
        }
        #expect(try site.run("tenants", "create", "acme").status == 0)
        let before = try audit()
        #expect(before.status == 0 && before.text.hasPrefix("1:") && before.text.count == 67, "\(before.errors)")
        let invited = try site.run("people", "invite", "ada@example.net", "--tenant", "acme", "--site", "hq")
        #expect(invited.status == 0 && invited.text.hasPrefix("weir-invitation_"), "\(invited.errors)")
        let unknown = try site.run("people", "invite", "ada@example.net", "--tenant", "acme", "--role", "emperor")
        #expect(unknown.status == 1 && unknown.errors.contains("unknownRole"))
        #expect(try site.run("people", "list", "--tenant", "acme").text.isEmpty, "nobody has joined")
        let head = before.text.trimmingCharacters(in: .newlines)
        let after = try audit("--head", head)
        #expect(after.status == 0 && after.text.hasPrefix("2:"))
        let later = try audit("--head", "9" + head.dropFirst())
        #expect(later.status == 1 && later.errors.contains("it ends with event 2, and had 9"), "\(later.errors)")
        let other = try audit("--head", "1:" + String(repeating: "a", count: 64))
        #expect(other.status == 1 && other.errors.contains("event 1 is not that of the head"))
        #expect(try audit("--head", "yesterday").status == 2)
    }
}
