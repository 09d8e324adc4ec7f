import FlowModel
import Foundation
import Intake
import TestKit
import Testing

/// An authority and certificates of a test's own, by `openssl`.
struct TLSPapers {
    let folder: TemporaryFolder
    struct Fault: Error, CustomStringConvertible { let description: String }
    static let isPossible = Program.isInstalled("openssl")
    static let why = "needs openssl"

    init() throws {
        folder = try TemporaryFolder("weir-intake-tls")
        for authority in ["ca", "other"] {
            try openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=\(authority)", "-keyout", path("\(authority).key"), "-out", path("\(authority).pem"))
        }
        try issue("collector", name: "collector.example")
        try issue("exporter", name: "r1.example.net")
        try issue("stranger", name: "r1.example.net", by: "other")
    }
    func issue(_ file: String, name: String, by authority: String = "ca", days: Int = 2) throws {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "\(days)",
            "-subj",
            "/CN=\(file)", "-addext", "subjectAltName=DNS:\(name)", "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", path("\(authority).pem"), "-CAkey", path("\(authority).key"), "-keyout", path("\(file).key"), "-out",
            path("\(file).pem"))
    }
    private func openssl(_ arguments: String...) throws {
        let outcome = try Program.run("openssl", arguments)
        guard outcome.status == 0 else { throw Fault(description: outcome.errors) }
    }
    func path(_ name: String) -> String { folder.file(name).path }
    func settings(
        _ clients: TLSServerSettings.Clients = .required, names: [String] = [],
        minimum: TLSServerSettings.Version = .tls13
    ) -> TLSServerSettings {
        TLSServerSettings(
            certificate: path("collector.pem"), key: path("collector.key"), trust: path("ca.pem"), clients: clients,
            clientNames: names, minimum: minimum)
    }
    /// An exporter that connects, sends `bytes` and stays until its value goes.
    func exporter(to port: UInt16, as name: String? = "exporter", _ bytes: [UInt8], options: [String] = []) throws
        -> RunningProgram
    {
        let said = folder.file("said-\(UUID().uuidString)")
        try Data(bytes).write(to: said)
        let identity = name.map { "-cert \(path("\($0).pem")) -key \(path("\($0).key"))" } ?? ""
        return try Program.start(
            "bash",
            [
                "-c",
                "(cat '\(said.path)'; exec sleep 5) | exec openssl s_client -connect 127.0.0.1:\(port) -quiet "
                    + "-CAfile '\(path("ca.pem"))' -verify_return_error -verify_hostname collector.example "
                    + "\(identity) \(options.joined(separator: " "))",
            ], output: folder.file("out"), errors: folder.file("err"))
    }
}

@Suite("IPFIX comes over TLS", .serialized, .enabled(if: TLSPapers.isPossible, Comment(rawValue: TLSPapers.why)))
struct TLSServerTests {
    let papers: TLSPapers
    init() throws { papers = try TLSPapers() }
    private let wire = message(fill: 40_000) + message(fill: 2)

    private func run(
        _ settings: TLSServerSettings, as name: String? = "exporter", options: [String] = []
    ) throws -> StreamRig {
        let rig = try StreamRig(tls: settings)
        let exporter = try papers.exporter(to: rig.listener.port, as: name, wire, options: options)
        defer { exporter.terminate() }
        rig.serve { rig.got.count == 2 || !rig.ends.isEmpty }
        return rig
    }
    private func handshakeFault(_ rig: StreamRig) -> String {
        if case .handshakeFailed(let reason)? = rig.ends.first { reason } else { "" }
    }

    //= RFC 7011 §11.3
    @Test("an exporter with a certificate of a trusted authority is let in, and its messages come whole") func mutual()
        throws
    {
        let rig = try run(papers.settings())
        #expect(rig.got.map(\.bytes) == [message(fill: 40_000), message(fill: 2)])
        #expect(rig.got.allSatisfy { $0.origin.session == 1 })
        #expect(rig.opened.count == 1)
    }

    @Test("an exporter without a certificate, or with another authority's, is refused where one is required")
    func refused() throws {
        let without = try run(papers.settings(), as: nil)
        #expect(handshakeFault(without).contains("peer did not return a certificate"))
        let stranger = try run(papers.settings(), as: "stranger")
        #expect(handshakeFault(stranger).contains("certificate verify failed"))
        #expect(without.got.isEmpty && stranger.got.isEmpty)
        #expect(without.opened.isEmpty && stranger.opened.isEmpty)
    }

