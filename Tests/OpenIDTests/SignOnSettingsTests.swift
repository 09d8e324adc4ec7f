import FlowModel
import Identity
import Notify
import OpenID
import Settings
import SignOnClient
import Tenancy
import Testing

@Suite("Settings of providers") struct SignOnSettingsTests {
    private static let whole = """
        url: https://weir.example
        allow: [10.0.0.0/8]
        ports: ["443", "8443"]
        providers:
          - name: corp
            tenant: acme
            issuer: https://id.acme.example
            client: weir
            secret: env:CORP
            trustEmail: true
            roles:
              - group: soc
                role: analyst
              - group: branch
                role: viewer
                sites: [hq]

        """
    private func read(_ yaml: String) throws(SettingError) -> SignOnSettings {
        try SignOnSettings(SettingsReader(text: Array(yaml.utf8), file: "a.yaml"))
    }

    @Test("all there is to say of a provider is read, and nothing needs to be said") func good() throws {
        let settings = try read(Self.whole), provider = try #require(settings.providers.first)
        #expect(settings.url == "https://weir.example" && settings.egress.ports == [443, 8_443])
        #expect(settings.egress.allowed == [try #require(IPNetwork("10.0.0.0/8"))])
        #expect(!settings.egress.schemes.contains(.http))
        #expect(provider.name == "corp" && provider.tenant.rawValue == "acme" && provider.client == "weir")
        #expect(provider.trustsEmail && !provider.allowsPlain && provider.secret == .environment("CORP"))
        #expect(provider.standing(of: ["branch", "soc"]) == Standing(role: "analyst"))
        #expect(provider.standing(of: ["branch"]) == Standing(role: "viewer", reach: Reach(sites: ["hq"])))
        #expect(provider.standing(of: []) == nil && provider.scopes.contains("openid"))
        #expect(try read("").providers.isEmpty)
    }

    @Test(
        "a setting that lets the wrong ones in, or nobody, stops the start",
        arguments: [
            ("url: https://weir.example", "url: http://weir.example"),
            ("url: https://weir.example", "url: https://weir.example/path"), ("url: https://weir.example\n", ""),
            ("issuer: https:", "issuer: http:"), ("    client: weir\n", ""), ("tenant: acme", "tenant: A B"),
            ("name: corp", "name: a/b"), ("10.0.0.0/8", "ten"), (#""8443""#, #""0""#),
            ("    roles:", "    scopes: [email]\n    roles:"),
        ])
    func bad(_ old: String, _ new: String) throws {
        #expect(Self.whole.contains(old))
        let yaml = Self.whole.replacing(old, with: new)
        #expect(throws: SettingError.self, "\(new)") { try read(yaml) }
    }

    @Test("two of one name, or one that lets nobody in, are refused") func others() throws {
        let provider = Self.whole.split(separator: "providers:\n").last ?? ""
        #expect(throws: SettingError.self) { try read(Self.whole + provider) }
        let nobody = Self.whole.split(separator: "    roles:").first ?? ""
        #expect(throws: SettingError.self) { try read(String(nobody)) }
    }
}
