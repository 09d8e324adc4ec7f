internal import HTTPTypes
package import Identity
package import ServerChannel

/// What gives a sensor its next certificate, over the connection that its present one made: same name, another key.
package struct CertificateRenewal: Sendable {
    package typealias Renew =
        @Sendable (_ peer: PeerIdentity, SensorIdentity, _ request: [UInt8]) throws(RenewalRefusal) -> String

    static let octetsMax = 8 << 10
    /// From a PKCS #10 request in DER to PEM text, leaf first.
    let renew: Renew

    package init(_ renew: @escaping Renew) { self.renew = renew }
}

/// Why a sensor keeps the certificate that it has.
package enum RenewalRefusal: Error, Equatable, Sendable {
    case badRequest(String)
    /// The key has been another certificate's before, or the sensor was revoked just now.
    case notThis
    /// What is said to operators, not to sensors.
    case authority(String)

    var problem: IngestProblem {
        switch self {
        case .badRequest(let problem): .badCertificateRequest(problem)
        case .notThis: .badCertificateRequest("its key was used before")
        case .authority: .authorityFailed
        }
    }
}

extension IngestProblem {
    static func badCertificateRequest(_ problem: String) -> IngestProblem {
        IngestProblem(
            status: .badRequest, kind: "bad-certificate-request", title: "No certificate is made of that",
            detail: problem)
    }
    static let noAuthority = IngestProblem(
        status: .notImplemented, kind: "no-authority", title: "No certificates are given out here",
        detail: "enrolment.certificate and enrolment.key are not set at this aggregator")
    static let authorityFailed = IngestProblem(
        status: .serviceUnavailable, kind: "authority-failed", title: "The authority can't be used now", retryAfter: 60)
}
