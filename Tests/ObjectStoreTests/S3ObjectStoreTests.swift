import Foundation
import ObjectStore
import Platform
import Settings
import TestKit
import Testing

@Suite("Objects at an S3 endpoint", .serialized, .enabled(if: SeaweedServer.isInstalled, "\(SeaweedServer.why)"))
struct S3ObjectStoreTests {
    private func settings(
        _ server: SeaweedServer, secure: Bool = false, who: String = "weir", key: String? = nil, prefix: String = "",
        trust: String? = nil, bucket: String = "flows"
    ) throws -> S3Settings {
        try #require(
            S3Settings(
                endpoint: secure ? server.secure : server.plain, region: "us-east-1", bucket: bucket, prefix: prefix,
                isPathStyle: true, accessKey: .file(server.folder.file("\(who).id").path),
                secretKey: .file(server.folder.file("\(key ?? who).key").path), trust: trust))
    }
    private func store(_ settings: S3Settings) -> S3ObjectStore {
        S3ObjectStore(
            settings, time: SystemTime(), random: SystemRandomNumberGenerator(), firstPause: .milliseconds(10))
    }

    @Test("SeaweedFS holds to the contract, over TLS with our own authority and below a prefix") func contract()
        async throws
    {
        let server = try await SeaweedServer(base: 18_633)
        try await ObjectStoreContract.check(
            store(settings(server, secure: true, prefix: "site=a/weir", trust: server.trust)))
        // Another prefix of the bucket has none of it.
        let beside = store(try settings(server, prefix: "site=a/weir2"))
        let page = try await beside.list(prefix: "", after: nil, limit: 10)
        #expect(page.objects.isEmpty)
        try await refusals(server)
    }

    private func refusals(_ server: SeaweedServer) async throws {
        let name = try ObjectName("x")
        func refused(_ settings: S3Settings, _ part: String) async {
            await #expect { try await store(settings).put(name, [1]) } throws: { error in
                guard case ObjectStoreError.refused(let text) = error else { return false }
                return text.contains(part) && !text.contains("secret") && !text.contains("AKWEIR")
            }
        }
        await refused(try settings(server, key: "bad"), "SignatureDoesNotMatch")
        await refused(try settings(server, who: "read"), "AccessDenied")
        await refused(try settings(server, key: "absent"), "absent.key is not there")
        await refused(try settings(server, who: "read", bucket: "nobody"), "AccessDenied")
        // An authority that did not sign its certificate: no connection, said after the tries.
        await #expect { try await store(settings(server, secure: true)).get(name) } throws: { error in
            if case ObjectStoreError.unavailable = error { true } else { false }
        }
        await #expect { try await store(settings(server, bucket: "nobody")).get(name) } throws: { error in
            error as? ObjectStoreError == .refused("s3:nobody: status 404, NoSuchBucket")
                || error as? ObjectStoreError == .notFound(name)
        }
    }

    @Test("what nobody answers is tried several times and then said") func unavailable() async throws {
        let folder = try TemporaryFolder()
        for name in ["id", "key"] { try makeFile(folder.file(name).path, with: Array("x".utf8)) }
        let settings = try #require(
            S3Settings(
                endpoint: "http://127.0.0.1:9", region: "us-east-1", bucket: "flows", isPathStyle: true,
                accessKey: .file(folder.file("id").path), secretKey: .file(folder.file("key").path)))
        await #expect { try await store(settings).get(try ObjectName("x")) } throws: { error in
            guard case ObjectStoreError.unavailable(let text) = error else { return false }
            return text.hasSuffix("after 6 tries")
        }
    }
}

@Suite("Where objects go")
struct ObjectStoreSettingsTests {
    private func read(_ lines: String) throws -> ObjectStoreSettings? {
        try ObjectStoreSettings(SettingsReader(text: Array(lines.utf8), file: "/etc/weir/a.yaml").scoped(to: "backup"))
    }

    @Test("a folder, AWS and another endpoint are told from their settings") func kinds() throws {
        #expect(try read("a: b\n") == nil)
        #expect(try read("backup:\n  to: folder:/var/b\n") == .folder("/var/b"))
        #expect(try read("backup:\n  to: folder:b\n") == .folder("/etc/weir/b"))
        guard case .s3(let aws)? = try read("backup:\n  to: s3:flows/a/b\n  region: eu-central-1\n") else {
            Issue.record("no S3")
            return
        }
        #expect(aws.host == "flows.s3.eu-central-1.amazonaws.com" && aws.scheme == "https" && !aws.isPathStyle)
        #expect(aws.prefix == "a/b" && aws.secretKey == .environment("AWS_SECRET_ACCESS_KEY"))
        guard
            case .s3(let own)? = try read(
                "backup:\n  to: s3:flows\n  endpoint: https://s3.example:8333\n  secretKey: file:/run/k\n")
        else {
            Issue.record("no S3")
            return
        }
        #expect(own.host == "s3.example:8333" && own.isPathStyle && own.secretKey == .file("/run/k"))
    }

    @Test(
        "what is no place, not safe, or a secret itself is refused",
        arguments: [
            "to: /var/b", "to: s3:", "to: s3:UPPER", "to: s3:flows/../x", "to: s3:flows\n  endpoint: http://s3.example",
            "to: s3:flows\n  endpoint: https://u:p@s3.example", "to: s3:flows\n  secretKey: wJalrXUtnFEMI",
        ]) func refused(_ lines: String) throws
    {
        #expect { try read("backup:\n  \(lines)\n") } throws: { error in
            error is SettingError && !"\(error)".contains("wJalrXU")
        }
    }
}
