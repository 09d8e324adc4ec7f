/// Gives sensors their certificates, by an authority whose key the aggregator has: short-lived, with exactly one URI
/// name, as X.509-SVID wants it (SPIFFE X509-SVID §2 to §4, RFC 5280).
///
/// Invariants: the name is the one the caller gives, never the request's; no certificate outlives its authority.
/// The files are read at each use, so whoever rotates them tells nobody.
/// Not here: who may have one (`Tenancy`), routes (`API`, `Ingest`).
internal import Crypto
internal import Foundation
package import Identity
internal import Platform
internal import Settings
internal import SwiftASN1
internal import X509

package struct CertificateIssuer: Sendable {
    private let trustDomain: String, settings: EnrolmentSettings

    package init(_ settings: EnrolmentSettings, trustDomain: String) {
        (self.settings, self.trustDomain) = (settings, trustDomain)
    }

    /// A certificate that was signed and is nowhere yet.
    package struct Issued: Sendable {
        /// The leaf and the authority's own certificate, which may be an intermediate one.
        package let pem: String
        package let serial: String
        package let issuedMilliseconds: Int64, expiresMilliseconds: Int64
    }

    /// How far the clocks of sensors may be behind; of short lives a tenth, or they would be half over at once.
    private static let backdatedMax: TimeInterval = 60
    private static let fileBytesMax = 1 << 20

    /// - Throws: `.authority`, when its files can't be used.
    package func issue(
        _ request: CertificateRequest, to sensor: SensorIdentity, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(EnrolmentError) -> Issued {
        let (authority, key) = try authority()
        let present = Date(timeIntervalSince1970: Double(now) / 1_000)
        let end = min(present + settings.life / .seconds(1), authority.notValidAfter)
        guard end > present, authority.notValidBefore <= present else { throw .authority("it is not valid now") }
        let backdated = min(Self.backdatedMax, settings.life / .seconds(10))
        let serial = Certificate.SerialNumber(bytes: Self.serial(using: &generator))
        let name = SPIFFEID(trustDomain: trustDomain, path: .sensor(sensor))
        do {
            let leaf = try Certificate(
                version: .v3, serialNumber: serial, publicKey: request.publicKey,
                notValidBefore: max(present - backdated, authority.notValidBefore), notValidAfter: end,
                issuer: authority.subject, subject: try DistinguishedName { CommonName("\(sensor.name)") },
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.clientAuth])
                    SubjectKeyIdentifier(hash: request.publicKey)
                    try AuthorityKeyIdentifier(
                        keyIdentifier: authority.extensions.subjectKeyIdentifier?.keyIdentifier)
                    SubjectAlternativeNames([.uniformResourceIdentifier("\(name)")])
                }, issuerPrivateKey: key)
            return Issued(
                pem: try leaf.serializeAsPEM().pemString + "\n" + authority.serializeAsPEM().pemString + "\n",
                serial: hexadecimal(leaf.serialNumber.bytes), issuedMilliseconds: now,
                expiresMilliseconds: Int64(end.timeIntervalSince1970 * 1_000))
        } catch {
            throw .authority("\(error)")
        }
    }

    /// What sensors are to believe, as PEM text, and its pin: the SHA-256 of the certificates' DER, one after the
    /// other, in lower-case hexadecimal digits.
    /// - Throws: `.authority`, when the file can't be used.
    package func trust() throws(EnrolmentError) -> (pem: String, pin: String) {
        let text = try Self.text(settings.trust)
        guard let documents = try? PEMDocument.parseMultiple(pemString: text), !documents.isEmpty,
            documents.allSatisfy({ $0.discriminator == "CERTIFICATE" })
        else { throw .authority("\(settings.trust) holds no certificates, or other things too") }
        return (text, Self.pin(documents))
    }
    /// The pin of `trust()`, for who got the text from somewhere; nil for what is not certificates alone.
    package static func pin(of pem: String) -> String? {
        guard let documents = try? PEMDocument.parseMultiple(pemString: pem), !documents.isEmpty,
            documents.allSatisfy({ $0.discriminator == "CERTIFICATE" })
        else { return nil }
        return pin(documents)
    }
    private static func pin(_ documents: [PEMDocument]) -> String {
        var hash = SHA256()
        for document in documents { hash.update(data: document.derBytes) }
        return hexadecimal(hash.finalize())
    }

    /// Certificate and key of the authority, read together and found to fit.
    /// - Throws: `.authority`, naming the file.
    package func check() throws(EnrolmentError) {
        _ = try authority()
        _ = try trust()
    }
    private func authority() throws(EnrolmentError) -> (Certificate, Certificate.PrivateKey) {
        let certificate: Certificate, key: Certificate.PrivateKey
        do { certificate = try Certificate(pemEncoded: try Self.text(settings.certificate)) } catch {
            throw .authority("\(settings.certificate): \(error)")
        }
        do throws(SecretError) {
            let secret = try settings.key.read()
            guard let read = try? Certificate.PrivateKey(pemEncoded: secret.text) else {
                throw SecretError(reference: settings.key, problem: "is no private key in PEM")
            }
            key = read
        } catch {
            throw .authority("\(error)")
        }
        guard key.publicKey == certificate.publicKey else {
            throw .authority("\(settings.key) is not the key of \(settings.certificate)")
        }
        guard let basic = try? certificate.extensions.basicConstraints, case .isCertificateAuthority = basic else {
            throw .authority("\(settings.certificate) may not sign certificates")
        }
        return (certificate, key)
    }
    private static func text(_ path: String) throws(EnrolmentError) -> String {
        do throws(SystemError) {
            return String(decoding: try readFile(path, bytesMax: fileBytesMax), as: UTF8.self)
        } catch {
            throw .authority("\(path): \(error)")
        }
    }
    /// 127 random bits, positive (RFC 5280 §4.1.2.2).
    private static func serial(using generator: inout some RandomNumberGenerator) -> [UInt8] {
        var octets = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        octets[0] = octets[0] & 0x3F | 0x40
        return octets
    }
}
