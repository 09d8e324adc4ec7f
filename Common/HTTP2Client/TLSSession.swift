internal import COpenSSL
internal import CTLS
internal import Glibc
internal import Platform
internal import TLSFaults

/// One TLS 1.3 session of a client over a non-blocking socket (an `SSL`).
@safe final class TLSSession {
    enum Input {
        case bytes(ArraySlice<UInt8>)
        case wouldBlock, closed
    }
    private let ssl: OpaquePointer
    private let socket: Socket
    private let context: TLSContext
    private var input = [UInt8](repeating: 0, count: HTTPLimit.inputBytes)

    init(over socket: Socket, to host: String, context: TLSContext) throws(HTTP2Error) {
        guard let ssl = unsafe SSL_new(context.raw) else { throw .outOfMemory }
        unsafe self.ssl = ssl
        self.socket = socket
        self.context = context
        OpenSSLFaults.forget()
        guard unsafe Self.demand(host, of: ssl), unsafe SSL_set_fd(ssl, socket.descriptor) == 1 else {
            throw .handshakeFailed(reason: OpenSSLFaults.take(otherwise: "\(host) can't be asked for"))
        }
        unsafe SSL_set_connect_state(ssl)
    }

    deinit { unsafe SSL_free(ssl) }

    /// The certificate must be for `host`: an address is compared with IP names, anything else with DNS names; only a
    /// name may stand in the server_name extension (RFC 6066 §3).
    private static func demand(_ host: String, of ssl: OpaquePointer) -> Bool {
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 { return true }
        OpenSSLFaults.forget()
        unsafe SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        return unsafe SSL_set1_host(ssl, host) == 1 && weir_ssl_set_server_name(ssl, host) == 1
    }

    func shakeHands(until deadline: Duration, time: any TimeSource) throws(HTTP2Error) {
        while true {  // ends: at the deadline, at the latest
            OpenSSLFaults.forget()
            let result = unsafe SSL_do_handshake(ssl)
            if result == 1 { break }
            switch unsafe SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ: try socket.wait(for: Int16(POLLIN), at: deadline - time.monotonic())
            case SSL_ERROR_WANT_WRITE: try socket.wait(for: Int16(POLLOUT), at: deadline - time.monotonic())
            default: throw handshakeFault()
            }
            guard time.monotonic() < deadline else { throw .handshakeTimedOut }
        }
        guard selectedHTTP2() else { throw .noHTTP2 }
    }

    private func handshakeFault() -> HTTP2Error {
        let verdict = unsafe SSL_get_verify_result(ssl)
        let reason = OpenSSLFaults.take(otherwise: "the server closed the connection")
        guard verdict == Int(X509_V_OK) else {
            let why = unsafe String(cString: X509_verify_cert_error_string(verdict))
            return .handshakeFailed(reason: "\(reason) (\(why))")
        }
        return reason.contains("alert") ? .refusedByPeer(alert: reason) : .handshakeFailed(reason: reason)
    }

    private func selectedHTTP2() -> Bool {
        var name: UnsafePointer<UInt8>?, length: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &length)
        guard let name = unsafe name else { return false }
        return unsafe UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual("h2".utf8)
    }

    /// The single URI name of the server's certificate.
    func peerURIName() throws(HTTP2Error) -> String {
        guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { throw .peerURINames(0) }
        defer { unsafe X509_free(certificate) }
        return try unsafe singleURIName(of: certificate).get()
    }

    var hasBufferedInput: Bool { unsafe SSL_pending(ssl) > 0 }

    func read() throws(HTTP2Error) -> Input {
        OpenSSLFaults.forget()
        let count = unsafe SSL_read(ssl, &input, Int32(input.count))
        if count > 0 { return .bytes(input[..<Int(count)]) }
        switch unsafe SSL_get_error(ssl, count) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: return try ended(errno)
        }
    }

    /// - Returns: how many bytes were taken; nil when the socket takes none now.
    func write(_ output: OutputBuffer) throws(HTTP2Error) -> Int? {
        OpenSSLFaults.forget()
        let taken = unsafe output.bytes.withUnsafeBytes { all in
            unsafe SSL_write(ssl, all.baseAddress?.advanced(by: output.start), Int32(output.count))
        }
        if taken > 0 { return Int(taken) }
        switch unsafe SSL_get_error(ssl, taken) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        default:
            // The server judges our certificate after our handshake is done (TLS 1.3); its alert waits to be read.
            let fault = errno
            OpenSSLFaults.forget()
            for _ in 0..<64 where unsafe SSL_read(ssl, &input, Int32(input.count)) <= 0 { break }
            _ = try ended(fault)
            throw .closedByPeer
        }
    }

    private func ended(_ fault: Int32) throws(HTTP2Error) -> Input {
        let reason = OpenSSLFaults.take(otherwise: "")
        if reason.contains("alert") { throw .refusedByPeer(alert: reason) }
        if reason.contains("unexpected eof") || reason.isEmpty && (fault == 0 || fault == EPIPE) { return .closed }
        if fault == ECONNRESET || fault == EPIPE { return .closed }
        throw .socketFailed(reason: reason.isEmpty ? systemReason(fault) : reason)
    }

    func sayGoodbye() {
        unsafe SSL_shutdown(ssl)
        OpenSSLFaults.forget()
    }
}

/// The single URI name of a certificate (X509-SVID §2).
func singleURIName(of certificate: OpaquePointer) -> Result<String, HTTP2Error> {
    var name = [CChar](repeating: 0, count: 2_049)
    let count = unsafe weir_x509_uri_names(certificate, &name, name.count)
    guard count == 1 else { return .failure(.peerURINames(Int(count))) }
    return .success(String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
}
