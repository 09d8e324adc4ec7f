import ArgumentParser
import AsyncHTTPClient
import Crypto
import Enrolment
import Foundation
import NIOCore
internal import NIOHTTP1
import NIOSSL
import SwiftASN1
import X509

extension SensorsCommand {
    struct Invite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a token that a machine at a site becomes a sensor with, once.",
            discussion: """
                Take it there by a way that nobody reads, and give it to 'weirctl sensors enrol'.

                weirctl sensors invite berlin:edge1 --minutes 30 --out edge1.token
                """)
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String
        @Option(help: "How long it is good for, 1 to 10080.") var minutes = 60
        @OptionGroup var secret: SecretOptions

        func run() async throws {
            let made = try await APIClient(connection.profile()).send(
                .POST, "/v1/sensors/\(id)/enrolment", json: ["minutes": minutes])
            try secret.give(RowPrinter.text(made, "token"), named: id)
        }
    }

    struct Invitations: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists tokens that would do now, never the tokens themselves.",
            discussion: "weirctl sensors invitations")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/sensors/enrolments"),
                columns: ["id", "actor", "madeAt", "expiresAt"].map { RowPrinter.column($0) }, whenEmpty: "no tokens")
        }
    }

    struct Disinvite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a sensor's token back.", discussion: "weirctl sensors disinvite berlin:edge1")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/sensors/\(id)/enrolment")
        }
    }

    struct Enrol: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes this machine a sensor, with a token from 'weirctl sensors invite'.",
            discussion: """
                Asks for what to believe, goes on only if that has the hash that the token says, makes a key that never
                leaves this machine, and gets a certificate for it. A sensor whose settings name --out as
                tls.certificate and tls.key, --trust-out as tls.trust, and have tls.renew: true, renews it by itself.

                weirctl sensors enrol --url https://weir.example:8444 --token-file edge1.token --out edge1.pem \
                --trust-out trust.pem
                """)
        @Option(help: "The address of an aggregator's API.") var url: String
        @Option(help: "The file with the token; - is standard input.") var tokenFile: String
        @Option(help: "Where key and certificate go, for their owner only; not over a file that is there.")
        var out: String
        @Option(help: "Where the certificates of those to believe go.") var trustOut: String

        func run() async throws {
            let (token, pin) = try readToken()
            guard !FileManager.default.fileExists(atPath: out) else { throw Failure.usage("\(out) is there already") }
            let believed = try await trust(pinned: pin)
            let key = P256.Signing.PrivateKey()
            let request = try CertificateSigningRequest(
                version: .v1, subject: try DistinguishedName { CommonName("weir-sensor") },
                privateKey: Certificate.PrivateKey(key),
                attributes: CertificateSigningRequest.Attributes([CertificateSigningRequest.Attribute]()))
            let text = try request.serializeAsPEM().pemString
            let answer = try await ask(
                .POST, "/v1/enrolment", ["token": token, "request": text],
                trust: .certificates(try NIOSSLCertificate.fromPEMBytes(Array(believed.utf8))))
            guard let certificate = answer["certificate"] as? String else {
                throw Failure.work("\(url) answered without a certificate")
            }
            try replaceFile(trustOut, with: Data(believed.utf8), isSecret: false)
            try replaceFile(out, with: Data((certificate + key.pemRepresentation + "\n").utf8), isSecret: true)
            print("\(out): a certificate until \(RowPrinter.text(answer, "expiresAt"))")
        }

        private func readToken() throws -> (token: String, pin: String) {
            let text: String
            if tokenFile == "-" {
                text = readLine() ?? ""
            } else {
                guard let read = try? String(contentsOfFile: tokenFile, encoding: .utf8) else {
                    throw Failure.usage("--token-file: \(tokenFile) cannot be read")
                }
                text = read
            }
            let parts = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ".").map(String.init)
            guard parts.count == 2, parts[1].count == 64 else { throw Failure.usage("\(tokenFile) holds no token") }
            return (parts[0] + "." + parts[1], parts[1])
        }

        /// Asked of whoever answers: nothing is told, and nothing is believed that has another hash.
        private func trust(pinned pin: String) async throws -> String {
            let answer = try await ask(.GET, "/v1/enrolment/authorities", nil, trust: nil)
            guard let text = answer["trust"] as? String, CertificateIssuer.pin(of: text) == pin else {
                throw Failure.work("\(url) wants something believed that is not what the token says: nothing was sent")
            }
            return text
        }

        /// - Parameter trust: nil: whoever it is.
        private func ask(
            _ method: HTTPMethod, _ path: String, _ json: [String: String]?, trust: NIOSSLTrustRoots?
        ) async throws -> [String: Any] {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.minimumTLSVersion = .tlsv13
            if let trust { tls.trustRoots = trust } else { tls.certificateVerification = .none }
            var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
            configuration.redirectConfiguration = .disallow
            let client = HTTPClient(configuration: configuration)
            var request = HTTPClientRequest(url: url + path)
            request.method = method
            if let json {
                request.headers.add(name: "content-type", value: "application/json")
                request.body = .bytes(ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: json)))
            }
            do {
                let response = try await client.execute(request, timeout: .seconds(60))
                let body = try await response.body.collect(upTo: 1 << 20)
                try await client.shutdown()
                let object = try? JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any]
                guard response.status == .ok, let object else {
                    let said = [object?["title"], object?["detail"]].compactMap { $0 as? String }
                    throw Failure.work("\(url) says \(response.status.code) \(said.joined(separator: ": "))")
                }
                return object
            } catch {
                try? await client.shutdown()
                if error is Failure { throw error }
                throw Failure.work("\(url) cannot be asked: \(error)")
            }
        }
    }
}
