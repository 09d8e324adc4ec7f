internal import COpenSSL

/// OpenSSL keeps the reasons of a failure in a queue of the thread; who leaves them there finds them in the next,
/// unrelated failure.
enum OpenSSLFaults {
    static func forget() { ERR_clear_error() }

    /// Takes all reasons, oldest first; `otherwise` when there are none.
    static func take(otherwise: String) -> String {
        var reasons: [String] = []
        while true {  // ends: each turn takes one, and the queue holds 16
            let code = ERR_get_error()
            if code == 0 { break }
            let reason = text(code)
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        return reasons.isEmpty ? otherwise : reasons.joined(separator: ", ")
    }

    private static func text(_ code: UInt) -> String {
        let systemFlag: UInt = 0x8000_0000  // ERR_SYSTEM_FLAG: the rest is an errno
        if code & systemFlag != 0 { return systemReason(Int32(truncatingIfNeeded: code & 0x7FFF_FFFF)) }
        guard let reason = unsafe ERR_reason_error_string(code) else { return "OpenSSL error \(code)" }
        return unsafe String(cString: reason)
    }
}
