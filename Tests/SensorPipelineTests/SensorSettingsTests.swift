import Decode
import Dedupe
import Foundation
import HTTP2Client
import Intake
import SensorPipeline
import Settings
import TestKit
import Testing

@Suite("The sensor's settings")
struct SensorSettingsTests {
    static let least = """
        aggregators: [weir.example.org:8443, "[2001:db8::1]:443"]
        trustDomain: example.org
        tls: # relative
          certificate: a.pem
          key: b.pem
          trust: /c.pem
        spool:
          directory: spool

        """
    private func settings(_ text: String, _ overrides: [String] = []) throws -> SensorSettings {
        try SensorSettings(
            SettingsReader(text: [UInt8](text.utf8), file: "/etc/weir/sensor.yaml", overrides: overrides))
    }
    private func refusal(_ overrides: String...) -> String {
        do {
            _ = try settings(Self.least, overrides)
            return "accepted"
        } catch {
            return "\(error)"
        }
    }

    @Test("what must be given is enough; the rest has its documented default") func defaults() throws {
        let sound = try settings(Self.least)
        #expect(sound.listenAddresses.map(\.description) == ["0.0.0.0:2055", "0.0.0.0:4739", "0.0.0.0:6343"])
        #expect(sound.receiveBytes == 32 << 20)
        #expect(sound.aggregators.map(\.authority) == ["weir.example.org:8443", "[2001:db8::1]:443"])
        #expect(sound.tls.certificate == "/etc/weir/a.pem" && sound.tls.trust == "/c.pem")
        #expect(sound.spoolDirectory == "/etc/weir/spool" && sound.spoolBytesMax == 8 << 30)
        // An attack is to be told within 5 s.
        #expect(sound.window == .seconds(3) && sound.entriesMax == 65_536 && sound.rowsMax == 131_072)
        #expect(sound.metricsListen?.description == "127.0.0.1:9465" && sound.logLevel == "info")
        #expect(sound.drain == .seconds(10))
    }

    @Test("each key is refused by name when it is wrong") func wrong() {
        let cases = [
            ("aggregate.window=9999h", "aggregate.window: 9999h is outside 100ms...10m (--set)"),
            ("spool.bytesMax=1", "spool.bytesMax: 1 is outside 1048576...1099511627776 (--set)"),
            (
                "listen.addresses=localhost:2055",
                "listen.addresses: localhost:2055 is not ADDRESS:PORT, such as 0.0.0.0:2055 or [::]:2055 (--set)"
            ),
            ("listen.addresses=0.0.0.0:1,0.0.0.0:1", "listen.addresses: 0.0.0.0:1 is given twice (--set)"),
            ("listen.addresses=[]", "listen.addresses: needs at least one ADDRESS:PORT (--set)"),
            (
                "aggregators=weir.example.org",
                "aggregators: weir.example.org is not HOST:PORT, such as weir.example.org:8443 (--set)"
            ),
            ("aggregators=a:0", "aggregators: a:0 is not HOST:PORT, such as weir.example.org:8443 (--set)"),
            (
                "trustDomain=UPPER",
                "trustDomain: UPPER is not a trust domain: a-z, 0-9, '.', '-' and '_' only (--set)"
            ),
            (
                "metrics.listen=9465",
                "metrics.listen: 9465 is not ADDRESS:PORT, such as 127.0.0.1:9465, nor empty for none (--set)"
            ),
            (
                "log.level=loud",
                "log.level: loud is not one of trace, debug, info, notice, warning, error, critical (--set)"
            ),
            ("listen.tlsMinimum=1.1", "listen.tlsMinimum: 1.1 is not one of 1.2, 1.3 (--set)"),
            ("decode.sflow.identity=host", "decode.sflow.identity: host is not one of agent, socket (--set)"),
            ("dedupe.tolerance=2m", "dedupe.tolerance: 2m is outside 0s...1m (--set)"),
            (
                "dedupe.conversationsMax=1",
                "dedupe.conversationsMax: 1 is outside 1024...16777216 (--set)"
            ),
            ("batch.rowMax=1", "batch.rowMax: unknown key; did you mean batch.rowsMax? (--set)"),
        ]
        for (override, error) in cases { #expect(refusal(override) == error) }
        #expect(refusal("metrics.listen=") == "accepted")
        #expect(refusal("listen.addresses=[::]:2055") == "accepted")
    }

    @Test("sFlow, dedupe and TLS are set by their keys") func depth() throws {
        let plain = try settings(Self.least)
        #expect(plain.decode.sflow == SFlowSettings() && plain.dedupe == ObserverDedupeSettings())
        let set = try settings(
            Self.least,
            [
                "decode.sflow.identity=socket", "decode.sflow.linkDetails=true", "dedupe.tolerance=1500ms",
                "dedupe.conversationsMax=4096", "listen.tls=0.0.0.0:4740", "listen.tlsMinimum=1.2",
                "listen.clientNames=r1.example.net",
            ])
        #expect(set.decode.sflow.identity == .socket && set.decode.sflow.keepsLinkDetails)
        #expect(set.dedupe.toleranceMilliseconds == 1_500 && set.dedupe.conversationsMax == 4_096)
        let tls = try #require(set.streams.first?.tls)
        #expect(tls.minimum == .tls12 && tls.clientNames == ["r1.example.net"] && tls.clients == .required)
    }

    @Test("an elements file that can't be read is refused, whether a name needs it or not") func elements() {
        let found = refusal("decode.elements=absent.csv")
        #expect(found.contains("absent.csv"), "\(found)")
    }

    @Test("what must be given is named when it is not") func missing() {
        let error = #expect(throws: SettingError.self) {
            try settings(Self.least.replacing("trustDomain: example.org\n", with: ""))
        }
        #expect(
            error?.description
                == "trustDomain: missing; set it here or in the environment as WEIR_TRUST_DOMAIN"
                + " (/etc/weir/sensor.yaml)"
        )
    }

    @Test("the example in deploy/examples is sound, and so is each line that it comments out") func example() throws {
        let file = PackageTree.root.appendingPathComponent("deploy/examples/sensor.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        let plain = try settings(text)
        // A line such as "# listen:" or "#   addresses: [...]" becomes a setting; prose stays a comment.
        let uncommented = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.firstMatch(of: /^(  )?# ((  )?[a-z][A-Za-z]*:( .*)?)$/).map { "\($0.output.1 ?? "")\($0.output.2)" }
                ?? String(line)
        }
        let all = try settings(uncommented.joined(separator: "\n"))
        #expect(uncommented.count { $0.hasPrefix("listen:") || $0.hasPrefix("stop:") } == 2)
        #expect("\(all)" == "\(plain)")
    }
}
