import ArgumentParser
import FlowModel
import Foundation
import Identity
import SwiftASN1
import X509

struct CertsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certs", abstract: "Makes and explains development identities; production brings its own.",
        discussion: """
            weirctl certs init ./pki --trust-domain weir.test
            weirctl certs issue aggregator ./pki --name node1 --host aggregator.example
            weirctl certs issue sensor ./pki --tenant acme --site hq --name edge1
            weirctl certs show ./pki/edge1.pem
            """,
        subcommands: [Init.self, Issue.self, Renew.self, Show.self])
}

extension CertsCommand {
    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an authority in a folder.",
            discussion: "weirctl certs init ./pki --trust-domain weir.test")
        @Argument(help: "The folder for ca.pem, ca.key and trust-domain.") var folder: String
        @Option(help: "The SPIFFE trust domain of all identities.") var trustDomain = "weir.test"
        @Option(help: "Days that the root is valid, 1 to 3650.") var days = 365

        func run() throws {
            guard (try? SPIFFEID("spiffe://\(trustDomain)/aggregator/a")) != nil else {
                throw Failure.usage("--trust-domain: \(trustDomain) is not a trust domain (a-z 0-9 . - _)")
            }
            guard (1...3_650).contains(days) else { throw Failure.usage("--days: \(days) is outside 1...3650") }
            try Authority.create(in: URL(fileURLWithPath: folder), trustDomain: trustDomain, days: days)
        }
    }

    struct Issue: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Issues the identity of a sensor or an aggregator.", subcommands: [Sensor.self, Aggregator.self])
    }

    struct Validity: ParsableArguments {
        @Option(help: "Hours that the certificate is valid, 1 to 8760.") var hours = 24 * 30
        @Option(help: "Path of the files to write, without .pem and .key; by default FOLDER/NAME.") var out: String?

        func seconds() throws -> TimeInterval {
            guard (1...8_760).contains(hours) else { throw Failure.usage("--hours: \(hours) is outside 1...8760") }
            return TimeInterval(hours) * 3_600
        }
        func base(in authority: Authority, name: String) -> String {
            out ?? authority.folder.appendingPathComponent(name).path
        }
    }
}

extension CertsCommand.Issue {
    struct Sensor: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A sensor's identity, which names its tenant.",
            discussion: "weirctl certs issue sensor ./pki --tenant acme --site hq --name edge1")
        @Argument(help: "The authority's folder.") var folder: String
        @Option(help: "The tenant that all its flows belong to.") var tenant: String
        @Option(help: "The site where it stands.") var site: String
        @Option(help: "Its name at the site.") var name: String
        @OptionGroup var validity: CertsCommand.Validity

        func run() throws {
            let authority = try Authority(folder: URL(fileURLWithPath: folder))
            let text = "spiffe://\(authority.trustDomain)/tenant/\(tenant)/site/\(site)/sensor/\(name)"
            guard (try? SPIFFEID(text)) != nil else {
                throw Failure.usage("\(text) is not an identity: names are a-z 0-9 - . _, a tenant a DNS label")
            }
            try authority.issue(
                [.uniformResourceIdentifier(text)], commonName: name, to: validity.base(in: authority, name: name),
                validity: validity.seconds())
        }
    }

    struct Aggregator: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "An aggregator's identity, valid for its host names.",
            discussion: "weirctl certs issue aggregator ./pki --name node1 --host aggregator.example")
        @Argument(help: "The authority's folder.") var folder: String
        @Option(help: "Its name.") var name: String
        @Option(help: "A DNS name or address that sensors and people reach it by; repeat for more.")
        var host: [String] = []
        @OptionGroup var validity: CertsCommand.Validity

        func run() throws {
            let authority = try Authority(folder: URL(fileURLWithPath: folder))
            let text = "spiffe://\(authority.trustDomain)/aggregator/\(name)"
            guard (try? SPIFFEID(text)) != nil else { throw Failure.usage("\(text) is not an identity") }
            let hosts = ["localhost", "127.0.0.1", "::1"] + host
            try authority.issue(
                [.uniformResourceIdentifier(text)] + hosts.map(generalName), commonName: name,
                to: validity.base(in: authority, name: name), validity: validity.seconds())
        }
    }
}

