internal import COpenSSL
internal import Glibc
package import Platform
internal import TLSFaults

/// The three PEM files of one identity. Ops tooling may replace them at any time.
package struct TLSFiles: Hashable, Sendable {
    /// The own certificate and its intermediates, leaf first.
    package var certificate: String
    /// Its private key, not encrypted.
    package var key: String
    /// The authorities whose peers are believed.
    package var trust: String

    package init(certificate: String, key: String, trust: String) {
        self.certificate = certificate
        self.key = key
        self.trust = trust
    }
    /// Changes whenever one of the files is written or replaced.
    package func stamp() -> FileStamp { FileStamp([certificate, key, trust]) }
}

/// Why an identity's files can't be used. A half-written pair is `.keyMismatch` or `.unreadable`: keep the old one.
package enum TLSFileError: Error, Equatable, Sendable, CustomStringConvertible {
    case unreadable(file: String, reason: String)
    case keyMismatch(certificate: String, key: String)
    /// In ms since 1970 UTC.
    case expired(file: String, atMilliseconds: Int64)
    case notYetValid(file: String, fromMilliseconds: Int64)
    case library(reason: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file): \(reason)"
        case .keyMismatch(let certificate, let key): "\(key) is not the key of \(certificate)"
        case .expired(let file, let time): "\(file): the certificate expired at \(time) ms since 1970"
        case .notYetValid(let file, let time): "\(file): the certificate is valid from \(time) ms since 1970"
        case .library(let reason): "OpenSSL: \(reason)"
        }
    }
}

/// One identity as OpenSSL holds it (an `SSL_CTX`). Never changes: new files make a new context, and connections of
/// the old one keep it alive. Safe to share: OpenSSL counts references to a context with atomics, and nothing here
/// writes to it after `init`.
@safe package final class TLSContext: @unchecked Sendable {
    let raw: OpaquePointer
    /// When the own certificate begins, and ends, in ms since 1970 UTC.
    package let validFromMilliseconds: Int64, expiryMilliseconds: Int64
    /// The own certificate's URI name (X509-SVID §2); nil when it has none, or several.
    package let uriName: String?

    /// A peer that goes away must be an error of a write, not a signal that ends the process.
    private static let ignoresBrokenPipes: Bool = {
        signal(SIGPIPE, SIG_IGN)
        return true
    }()

    /// Reads and checks all three files.
    /// - Throws: `TLSFileError`, naming the file; also when the own certificate is not valid at the present time.
    package init(_ files: TLSFiles, time: any TimeSource) throws(TLSFileError) {
        _ = Self.ignoresBrokenPipes
        OpenSSLFaults.forget()
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
            throw .library(reason: OpenSSLFaults.take(otherwise: "no context"))
        }
        do {
            try unsafe Self.restrict(context)
            try unsafe Self.load(files, into: context)
            (validFromMilliseconds, expiryMilliseconds) = try unsafe Self.checkValidity(
                of: files, in: context, at: time.wallMilliseconds())
            uriName = unsafe SSL_CTX_get0_certificate(context).flatMap { try? unsafe singleURIName(of: $0).get() }
        } catch {
            unsafe SSL_CTX_free(context)
            throw error
        }
        unsafe raw = context
    }

    deinit { unsafe SSL_CTX_free(raw) }

    private static func restrict(_ context: OpaquePointer) throws(TLSFileError) {
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_3_VERSION), nil)
        let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(mode), nil)
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        // An encrypted key is refused; the default would ask for its passphrase on the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        let protocols: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]
        guard unsafe SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count)) == 0 else {  // 0 is success
            throw .library(reason: OpenSSLFaults.take(otherwise: "ALPN"))
        }
    }

    private static func load(_ files: TLSFiles, into context: OpaquePointer) throws(TLSFileError) {
        guard unsafe SSL_CTX_use_certificate_chain_file(context, files.certificate) == 1 else {
            throw unreadable(files.certificate, "no certificate")
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) == 1 else {
            if ERR_peek_error() & 0xFFF == UInt(X509_R_KEY_VALUES_MISMATCH) {
                OpenSSLFaults.forget()
                throw .keyMismatch(certificate: files.certificate, key: files.key)
            }
            throw unreadable(files.key, "no private key")
        }
        guard unsafe SSL_CTX_check_private_key(context) == 1 else {
            OpenSSLFaults.forget()
            throw .keyMismatch(certificate: files.certificate, key: files.key)
        }
        guard unsafe SSL_CTX_load_verify_locations(context, files.trust, nil) == 1 else {
            throw unreadable(files.trust, "no certificate")
        }
    }

    private static func unreadable(_ file: String, _ otherwise: String) -> TLSFileError {
        .unreadable(file: file, reason: OpenSSLFaults.take(otherwise: otherwise))
    }

    private static func checkValidity(
        of files: TLSFiles, in context: OpaquePointer, at now: Int64
    ) throws(TLSFileError) -> (from: Int64, to: Int64) {
        guard let own = unsafe SSL_CTX_get0_certificate(context),
            let from = unsafe milliseconds(X509_get0_notBefore(own)),
            let to = unsafe milliseconds(X509_get0_notAfter(own))
        else { throw .unreadable(file: files.certificate, reason: "the period of validity is unreadable") }
        guard now >= from else { throw .notYetValid(file: files.certificate, fromMilliseconds: from) }
        guard now < to else { throw .expired(file: files.certificate, atMilliseconds: to) }
        return (from, to)
    }

    private static func milliseconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = unsafe tm()
        guard let time = unsafe time, unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return unsafe Int64(timegm(&parts)) * 1_000
    }
}