    @Test("optional lets in one without a certificate and still refuses a bad one; anonymous does not ask")
    func optional() throws {
        #expect(try run(papers.settings(.optional), as: nil).got.count == 2)
        #expect(handshakeFault(try run(papers.settings(.optional), as: "stranger")).contains("verify failed"))
        #expect(try run(papers.settings(.anonymous), as: "stranger").got.count == 2)
    }

    @Test("with names given, the certificate must carry one as a DNS name") func names() throws {
        let good = try run(papers.settings(names: ["r2.example.net", "r1.example.net"]))
        let name = good.events.compactMap { if case .opened(_, _, let name) = $0 { name } else { nil } }
        #expect(name == ["r1.example.net"])
        #expect(good.got.count == 2)
        let bad = try run(papers.settings(names: ["r2.example.net"]))
        #expect(handshakeFault(bad).contains("none of the names"))
        #expect(bad.got.isEmpty)
    }

    @Test("TLS 1.2 is refused by default and taken where allowed; 1.1 never is") func versions() throws {
        #expect(handshakeFault(try run(papers.settings(), options: ["-tls1_2"])).contains("unsupported protocol"))
        #expect(try run(papers.settings(minimum: .tls12), options: ["-tls1_2"]).got.count == 2)
        let old = try run(papers.settings(minimum: .tls12), options: ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])
        #expect(old.got.isEmpty)
        #expect(old.ends.count == 1)
    }

    @Test("plain bytes on a TLS port, and a handshake that does not end, cost their own connection only") func hostile()
        throws
    {
        let rig = try StreamRig(tls: papers.settings())
        let plain = try TCPClient(to: rig.listener.port), silent = try TCPClient(to: rig.listener.port)
        plain.send(message(fill: 10))
        rig.serve()
        #expect(handshakeFault(rig) != "")
        silent.send([0x16, 3, 1])
        rig.serve()
        rig.time.advance(by: .seconds(11))
        rig.serve()
        #expect(rig.ends.last == .handshakeTimedOut)
        #expect(rig.server.connectionCount == 0)
        let exporter = try papers.exporter(to: rig.listener.port, wire)
        defer { exporter.terminate() }
        rig.serve { rig.got.count == 2 }
        #expect(rig.got.count == 2)
        #expect(plain.fate != .isOpen && silent.fate != .isOpen)
    }

    @Test("replaced files are used for new connections; a half-written pair is refused and the old one stays")
    func reload() throws {
        let rig = try StreamRig(tls: papers.settings())
        try papers.issue("next", name: "collector.example")
        let files = FileManager.default
        try files.removeItem(atPath: papers.path("collector.key"))
        try files.copyItem(atPath: papers.path("next.key"), toPath: papers.path("collector.key"))
        rig.time.advance(by: .seconds(6))
        rig.serve()
        let kept = rig.events.contains {
            if case .identityKept(let why) = $0 { why.contains("is not the key of") } else { false }
        }
        #expect(kept)
        let before = rig.events.count
        rig.time.advance(by: .seconds(6))
        rig.serve()
        #expect(rig.events.count == before)  // said once for one state of the files
        let first = try papers.exporter(to: rig.listener.port, wire)
        defer { first.terminate() }
        rig.serve { rig.got.count == 2 }
        #expect(rig.got.count == 2)
        try files.removeItem(atPath: papers.path("collector.pem"))
        try files.copyItem(atPath: papers.path("next.pem"), toPath: papers.path("collector.pem"))
        rig.time.advance(by: .seconds(6))
        rig.serve()
        #expect(rig.events.contains(.identityReloaded(certificate: papers.path("collector.pem"))))
        let second = try papers.exporter(to: rig.listener.port, wire)
        defer { second.terminate() }
        rig.serve { rig.got.count == 4 }
        #expect(rig.got.count == 4)
    }

    @Test("files that can't be used stop the start, by name") func badFiles() throws {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        var settings = papers.settings()
        settings.certificate = "/nowhere.pem"
        #expect(throws: IntakeError.self) { try settings.check(atMilliseconds: now) }
        settings = papers.settings()
        settings.key = papers.path("exporter.key")
        #expect(
            throws: IntakeError.identity(
                reason: "\(papers.path("exporter.key")) is not the key of \(papers.path("collector.pem"))")
        ) { try settings.check(atMilliseconds: now) }
        #expect(
            throws: IntakeError.identity(reason: "\(papers.path("collector.pem")): the certificate has expired")
        ) { try papers.settings().check(atMilliseconds: now + 3 * 86_400_000) }
        #expect(throws: Never.self) { try papers.settings().check(atMilliseconds: now) }
    }
}
