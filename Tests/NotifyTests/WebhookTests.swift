import FlowModel
import Foundation
import Notify
import Platform
import Settings
import TestKit
import Testing

@Suite("Webhooks: signatures and where they may go")
struct WebhookTests {
    private func secret(_ text: String) throws -> WebhookSecret {
        try #require(WebhookSecret(Secret(Array(text.utf8))))
    }

    @Test("a signature is that of the published example, and as openssl computes it") func signature() throws {
        let signer = try #require(WebhookSigner([try secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")]))
        let headers = signer.headers(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8))
        #expect(headers.map(\.name) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
        #expect(headers.map(\.value).last == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test("while a secret is rotated both verify; a changed body, id or time, or an old secret alone, does not")
    func rotation() throws {
        let old = try secret("whsec_" + Data(repeating: 1, count: 24).base64EncodedString())
        let new = try secret("whsec_" + Data(repeating: 2, count: 64).base64EncodedString())
        let both = try #require(WebhookSigner([new, old])), onlyNew = try #require(WebhookSigner([new]))
        let signatures = try #require(both.headers(id: "m", timestamp: 1_000, body: [1, 2]).last).value
        #expect(signatures.split(separator: " ").count == 2)
        for receiver in [try #require(WebhookSigner([old])), onlyNew, both] {
            #expect(receiver.verifies(id: "m", timestamp: 1_000, body: [1, 2], signatures: signatures, now: 1_300))
            #expect(!receiver.verifies(id: "m", timestamp: 1_000, body: [1, 3], signatures: signatures, now: 1_000))
            #expect(!receiver.verifies(id: "n", timestamp: 1_000, body: [1, 2], signatures: signatures, now: 1_000))
            #expect(!receiver.verifies(id: "m", timestamp: 1_001, body: [1, 2], signatures: signatures, now: 1_000))
            #expect(!receiver.verifies(id: "m", timestamp: 1_000, body: [1, 2], signatures: signatures, now: 1_301))
        }
        let newAlone = try #require(onlyNew.headers(id: "m", timestamp: 1, body: []).last).value
        #expect(
            !(try #require(WebhookSigner([old]))).verifies(
                id: "m", timestamp: 1, body: [], signatures: newAlone, now: 1))
    }

    @Test("a secret is 24 to 64 octets in base64 and is never printed") func secrets() throws {
        for text in [
            "", "whsec_", "whsec_!!!!", "whsec_" + Data(count: 23).base64EncodedString(),
            "whsec_" + Data(count: 65).base64EncodedString(), Data(count: 32).base64EncodedString(),
        ] { #expect(WebhookSecret(Secret(Array(text.utf8))) == nil) }
        let text = Data((0..<32).map { UInt8($0 + 65) }).base64EncodedString()
        let secret = try secret("whsec_" + text)
        let signer = try #require(WebhookSigner([secret]))
        var dumped = ""
        dump(signer, to: &dumped)
        for shown in ["\(secret)", "\(signer)", String(reflecting: signer), dumped] {
            #expect(!shown.contains(text.prefix(8)) && !shown.contains("ABCDEFG") && !shown.contains("65"))
        }
        #expect(WebhookSigner([]) == nil)
    }

    static let soundURLs: [(String, String)] = [
        ("https://hooks.example.com/a/b?c=d", "https://hooks.example.com/a/b?c=d"),
        ("HTTPS://Hooks.Example.COM", "https://hooks.example.com/"),
        ("https://h.example:443/x", "https://h.example/x"),
        ("https://h.example:8443?x", "https://h.example:8443/?x"),
        ("https://[2001:DB8::1]/x", "https://[2001:db8::1]/x"),
        ("https://192.0.2.1/x", "https://192.0.2.1/x"), ("https://[::ffff:10.0.0.1]/", "https://10.0.0.1/"),
        ("http://x.y-z.example/", "http://x.y-z.example/"),
        ("https://h.example/a@b:c", "https://h.example/a@b:c"),
    ]
    @Test(
        "a URL is what the narrow grammar says",
        arguments: WebhookTests.soundURLs)
    func urls(_ text: String, _ wanted: String) throws {
        let url = try WebhookURL(text)
        #expect(url.text == wanted || url.address?.isV4 == true)
        #expect(try WebhookURL(url.text.replacingOccurrences(of: "[10.0.0.1]", with: "10.0.0.1")).port == url.port)
        // What is connected to is what Foundation, which the HTTP client reads URLs with, finds in it too.
        let other = try #require(URLComponents(string: url.text))
        #expect(
            (other.host ?? "").trimmingCharacters(in: ["[", "]"]) == url.host
                && (other.port ?? url.scheme.port) == url.port)
        #expect(other.user == nil && !"\(url)".contains("c=d"))
    }

    static let trickURLs: [(String, WebhookURLError)] = [
        ("https://user@h.example/", WebhookURLError.userinfo), ("https://a:b@h.example/", .userinfo),
        ("https://h.example@evil.example/", .userinfo), ("https://h.example#@evil.example/", .badOctet),
        ("https://h.example\\@evil.example/", .badOctet), ("https://h.example/\r\nX: y", .badOctet),
        ("https://h.example/ä", .badOctet), ("https://h.ex ample/", .badOctet), ("file:///etc/passwd", .badScheme),
        ("gopher://h.example/", .badScheme), ("ftp://h.example/", .badScheme), ("h.example/", .badScheme),
        ("https:h.example", .badScheme), ("https://", .badHost), ("https:///x", .badHost),
        ("https://127.1/", .badHost),
        ("https://0x7f000001/", .badHost), ("https://2130706433/", .badHost), ("https://0177.0.0.1/", .badHost),
        ("https://127.0.0.1./", .badHost), ("https://h.example./", .badHost), ("https://a.0x7f/", .badHost),
        ("https://[fe80::1%25eth0]/", .badHost), ("https://[fe80::1%eth0]/", .badHost),
        ("https://[127.0.0.1]/", .badHost),
        ("https://h.example/[x]", .badOctet), ("https://h.example/%", .badOctet),
        ("https://h.example/%zz", .badOctet), ("https://[::1/", .badHost), ("https://%6c%6fcalhost/", .badHost),
        ("https://h_x.example/", .badHost),
        ("https://xn--bcher-kva.example/", .badHost), ("https://-h.example/", .badHost),
        ("https://h..example/", .badHost), ("https://h.example:0/", .badPort),
        ("https://h.example:65536/", .badPort), ("https://h.example:/", .badPort),
        ("https://h.example:+443/", .badPort),
        ("https://h.example:443:80/", .badPort), ("https://[::1]443/", .badPort),
        ("https://h.example/" + String(repeating: "a", count: 2_048), .tooLong),
    ]
    @Test(
        "tricks in a URL are refused",
        arguments: WebhookTests.trickURLs)
    func tricks(_ text: String, _ error: WebhookURLError) {
        #expect(throws: error) { try WebhookURL(text) }
    }

    static let specialAddresses: [(String, EgressPolicy.Kind)] = [
        ("127.0.0.1", EgressPolicy.Kind.loopback), ("127.255.255.254", .loopback), ("0.0.0.0", .unspecified),
        ("10.1.2.3", .private), ("172.16.0.1", .private), ("172.31.255.255", .private), ("192.168.1.1", .private),
        ("100.64.0.1", .shared), ("100.127.255.255", .shared), ("169.254.1.1", .linkLocal),
        ("169.254.169.254", .metadata), ("100.100.100.200", .metadata), ("168.63.129.16", .metadata),
        ("fd00:ec2::254", .metadata), ("192.0.2.1", .documentation), ("198.51.100.1", .documentation),
        ("203.0.113.1", .documentation), ("198.18.0.1", .benchmarking), ("198.19.255.255", .benchmarking),
        ("192.0.0.1", .reserved), ("224.0.0.1", .multicast), ("239.255.255.255", .multicast),
        ("240.0.0.1", .reserved),
        ("255.255.255.255", .reserved), ("::", .unspecified), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
        ("::ffff:169.254.169.254", .metadata), ("::7f00:1", .v4Compatible), ("64:ff9b::7f00:1", .nat64),
        ("64:ff9b::8.8.8.8", .nat64), ("64:ff9b:1::1", .nat64), ("2002:7f00:1::1", .sixToFour),
        ("2001::1", .teredo),
        ("2001:db8::1", .documentation), ("2001:10::1", .reserved), ("3fff::1", .documentation),
        ("fc00::1", .uniqueLocal), ("fdff::1", .uniqueLocal), ("fe80::1", .linkLocal), ("fec0::1", .private),
        ("ff02::1", .multicast), ("100::1", .discard), ("5f00::1", .reserved), ("4000::1", .notGlobal),
        ("1::1", .notGlobal), ("e000::1", .notGlobal),
    ]
    @Test(
        "an address that is not anybody's on the Internet is refused, each by its kind",
        arguments: WebhookTests.specialAddresses)
    func addresses(_ text: String, _ kind: EgressPolicy.Kind) throws {
        let address = try #require(IPAddress(text))
        #expect(EgressPolicy.kind(of: address) == kind)
        #expect(throws: EgressPolicy.Refusal.address(address, kind)) { try EgressPolicy().check(address) }
        let name = address.isV4 ? address.description : "[\(address)]"
        let url = try WebhookURL("https://\(name)/")
        #expect(throws: EgressPolicy.Refusal.address(address, kind)) { try EgressPolicy().check(url) }
    }

    @Test(
        "public addresses are allowed",
        arguments: [
            "8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
            "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2003::1",
        ])
    func publicAddresses(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(throws: Never.self) { try EgressPolicy().check(address) }
    }

    @Test("what the operator allows opens that and no more: no metadata service, nothing inside NAT64") func allowed()
        throws
    {
        var policy = EgressPolicy()
        policy.allowed = ["10.0.0.0/8", "169.254.0.0/16", "64:ff9b::/96", "fd00::/8"].compactMap { IPNetwork($0) }
        func isOpen(_ text: String) throws -> Bool {
            let address = try #require(IPAddress(text))
            return (try? policy.check(address)) != nil
        }
        #expect(try isOpen("10.1.2.3") && isOpen("169.254.1.1") && isOpen("fd12::1"))
        #expect(try !isOpen("192.168.0.1") && !isOpen("169.254.169.254") && !isOpen("fd00:ec2::254"))
        #expect(try isOpen("64:ff9b::8.8.8.8") && isOpen("64:ff9b::10.0.0.1"))
        #expect(try !isOpen("64:ff9b::127.0.0.1") && !isOpen("64:ff9b::169.254.169.254"))
        policy.allowed.append(try #require(IPNetwork("169.254.169.254/32")))
        #expect(try isOpen("169.254.169.254"))
    }

    @Test("schemes and ports are https on 443 and 8443 unless more is allowed") func ports() throws {
        let plain = try WebhookURL("http://h.example/"), odd = try WebhookURL("https://h.example:25/")
        #expect(throws: EgressPolicy.Refusal.scheme(.http)) { try EgressPolicy().check(plain) }
        #expect(throws: EgressPolicy.Refusal.port(25)) { try EgressPolicy().check(odd) }
        let usual = try WebhookURL("https://h.example:8443/")
        #expect(throws: Never.self) { try EgressPolicy().check(usual) }
    }

    @Test("no octets make a URL that Foundation reads as another host") func noDisagreement() throws {
        let pieces = [
            "https://", "h.example", "@", ":", "/", "?", "#", "\\", "[", "]", "::1", "127.0.0.1", "443", ".", "%",
            "0x7f",
        ]
        try forAll(runs: 3_000) { generator, seed in
            let count = Int.random(in: 1...8, using: &generator)
            let text = "https://" + (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            guard let url = try? WebhookURL(text) else { return }
            let other = try #require(URLComponents(string: url.text), "SEED=\(seed)")
            let host = (other.host ?? "").trimmingCharacters(in: ["[", "]"])
            #expect(host == url.host && (other.port ?? 443) == url.port && other.user == nil, "SEED=\(seed) \(text)")
        }
    }
}
