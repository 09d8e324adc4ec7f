internal import Crypto
internal import SwiftASN1
internal import X509

/// What somebody wants a certificate for: a key, and the proof that it is theirs (PKCS #10, RFC 2986). Names that it
/// asks for are not looked at: who somebody is, the token says, or the certificate that is to be renewed.
package struct CertificateRequest: Sendable {
    let publicKey: Certificate.PublicKey
    /// SHA-256 of the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in lower-case hexadecimal digits.
    package let keyDigest: String

    package static let octetsMax = 8 << 10

    /// - Throws: `EnrolmentError.badRequest`: what is wrong with it.
    package init(pem text: String) throws(EnrolmentError) {
        guard text.utf8.count <= Self.octetsMax, let document = try? PEMDocument(pemString: text),
            document.discriminator == "CERTIFICATE REQUEST"
        else { throw .badRequest("it is no PEM text of a CERTIFICATE REQUEST") }
        try self.init(der: document.derBytes)
    }
    /// - Throws: `EnrolmentError.badRequest`: what is wrong with it.
    package init(der octets: [UInt8]) throws(EnrolmentError) {
        guard octets.count <= Self.octetsMax, let request = try? CertificateSigningRequest(derEncoded: octets) else {
            throw .badRequest("it is no PKCS #10 request")
        }
        guard
            P256.Signing.PublicKey(request.publicKey) != nil || P384.Signing.PublicKey(request.publicKey) != nil
        else { throw .badRequest("its key is not ECDSA on P-256 or P-384") }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw .badRequest("it is not signed with its own key")
        }
        publicKey = request.publicKey
        keyDigest = hexadecimal(SHA256.hash(data: Array(publicKey.subjectPublicKeyInfoBytes)))
    }
}

/// Why no certificate was given out.
package enum EnrolmentError: Error, Equatable, Sendable, CustomStringConvertible {
    case badRequest(String)
    /// The authority's files: theirs to mend who run the aggregator.
    case authority(String)

    package var description: String {
        switch self {
        case .badRequest(let problem): "the request: \(problem)"
        case .authority(let problem): "the authority: \(problem)"
        }
    }
}

func hexadecimal(_ octets: some Sequence<UInt8>) -> String {
    octets.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}
