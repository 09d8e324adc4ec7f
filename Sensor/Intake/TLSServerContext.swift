internal import COpenSSL
internal import Glibc
internal import Platform
internal import TLSFaults

/// How a port speaks TLS and whom it lets in.
///
//= RFC 7011 §11.3
//# … mutual authentication MUST be used for both TLS and DTLS.
/// That is the default; a site whose exporters have no certificates may choose less.
package struct TLSServerSettings: Hashable, Sendable {
    package enum Clients: String, Sendable, CaseIterable {
        /// Not asked for a certificate.
        case anonymous
        /// One that is shown must be good.
        case optional
        case required
    }
    package enum Version: String, Sendable, CaseIterable {
        case tls12 = "1.2", tls13 = "1.3"
    }
    /// PEM: the own certificate and its intermediates, leaf first.
    package var certificate: String
    /// PEM: its private key, not encrypted.
    package var key: String
    /// PEM: the authorities whose exporters are believed; not read where `clients` is anonymous.
    package var trust: String
    package var clients: Clients
    /// Names of which an exporter's certificate must carry one, as a DNS name; empty: any.
    package var clientNames: [String]
    /// Older versions are refused.
    package var minimum: Version

    package init(
        certificate: String, key: String, trust: String, clients: Clients = .required, clientNames: [String] = [],
        minimum: Version = .tls13
    ) {
        (self.certificate, self.key, self.trust) = (certificate, key, trust)
        (self.clients, self.clientNames, self.minimum) = (clients, clientNames, minimum)
    }

    /// Changes whenever one of the files is written or replaced.
    func stamp() -> FileStamp { FileStamp([certificate, key, trust]) }

    /// Reads and checks the files as a port will.
    /// - Throws: `IntakeError.identity`, naming the file.
    package func check(atMilliseconds now: Int64) throws(IntakeError) {
        _ = try TLSServerContext(self, atMilliseconds: now)
    }
}

/// One identity of a server as OpenSSL holds it (an `SSL_CTX`). Never changes: new files make a new context, and
/// connections of the old one keep it alive.
@safe final class TLSServerContext {
    let raw: OpaquePointer
    let settings: TLSServerSettings

    /// A peer that goes away must be an error of a write, not a signal that ends the process.
    private static let ignoresBrokenPipes: Bool = {
        signal(SIGPIPE, SIG_IGN)
        return true
    }()
    // OpenSSL writes these as function-like macros, which the importer does not see.
    private static let noTicket: UInt64 = 1 << 14, noRenegotiation: UInt64 = 1 << 30, noCompression: UInt64 = 1 << 17

    /// - Throws: `IntakeError.identity`: a file is unreadable, the key another's, or the certificate not valid now.
    init(_ settings: TLSServerSettings, atMilliseconds now: Int64) throws(IntakeError) {
        _ = Self.ignoresBrokenPipes
        OpenSSLFaults.forget()
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
            throw .identity(reason: "OpenSSL: \(OpenSSLFaults.take(otherwise: "no context"))")
        }
        unsafe raw = context
        self.settings = settings
        unsafe Self.restrict(context, settings)
        try unsafe Self.load(settings, into: context)
        try unsafe Self.checkValidity(settings, in: context, at: now)
    }
    deinit { unsafe SSL_CTX_free(raw) }

    private static func restrict(_ context: OpaquePointer, _ settings: TLSServerSettings) {
        let minimum = settings.minimum == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(minimum), nil)
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_AUTO_RETRY), nil)
        // Connections live for days: resumption would save nothing and keep state for whoever connects.
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
        unsafe SSL_CTX_set_num_tickets(context, 0)
        unsafe SSL_CTX_set_options(context, noTicket | noRenegotiation | noCompression)
        // TLS 1.2 with forward secrecy and authenticated encryption only (RFC 9325 §4.2).
        unsafe SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20")
        // An encrypted key is refused; the default would ask for its passphrase on the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        let verify: Int32 =
            switch settings.clients {
            case .anonymous: SSL_VERIFY_NONE
            case .optional: SSL_VERIFY_PEER
            case .required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
            }
        unsafe SSL_CTX_set_verify(context, verify, nil)
    }

    private static func load(_ settings: TLSServerSettings, into context: OpaquePointer) throws(IntakeError) {
        guard unsafe SSL_CTX_use_certificate_chain_file(context, settings.certificate) == 1 else {
            throw unreadable(settings.certificate, "no certificate")
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(context, settings.key, SSL_FILETYPE_PEM) == 1 else {
            let isMismatch = ERR_peek_error() & 0xFFF == UInt(X509_R_KEY_VALUES_MISMATCH)
            throw isMismatch ? mismatch(settings) : unreadable(settings.key, "no private key")
        }
        guard unsafe SSL_CTX_check_private_key(context) == 1 else { throw mismatch(settings) }
        guard settings.clients != .anonymous else { return }
        guard unsafe SSL_CTX_load_verify_locations(context, settings.trust, nil) == 1 else {
            throw unreadable(settings.trust, "no certificate")
        }
        guard let names = unsafe SSL_load_client_CA_file(settings.trust) else {
            throw unreadable(settings.trust, "no certificate")
        }
        unsafe SSL_CTX_set_client_CA_list(context, names)  // takes ownership
    }
    private static func unreadable(_ file: String, _ otherwise: String) -> IntakeError {
        .identity(reason: "\(file): \(OpenSSLFaults.take(otherwise: otherwise))")
    }
    private static func mismatch(_ settings: TLSServerSettings) -> IntakeError {
        OpenSSLFaults.forget()
        return .identity(reason: "\(settings.key) is not the key of \(settings.certificate)")
    }
    private static func checkValidity(
        _ settings: TLSServerSettings, in context: OpaquePointer, at now: Int64
    ) throws(IntakeError) {
        guard let own = unsafe SSL_CTX_get0_certificate(context),
            let from = unsafe milliseconds(X509_get0_notBefore(own)),
            let to = unsafe milliseconds(X509_get0_notAfter(own))
        else { throw .identity(reason: "\(settings.certificate): the period of validity is unreadable") }
        guard now >= from else { throw .identity(reason: "\(settings.certificate): the certificate is not valid yet") }
        guard now < to else { throw .identity(reason: "\(settings.certificate): the certificate has expired") }
    }
    private static func milliseconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = unsafe tm()
        guard let time = unsafe time, unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return unsafe Int64(timegm(&parts)) * 1_000
    }
}
