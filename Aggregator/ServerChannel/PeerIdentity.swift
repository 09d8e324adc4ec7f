internal import Foundation
package import Identity
internal import NIOSSL
internal import SwiftASN1
internal import X509

/// Who is at the other end of a TLS connection, as its certificate says. TLS has already checked the chain and the
/// dates when one of these is made; here are the rules of SPIFFE X509-SVID that TLS doesn't know.
package struct PeerIdentity: Hashable, Sendable {
    package let id: SPIFFEID
    /// When the certificate ends, in ms since 1970 UTC: the connection ends then too.
    package let expiryMilliseconds: Int64
    /// The socket's other end, for logs only: `[2001:db8::1]:4711`.
    package let address: String
    /// Of the certificate, in lower-case hexadecimal digits.
    package let serial: String

    package init(id: SPIFFEID, expiryMilliseconds: Int64, address: String, serial: String = "") {
        self.id = id
        self.serial = serial
        self.expiryMilliseconds = expiryMilliseconds
        self.address = address
    }

    /// The peer of the connection that the running request came over. `ServerChannel` sets it once a connection; nil
    /// on a listener that asks for no certificate.
    @TaskLocal package static var current: PeerIdentity?
}

/// Why a peer was sent away after a handshake that TLS found sound.
package enum PeerRefusal: Error, Equatable, Sendable {
    case noCertificate
    case unreadable(String)
    /// X509-SVID §4.1: a leaf has cA false.
    case isAuthority
    /// X509-SVID §4.3: it is there, with digitalSignature, and neither keyCertSign nor cRLSign.
    case keyUsage
    case name(SPIFFEError)
    case noProtocol(String)
    /// Somebody revoked the certificate, or the sensor.
    case revoked

    /// A word for metrics.
    package var label: String {
        switch self {
        case .noCertificate: "no_certificate"
        case .unreadable: "unreadable_certificate"
        case .isAuthority: "authority_certificate"
        case .keyUsage: "key_usage"
        case .name(.uriNames): "uri_names"
        case .name(.foreignTrustDomain): "foreign_trust_domain"
        case .name(.wrongKind): "wrong_kind"
        case .name: "bad_name"
        case .noProtocol: "no_protocol"
        case .revoked: "revoked"
        }
    }
    static let labels = [
        "no_certificate", "unreadable_certificate", "authority_certificate", "key_usage", "uri_names",
        "foreign_trust_domain", "wrong_kind", "bad_name", "no_protocol", "revoked",
    ]
}

/// Who may come in on a listener.
package enum PeerPolicy: Equatable, Sendable {
    /// Anyone; requests bring keys.
    case anyone
    /// Only certificates that name a sensor of this trust domain.
    case sensors(trustDomain: String)

    var asksForCertificate: Bool { self != .anyone }

    /// - Parameter certificate: DER; its chain and dates are already checked.
    /// - Returns: nil where no identity is asked for.
    func admit(_ certificate: [UInt8]?, from address: String) throws(PeerRefusal) -> PeerIdentity? {
        guard case .sensors(let trustDomain) = self else { return nil }
        guard let certificate else { throw .noCertificate }
        let leaf = try Leaf(der: certificate)
        let id: SPIFFEID
        do { id = try SPIFFEID(leaf.uriName) } catch { throw .name(error) }
        guard id.trustDomain == trustDomain else { throw .name(.foreignTrustDomain(id.trustDomain)) }
        guard id.sensor != nil else { throw .name(.wrongKind) }
        return PeerIdentity(id: id, expiryMilliseconds: leaf.expiryMilliseconds, address: address, serial: leaf.serial)
    }
}

/// What Weir wants to know of a certificate.
struct Leaf {
    let uriName: String
    let expiryMilliseconds: Int64
    let serial: String

    /// - Throws: what of X509-SVID the certificate breaks, first fault first.
    init(der: [UInt8]) throws(PeerRefusal) {
        let certificate: Certificate, basic: BasicConstraints?, usage: KeyUsage?, names: SubjectAlternativeNames?
        do {
            certificate = try Certificate(derEncoded: der)
            basic = try certificate.extensions.basicConstraints
            usage = try certificate.extensions.keyUsage
            names = try certificate.extensions.subjectAlternativeNames
        } catch {
            throw .unreadable("\(error)")
        }
        if case .isCertificateAuthority = basic { throw .isAuthority }
        guard let usage, usage.digitalSignature, !usage.keyCertSign, !usage.cRLSign else { throw .keyUsage }
        let uris: [String] = (names.map { Array($0) } ?? []).compactMap { name in
            if case .uniformResourceIdentifier(let uri) = name { uri } else { nil }
        }
        guard uris.count == 1, let uri = uris.first else { throw .name(.uriNames(uris.count)) }
        uriName = uri
        expiryMilliseconds = milliseconds(certificate.notValidAfter)
        serial = hexadecimal(certificate.serialNumber.bytes)
    }
}

/// Two lower-case digits an octet.
package func hexadecimal(_ octets: some Sequence<UInt8>) -> String {
    octets.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

func milliseconds(_ date: Date) -> Int64 {
    Int64((date.timeIntervalSince1970 * 1_000).rounded(.down).clamped(to: -9e15...9e15))
}
extension Double {
    func clamped(to range: ClosedRange<Double>) -> Double { min(max(self, range.lowerBound), range.upperBound) }
}
