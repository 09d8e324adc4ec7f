import Foundation
import Settings
import TestKit
import Testing

@Suite("Settings")
struct SettingsReaderTests {
    @Test(
        "an error names the key, the value, what is allowed, and the place",
        arguments: [
            ("spool:\n  bytesMax: 1", "spool.bytesMax: 1 is outside 67108864...1099511627776 (conf/sensor.yaml:2)"),
            (
                "spool:\n  bytesMax: 8 gigs",
                "spool.bytesMax: 8 gigs is not a size such as 4194304, 64KiB, 8GiB or 500MB (conf/sensor.yaml:2)"
            ),
            (
                "spool:\n  bytesMax:",
                "spool.bytesMax: has no value; leave the line out for the default (conf/sensor.yaml:2)"
            ),
            (
                "spool:\n  bytesMax: [1]",
                "spool.bytesMax: a list is not a size such as 4194304, 64KiB, 8GiB or 500MB (conf/sensor.yaml:2)"
            ),
            (
                "spool:\n  bytesMax: 99999999999999999999TiB",
                "spool.bytesMax: 99999999999999999999TiB is not a size such as 4194304, 64KiB, 8GiB or 500MB"
                    + " (conf/sensor.yaml:2)"
            ),
            ("spool:\n  byteMax: 1", "spool.byteMax: unknown key; did you mean spool.bytesMax? (conf/sensor.yaml:2)"),
            ("spol:\n  bytesMax: 1", "spol: unknown key; did you mean spool? (conf/sensor.yaml:1)"),
            ("spool: 5", "spool: 5 is not a map (conf/sensor.yaml:1)"),
            ("colour: red", "colour: unknown key; allowed here: spool (conf/sensor.yaml:1)"),
            ("", "accepted"), ("spool:\n", "accepted"),
        ])
    func sizes(text: String, error: String) {
        let found = refusal(text) { reader in
            let size = try reader.scoped(to: "spool").bytes(
                "bytesMax", default: 8 << 30, in: (64 << 20)...(1 << 40))
            #expect(size == 8 << 30)
            try reader.checkAllUsed()
        }
        #expect(found == error)
    }

    @Test("all that is wrong is named at once: values, what is missing, unknown keys") func allProblems() throws {
        let text = "name: 5\nspool:\n  bytesMax: 1\n  byteMax: 2\nwindow: soon\ncolour: red\n"
        let reader = try SettingsReader(text: [UInt8](text.utf8), file: "sensor.yaml")
        let found = reader.problems { reader throws(SettingError) in
            _ = try reader.string("name")
            _ = try reader.int("count", default: nil, in: 1...9)
            _ = try reader.scoped(to: "spool").bytes("bytesMax", default: 8, in: 4...16)
            _ = try reader.duration("window", default: .seconds(1), in: .seconds(1) ... .seconds(9))
            try reader.checkAllUsed()
        }
        #expect(found.map(\.key) == ["count", "spool.bytesMax", "window", "spool.byteMax", "colour"])
        let sound = try SettingsReader(text: [], file: "sensor.yaml")
        #expect(sound.problems { reader throws(SettingError) in try reader.checkAllUsed() }.isEmpty)
    }