extension CertsCommand {
    struct Renew: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Issues a certificate again: same names, new key, in place. Running programs pick it up.",
            discussion: "weirctl certs renew ./pki ./pki/edge1.pem --hours 720")
        @Argument(help: "The authority's folder.") var folder: String
        @Argument(help: "The certificate to renew (NAME.pem; its key is NAME.key).") var certificate: String
        @Option(help: "Hours that the new one is valid, 1 to 8760.") var hours = 24 * 30

        func run() throws {
            guard certificate.hasSuffix(".pem") else { throw Failure.usage("\(certificate) does not end in .pem") }
            guard (1...8_760).contains(hours) else { throw Failure.usage("--hours: \(hours) is outside 1...8760") }
            let authority = try Authority(folder: URL(fileURLWithPath: folder))
            let old = try readCertificates(certificate)[0]
            let names = Array(try old.extensions.subjectAlternativeNames ?? SubjectAlternativeNames([]))
            let base = String(certificate.dropLast(".pem".count))
            try authority.issue(
                names, commonName: URL(fileURLWithPath: base).lastPathComponent, to: base,
                validity: TimeInterval(hours) * 3_600)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Explains a certificate and what Weir thinks of it.",
            discussion: "weirctl certs show ./pki/edge1.pem")
        @Argument(help: "PEM files.") var files: [String]

        func run() throws {
            for file in files {
                for certificate in try readCertificates(file) { print(describe(certificate, file: file)) }
            }
        }

        private func describe(_ certificate: Certificate, file: String) -> String {
            let names = (try? certificate.extensions.subjectAlternativeNames).flatMap { $0 }.map(Array.init) ?? []
            let uris = names.compactMap { if case .uniformResourceIdentifier(let uri) = $0 { uri } else { nil } }
            let others = names.compactMap { if case .dnsName(let name) = $0 { name } else { nil } }
            let left = certificate.notValidAfter.timeIntervalSinceNow
            return """
                \(file)
                  subject    \(certificate.subject)
                  issuer     \(certificate.issuer)
                  identity   \(uris.isEmpty ? "none" : uris.joined(separator: " and "))
                  hosts      \(others.isEmpty ? "none" : others.joined(separator: " "))
                  valid      \(certificate.notValidBefore.formatted(.iso8601)) to \
                \(certificate.notValidAfter.formatted(.iso8601)) (\(remaining(left)))
                  Weir says  \(verdict(uris, certificate))
                """
        }
        private func remaining(_ seconds: TimeInterval) -> String {
            seconds > 0 ? "\(Int(seconds / 3_600)) h left" : "expired"
        }
        private func verdict(_ uris: [String], _ certificate: Certificate) -> String {
            if (try? certificate.extensions.basicConstraints) == .isCertificateAuthority(maxPathLength: 0) {
                return "an authority, not an identity"
            }
            guard uris.count == 1 else { return "refused: \(uris.count) URI names, exactly one is wanted" }
            guard certificate.notValidAfter > Date() else { return "refused: expired" }
            do {
                switch try SPIFFEID(uris[0]).path {
                case .sensor(let id): return "sensor \(id.name) at site \(id.site) of tenant \(id.tenant)"
                case .aggregator(let name): return "aggregator \(name)"
                }
            } catch {
                return "refused: \(error)"
            }
        }
    }
}

private func generalName(_ host: String) -> GeneralName {
    guard let address = IPAddress(host) else { return .dnsName(host) }
    let octets = [address.high, address.low].flatMap { word in
        (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
    }
    return .ipAddress(ASN1OctetString(contentBytes: ArraySlice(address.isV4 ? octets.suffix(4) : octets[...])))
}

/// - Returns: at least one certificate.
func readCertificates(_ path: String) throws -> [Certificate] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw Failure.usage("\(path) cannot be read")
    }
    let documents = (try? PEMDocument.parseMultiple(pemString: text)) ?? []
    let certificates = documents.compactMap { try? Certificate(pemDocument: $0) }
    guard !certificates.isEmpty else { throw Failure.usage("\(path) holds no certificate in PEM form") }
    return certificates
}
