import Crypto
import Foundation
import SwiftASN1
import X509

/// A certificate authority in a folder, for development: `ca.pem`, `ca.key`, `trust-domain`.
///
/// Its root key lies beside the certificates, so it is good for a trial and for nothing else; production brings its
/// own identities. Leaves are ECDSA P-256 and follow SPIFFE's X.509-SVID rules: exactly one URI name, cA false,
/// digitalSignature only.
struct Authority {
    let folder: URL
    let trustDomain: String
    private let certificate: Certificate
    private let key: P256.Signing.PrivateKey

    /// Makes a new authority. Refuses a folder that already has one: its leaves would stop being trusted.
    static func create(in folder: URL, trustDomain: String, days: Int) throws {
        let keyFile = folder.appendingPathComponent("ca.key")
        guard !FileManager.default.fileExists(atPath: keyFile.path) else {
            throw Failure.usage("\(folder.path) already holds an authority")
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName {
            OrganizationName("Weir development")
            CommonName("\(trustDomain) root")
        }
        let publicKey = Certificate.PublicKey(key.publicKey)
        let now = Date()
        let root = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-300), notValidAfter: now.addingTimeInterval(Double(days) * 86_400),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: publicKey)
                SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://\(trustDomain)")])
            }, issuerPrivateKey: Certificate.PrivateKey(key))
        try replaceFile(keyFile.path, with: Data(key.pemRepresentation.utf8), isSecret: true)
        try replaceFile(
            folder.appendingPathComponent("ca.pem").path, with: Data(root.serializeAsPEM().pemString.utf8),
            isSecret: false)
        try replaceFile(
            folder.appendingPathComponent("trust-domain").path, with: Data((trustDomain + "\n").utf8), isSecret: false)
    }

    init(folder: URL) throws {
        func read(_ name: String) throws -> String {
            guard let text = try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8) else {
                throw Failure.usage("\(folder.path) holds no \(name): run 'weirctl certs init \(folder.path)' first")
            }
            return text
        }
        self.folder = folder
        trustDomain = try read("trust-domain").trimmingCharacters(in: .whitespacesAndNewlines)
        certificate = try Certificate(pemEncoded: read("ca.pem"))
        key = try P256.Signing.PrivateKey(pemRepresentation: read("ca.key"))
    }

    /// Writes `NAME.key` and `NAME.pem`, each by rename, the key first: a reader that finds a pair that doesn't match
    /// keeps its old one.
    func issue(_ names: [GeneralName], commonName: String, to base: String, validity: TimeInterval) throws {
        let leafKey = P256.Signing.PrivateKey()
        let publicKey = Certificate.PublicKey(leafKey.publicKey), now = Date()
        let leaf = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-60), notValidAfter: now.addingTimeInterval(validity),
            issuer: certificate.subject,
            subject: try DistinguishedName {
                OrganizationName("Weir development")
                CommonName(commonName)
            }, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectKeyIdentifier(hash: publicKey)
                try AuthorityKeyIdentifier(
                    keyIdentifier: certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
                SubjectAlternativeNames(names)
            }, issuerPrivateKey: Certificate.PrivateKey(key))
        try replaceFile(base + ".key", with: Data(leafKey.pemRepresentation.utf8), isSecret: true)
        try replaceFile(base + ".pem", with: Data(leaf.serializeAsPEM().pemString.utf8), isSecret: false)
    }
}
