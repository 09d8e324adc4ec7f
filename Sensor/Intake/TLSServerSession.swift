internal import COpenSSL
internal import Glibc
internal import Platform
internal import TLSFaults

/// One TLS session of a server over a non-blocking socket (an `SSL`); the socket is the connection's.
@safe final class TLSServerSession {
    enum Handshake: Equatable {
        case done(clientName: String?)
        case wantsRead, wantsWrite
        case failed(String)
    }
    enum Input: Equatable {
        case bytes(Int)
        case wouldBlock, closed
        case failed(String)
    }
    private let ssl: OpaquePointer
    private let context: TLSServerContext

    /// Nil when memory is short.
    init?(over descriptor: Int32, _ context: TLSServerContext) {
        OpenSSLFaults.forget()
        guard let ssl = unsafe SSL_new(context.raw) else { return nil }
        guard unsafe SSL_set_fd(ssl, descriptor) == 1 else {
            unsafe SSL_free(ssl)
            return nil
        }
        unsafe SSL_set_accept_state(ssl)
        unsafe self.ssl = ssl
        self.context = context
    }
    deinit { unsafe SSL_free(ssl) }

    /// Goes as far as the socket allows.
    func shakeHands() -> Handshake {
        OpenSSLFaults.forget()
        let result = unsafe SSL_do_handshake(ssl)
        guard result != 1 else { return admit() }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        default: return .failed(fault())
        }
    }
    private func fault() -> String {
        let verdict = unsafe SSL_get_verify_result(ssl)
        let reason = OpenSSLFaults.take(otherwise: "the exporter closed the connection")
        guard verdict != Int(X509_V_OK) else { return reason }
        return unsafe "\(reason) (\(String(cString: X509_verify_cert_error_string(verdict))))"
    }

    /// Exporters are known by the domain names in their certificates (RFC 7011 §11.3).
    private func admit() -> Handshake {
        let names = context.settings.clientNames
        guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else {
            return names.isEmpty || context.settings.clients != .required
                ? .done(clientName: nil) : .failed("the exporter showed no certificate")
        }
        defer { unsafe X509_free(certificate) }
        guard !names.isEmpty else { return .done(clientName: nil) }
        let flags = UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        for name in names where unsafe X509_check_host(certificate, name, name.utf8.count, flags, nil) == 1 {
            return .done(clientName: name)
        }
        return .failed("the exporter's certificate carries none of the names that are let in")
    }

    /// Reads at most one record (16 KiB) of what has come.
    func read(into bytes: inout [UInt8]) -> Input {
        OpenSSLFaults.forget()
        let count = unsafe SSL_read(ssl, &bytes, Int32(bytes.count))
        if count > 0 { return .bytes(Int(count)) }
        let code = errno
        switch unsafe SSL_get_error(ssl, count) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
        case SSL_ERROR_ZERO_RETURN: return .closed
        default:
            let reason = OpenSSLFaults.take(otherwise: code == 0 ? "" : systemReason(code))
            // No close_notify: messages tell their own length, so nothing can be cut off unseen.
            return reason.isEmpty || reason.contains("unexpected eof") ? .closed : .failed(reason)
        }
    }

    /// Tells the peer that no more will be read, if the socket takes it now.
    func sayGoodbye() {
        unsafe SSL_shutdown(ssl)
        OpenSSLFaults.forget()
    }
}
