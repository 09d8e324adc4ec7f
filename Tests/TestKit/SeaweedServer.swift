internal import Foundation
internal import Platform

/// A real S3 endpoint: SeaweedFS on ports of its own, with two identities, HTTP and HTTPS.
package final class SeaweedServer {
    package static let isInstalled = Program.isInstalled("weed")
    package static let why = "weed (SeaweedFS) is not installed"
    package let folder: TemporaryFolder
    package let plain: String
    package let secure: String
    package var trust: String { folder.file("cert.pem").path }
    private let process: RunningProgram

    package struct Fault: Error { package let problem: String }

    /// - Parameter base: the server listens at `base` to `base + 5` and at those plus 10,000.
    package init(base: Int) async throws {
        folder = try TemporaryFolder("weir-weed")
        plain = "http://127.0.0.1:\(base)"
        secure = "https://127.0.0.1:\(base + 1)"
        try Self.certificate(folder)
        let identities = """
            {"identities": [
              {"name": "weir", "credentials": [{"accessKey": "AKWEIR", "secretKey": "weir-secret"}],
               "actions": ["Admin", "Read", "Write", "List"]},
              {"name": "reader", "credentials": [{"accessKey": "AKREAD", "secretKey": "read-secret"}],
               "actions": ["Read:flows", "List:flows"]}]}
            """
        try makeFile(folder.file("s3.json").path, with: Array(identities.utf8))
        for (name, text) in [
            ("weir.id", "AKWEIR\n"), ("weir.key", "weir-secret\n"), ("read.id", "AKREAD"), ("read.key", "read-secret"),
            ("bad.key", "wrong"),
        ] { try makeFile(folder.file(name).path, with: Array(text.utf8)) }
        try makeFolders(folder.file("data").path)
        func ports(_ name: String, _ offset: Int) -> [String] {
            ["-\(name)port=\(base + offset)", "-\(name)port.grpc=\(base + offset + 10_000)"]
        }
        process = try Program.start(
            "weed",
            ["server", "-dir=\(folder.file("data").path)", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
                + ports("master.", 2) + ports("volume.", 3) + ports("filer.", 4) + ports("s3.", 0)
                + [
                    "-s3.port.https=\(base + 1)", "-s3.cert.file=\(folder.file("cert.pem").path)",
                    "-s3.key.file=\(folder.file("cert.key").path)", "-s3.config=\(folder.file("s3.json").path)",
                    "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=0",
                    "-master.telemetry=false",
                ],
            environment: ["HOME": folder.path], output: folder.file("out"), errors: folder.file("err"))
        try await waitUntilReady()
    }
    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    private static func certificate(_ folder: TemporaryFolder) throws {
        let made = try Program.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", folder.file("cert.key").path, "-out", folder.file("cert.pem").path,
            ])
        guard made.status == 0 else { throw Fault(problem: made.errors) }
    }

    /// Until it lists buckets and has made ours.
    private func waitUntilReady() async throws {
        for _ in 0..<300 {
            let answer = try Program.run(
                "curl",
                [
                    "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "--user", "AKWEIR:weir-secret",
                    "--aws-sigv4", "aws:amz:us-east-1:s3", "\(plain)/flows",
                ])
            if answer.text == "200" || answer.text == "409" { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        let log = (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? ""
        throw Fault(problem: "weed did not start: \(log)")
    }
}
