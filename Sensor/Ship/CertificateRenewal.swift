internal import HTTP2Client
internal import Platform

/// When the own certificate is to be renewed: once half of its life is over, and again a twentieth of it after each
/// failure. Who asks is `ShipLoop`.
struct CertificateRenewal {
    /// A key on its way to a certificate.
    private(set) var pending: NewIdentity?
    /// On the monotonic clock; nil: not at all, or not until the answer.
    private(set) var due: Duration?
    private var pause = Duration.seconds(60)

    /// A certificate is in use.
    mutating func loaded(_ context: TLSContext, time: any TimeSource) {
        let life = max(context.expiryMilliseconds - context.validFromMilliseconds, 0)
        pending = nil
        pause = max(.milliseconds(life / 20), .seconds(1))
        let left = context.validFromMilliseconds + life / 2 - time.wallMilliseconds()
        due = time.monotonic() + max(.milliseconds(left), .zero)
    }
    /// - Returns: what is to be sent; nil when no key can be made.
    mutating func begin(at now: Duration) -> NewIdentity? {
        due = nil
        guard let made = try? NewIdentity() else {
            failed(at: now)
            return nil
        }
        pending = made
        return made
    }
    mutating func failed(at now: Duration) {
        pending = nil
        due = now + pause
    }

    /// Puts the certificate of an answer, and the key that it is for, into one file at once, so that there is never
    /// half a pair; before, they are tried as they will be used.
    /// - Parameter uriName: of the certificate that is in use: the next one has the same.
    /// - Returns: why nothing was written.
    mutating func take(
        _ response: HTTPResponse, into files: TLSFiles, of uriName: String?, time: any TimeSource
    ) -> String? {
        guard response.status == 200, let made = pending.take() else {
            failed(at: time.monotonic())
            let reason = String(decoding: response.body.prefix(1_000), as: UTF8.self)
            return "answered with \(response.status): \(reason)"
        }
        // Until its file was found to be sound (`loaded`).
        failed(at: time.monotonic())
        let octets = response.body + made.key, draft = "\(files.certificate).next"
        do {
            try placeFile(draft, with: octets, draft: "\(draft).part", replacing: true)
            defer { _ = try? deleteFile(draft) }
            let new = try TLSContext(TLSFiles(certificate: draft, key: draft, trust: files.trust), time: time)
            guard new.uriName == uriName else { return "the certificate is \(new.uriName ?? "nobody")'s" }
            try placeFile(files.certificate, with: octets, draft: "\(draft).part", replacing: true)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
