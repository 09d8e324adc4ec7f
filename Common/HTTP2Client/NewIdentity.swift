internal import CTLS
internal import TLSFaults

/// A key that was made here, and what an authority wants to see of it.
package struct NewIdentity: Sendable {
    /// PKCS #8 in PEM, not encrypted: a secret.
    package let key: [UInt8]
    /// PKCS #10 (RFC 2986) in DER, signed with the key. It asks for no name.
    package let request: [UInt8]

    /// An ECDSA key on P-256.
    /// - Throws: `TLSFileError.library`.
    package init() throws(TLSFileError) {
        OpenSSLFaults.forget()
        var key = [UInt8](repeating: 0, count: 4_096), request = [UInt8](repeating: 0, count: 4_096)
        var keyLength = key.count, requestLength = request.count
        guard unsafe weir_make_request(&key, &keyLength, &request, &requestLength) == 1 else {
            throw .library(reason: OpenSSLFaults.take(otherwise: "no key"))
        }
        (self.key, self.request) = (Array(key.prefix(keyLength)), Array(request.prefix(requestLength)))
    }
}
