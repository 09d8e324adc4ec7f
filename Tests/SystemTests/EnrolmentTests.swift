import Foundation
import TestKit
import Testing

@Suite("Sensors enrol at the aggregator's authority, with the real programs", .serialized)
struct EnrolmentTests {
    private let site: Site

    init() throws {
        site = try Site("enrolment")
        try site.makeKey("admin", ["sensors:admin", "sensors:read"])
        try site.append(
            """
            enrolment:
              certificate: pki/ca.pem
              key: file:pki/ca.key
              life: 24h

            """)
    }

    private func enrol(_ name: String) throws -> Program.Outcome {
        try Program.run(
            "weirctl",
            [
                "sensors", "enrol", "--url", "https://127.0.0.1:\(site.apiPort)", "--token-file", site.path("token"),
                "--out", site.path(name), "--trust-out", site.path("trust.pem"),
            ])
    }
    private func invite(_ id: String) throws {
        try? FileManager.default.removeItem(at: site.folder.file("token"))
        let made = try site.ask("admin", ["sensors", "invite", id, "--out", site.path("token")])
        #expect(made.status == 0, "\(made.errors)")
    }
    private func events() throws -> [[String]] {
        try site.query("data/control.sqlite", "SELECT kind, subject FROM event ORDER BY id")
    }

    @Test("a token makes a machine the sensor that it is for, once; its certificate has that one name and a short life")
    func once() throws {
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        try invite("lab:edge7")
        #expect(try site.rows("admin", ["sensors", "invitations"]).first?["id"] as? String == "lab:edge7")
        let first = try enrol("edge7.pem")
        #expect(first.status == 0, "\(first.errors)")
        let shown = try Program.run("openssl", ["x509", "-in", site.path("edge7.pem"), "-noout", "-text"]).text
        let names = shown.split(separator: "\n").filter { $0.contains("URI:") || $0.contains("DNS:") }
        #expect(
            names.map { $0.trimmingCharacters(in: .whitespaces) }
                == ["URI:spiffe://weir.test/tenant/acme/site/lab/sensor/edge7"])
        let later = try Program.run("openssl", ["x509", "-in", site.path("edge7.pem"), "-noout", "-checkend", "87000"])
        #expect(later.status == 1, "it ends within a day")
        let mode = try FileManager.default.attributesOfItem(atPath: site.path("edge7.pem"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let again = try enrol("edge8.pem")
        #expect(again.status == 1 && again.errors.contains("401"), "\(again.errors)")
        #expect(!FileManager.default.fileExists(atPath: site.path("edge8.pem")))
        #expect(try events().contains(["enrolmentOffered", "lab:edge7"]))
        #expect(try events().contains { $0[0] == "sensorEnrolled" && $0[1].hasPrefix("lab:edge7 certificate ") })
        let token = try String(contentsOf: site.folder.file("token"), encoding: .utf8).prefix(54)
        #expect(token.hasPrefix("weir-enrol_"))
        let file = String(decoding: try Data(contentsOf: site.folder.file("data/control.sqlite")), as: UTF8.self)
        #expect(!file.contains(token), "only its digest is kept")
    }

    @Test("who says other authorities than the token does is told nothing, and a token that was taken back is none")
    func pinned() throws {
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        try invite("lab:edge7")
        let token = try String(contentsOf: site.folder.file("token"), encoding: .utf8)
        let parts = token.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ".")
        let other = String(parts[1].reversed())
        try "\(parts[0]).\(other)".write(to: site.folder.file("token"), atomically: true, encoding: .utf8)
        let refused = try enrol("edge7.pem")
        #expect(refused.status == 1 && refused.errors.contains("nothing was sent"), "\(refused.errors)")
        try token.write(to: site.folder.file("token"), atomically: true, encoding: .utf8)
        #expect(try site.ask("admin", ["sensors", "disinvite", "lab:edge7"]).status == 0)
        let late = try enrol("edge7.pem")
        #expect(late.status == 1 && late.errors.contains("401"), "\(late.errors)")
    }

    @Test("a sensor renews at half of its certificate's life, with another key each time, and ships all the while")
    func renewal() throws {
        let text = try String(contentsOf: site.folder.file("aggregator.yaml"), encoding: .utf8)
        try text.replacing("life: 24h", with: "life: 1m").write(
            to: site.folder.file("aggregator.yaml"), atomically: true, encoding: .utf8)
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        try invite("hq:edge1")
        let first = try enrol("edge1.pem")
        #expect(first.status == 0, "\(first.errors)")
        let settings = try String(contentsOf: site.folder.file("sensor.yaml"), encoding: .utf8)
        try settings.replacing("pki/edge1.pem", with: "edge1.pem").replacing("pki/edge1.key", with: "edge1.pem")
            .replacing("trust: pki/ca.pem", with: "trust: trust.pem\n  renew: true").write(
                to: site.folder.file("sensor.yaml"), atomically: true, encoding: .utf8)
        let before = try Data(contentsOf: site.folder.file("edge1.pem"))
        try site.startSensor()
        try site.wait("two renewals", seconds: 100) {
            try events().filter { $0[0] == "certificateRenewed" }.count >= 2
        }
        #expect(try Data(contentsOf: site.folder.file("edge1.pem")) != before)
        let keys = try site.query("data/control.sqlite", "SELECT count(DISTINCT key), count(*) FROM sensorCertificate")
        #expect(keys.first?[0] == keys.first?[1])
        // The first one has ended, whatever it was: the sensor is in by another.
        Thread.sleep(forTimeInterval: 12)
        #expect(try site.rows("admin", ["sensors", "list"]).first?["connected"] as? Bool == true)
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 4)
        for _ in 0..<20 { exporter.send(source.datagram(records: 20)) }
        try site.wait("its flows") {
            try site.rows("admin", ["sensors", "list"]).first?["flows"] as? Int ?? 0 > 0
        }
    }

    @Test("a revoked sensor comes back with a certificate it is given afterwards, and its old one stays out")
    func afterRevocation() throws {
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        try site.startSensor()
        let connected = { try self.site.rows("admin", ["sensors", "list"]).first?["connected"] as? Bool ?? false }
        try site.wait("the sensor") { try connected() }
        #expect(try site.ask("admin", ["sensors", "revoke", "hq:edge1", "--reason", "stolen"]).status == 0)
        try site.wait("the cut") { try !connected() }
        try invite("hq:edge1")
        #expect(try enrol("edge1.pem").status == 0)
        let new = try Data(contentsOf: site.folder.file("edge1.pem"))
        for name in ["pki/edge1.key", "pki/edge1.pem"] { try new.write(to: site.folder.file(name), options: .atomic) }
        try site.wait("the sensor again", seconds: 90) { try connected() }
    }

    @Test("without an authority nobody enrols, and it is said what is missing") func without() throws {
        let other = try Site("no-authority")
        try other.makeKey("admin", ["sensors:admin"])
        try other.startAggregator()
        try other.wait("the aggregator") { other.isReady() }
        let refused = try other.ask("admin", ["sensors", "invite", "lab:edge7"])
        #expect(refused.status == 1 && refused.errors.contains("enrolment.certificate"), "\(refused.errors)")
    }
}