    @Test("each type refuses what it is not") func types() {
        #expect(
            refusal("a: 5x") { _ = try $0.duration("a", default: nil, in: .seconds(1)...(.seconds(600))) }
                == "a: 5x is not a duration such as 500ms, 10s, 5m, 12h or 7d (conf/sensor.yaml:1)")
        #expect(
            refusal("a: 500ms") { _ = try $0.duration("a", default: nil, in: .seconds(1)...(.seconds(600))) }
                == "a: 500ms is outside 1s...10m (conf/sensor.yaml:1)")
        #expect(
            refusal("a: 1.5") { _ = try $0.int("a", default: 1, in: 0...9) }
                == "a: 1.5 is not a whole number (conf/sensor.yaml:1)")
        #expect(
            refusal("a: nan") { _ = try $0.double("a", default: 1, in: 0...9) }
                == "a: nan is outside 0.0...9.0 (conf/sensor.yaml:1)")
        #expect(
            refusal("a: yes") { _ = try $0.bool("a", default: true) }
                == "a: yes is not true or false (conf/sensor.yaml:1)")
        #expect(
            refusal("a: loud") { _ = try $0.choice("a", default: "info", of: ["info", "error"]) }
                == "a: loud is not one of info, error (conf/sensor.yaml:1)")
        #expect(
            refusal("b: 1") { _ = try $0.scoped(to: "tls").string("trustFile") }
                == "tls.trustFile: missing; set it here or in the environment as WEIR_TLS_TRUST_FILE (conf/sensor.yaml)"
        )
        #expect(refusal("a: ''") { _ = try $0.string("a") } == "a: must not be empty (conf/sensor.yaml:1)")
        #expect(
            refusal("a:\n  - [x]") { _ = try $0.strings("a", default: nil) }
                == "a: a list is not a text (conf/sensor.yaml:2)")
        #expect(
            refusal("a:\n  - x") { _ = try $0.elements(of: "a") } == "a[0]: x is not a map (conf/sensor.yaml:2)")
    }

    @Test("values of all units") func units() throws {
        let reader = try read("a: 500ms\nb: 2h\nc: 64KiB\nd: 2GB\ne: 7\nf: true\ng: 7d\nh: -3\ni: 0.5")
        let any: ClosedRange<Duration> = .zero...(.seconds(10_000_000))
        #expect(try reader.duration("a", default: nil, in: any) == .milliseconds(500))
        #expect(try reader.duration("b", default: nil, in: any) == .seconds(7_200))
        #expect(try reader.bytes("c", default: nil, in: 0...(.max)) == 65_536)
        #expect(try reader.bytes("d", default: nil, in: 0...(.max)) == 2_000_000_000)
        #expect(try reader.bytes("e", default: nil, in: 0...(.max)) == 7)
        #expect(try reader.bool("f", default: false))
        #expect(try reader.duration("g", default: nil, in: any) == .seconds(604_800))
        #expect(try reader.int("h", default: nil, in: -5...5) == -3)
        #expect(try reader.double("i", default: nil, in: 0...1) == 0.5)
        try reader.checkAllUsed()
    }

    @Test("--set beats the environment, which beats the file, which beats the default") func precedence() throws {
        let text = "spool:\n  bytesMax: 1\nlisten:\n  addresses: [a]"
        let environment = ["WEIR_SPOOL_BYTES_MAX": "2", "WEIR_LISTEN_ADDRESSES": "b:1, [::]:2"]
        func size(_ overrides: [String], _ environment: [String: String]) throws -> Int {
            try read(text, overrides: overrides, environment: environment).scoped(to: "spool")
                .bytes("bytesMax", default: 9, in: 0...100)
        }
        #expect(try size([], [:]) == 1)
        #expect(try size([], environment) == 2)
        #expect(try size(["spool.bytesMax=3", "spool.bytesMax=4"], environment) == 4)
        let reader = try read(text, environment: environment)
        #expect(try reader.scoped(to: "listen").strings("addresses", default: nil) == ["b:1", "[::]:2"])
        let set = try read(
            text, overrides: ["listen.addresses=[[::]:1, x]"].map { $0.replacing("[::]", with: "'[::]'") })
        #expect(throws: SettingError.self) { try set.scoped(to: "listen").strings("addresses", default: nil) }
        let quoted = try read(text, overrides: ["listen.addresses=['[::]:1', x]"])
        #expect(try quoted.scoped(to: "listen").strings("addresses", default: nil) == ["[::]:1", "x"])
        let bare = try read(text, overrides: ["listen.addresses=[::]:1"])
        #expect(try bare.scoped(to: "listen").strings("addresses", default: nil) == ["[::]:1"])
    }

    @Test("errors name the environment and the command line as places too") func places() throws {
        func message(_ overrides: [String], _ environment: [String: String]) -> String {
            do {
                let reader = try read("", overrides: overrides, environment: environment)
                _ = try reader.scoped(to: "spool").bytes("bytesMax", default: 9, in: 0...100)
                try reader.checkAllUsed()
                return "accepted"
            } catch {
                return "\(error)"
            }
        }
        #expect(message(["spool.bytesMax=101"], [:]) == "spool.bytesMax: 101 is outside 0...100 (--set)")
        #expect(
            message([], ["WEIR_SPOOL_BYTES_MAX": "x"])
                == "spool.bytesMax: x is not a size such as 4194304, 64KiB, 8GiB or 500MB"
                + " (environment WEIR_SPOOL_BYTES_MAX)")
        #expect(message(["spool.bytes=1"], [:]) == "spool.bytes: unknown key; did you mean spool.bytesMax? (--set)")
        #expect(message(["spool"], [:]) == "spool is not KEY=VALUE (--set)")
        #expect(message(["=1"], [:]) == "=1 is not KEY=VALUE (--set)")
    }

    @Test("unknown keys inside lists of maps are refused too") func insideLists() {
        let text = "tenants:\n  - name: a\n    kyes: b"
        let error = refusal(text) { reader in
            for element in try reader.elements(of: "tenants") {
                _ = try element.string("name")
                _ = try element.strings("keys", default: [])
            }
            try reader.checkAllUsed()
        }
        #expect(error == "tenants[0].kyes: unknown key; did you mean tenants[0].keys? (conf/sensor.yaml:3)")
    }

    @Test("a caller's own refusal carries the value's place; paths start at the file's folder") func callers() throws {
        let reader = try read("tls:\n  key: own.pem\n  trust: /etc/ca.pem")
        let tls = reader.scoped(to: "tls")
        #expect(try tls.path(of: "key") == "conf/own.pem")
        #expect(try tls.path(of: "trust") == "/etc/ca.pem")
        #expect(tls.error("key", "is no key").description == "tls.key: is no key (conf/sensor.yaml:2)")
        #expect(tls.has("key") && !tls.has("certificate"))
    }

    @Test("a file that can't be read is an error with its name") func files() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: SettingError.self) { try SettingsReader(path: folder.path + "/none.yaml") }
        #expect(
            error?.description
                == "can't read the settings file: No such file or directory (\(folder.path)/none.yaml)")
        try Data("log:\n  level: debug\n".utf8).write(to: folder.file("s.yaml"))
        let reader = try SettingsReader(path: folder.path + "/s.yaml")
        #expect(try reader.scoped(to: "log").string("level") == "debug")
    }
}
