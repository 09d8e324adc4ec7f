internal import COpenSSL
internal import Platform

/// Why OpenSSL failed, in words, for the client's and the server's side alike.
///
/// OpenSSL keeps the reasons of a failure in a queue of the thread; who leaves them there finds them in the next,
/// unrelated failure: `forget` before a call, `take` after one that failed.
package enum OpenSSLFaults {
    package static func forget() { ERR_clear_error() }

    /// Takes all reasons, oldest first; `otherwise` when there are none.
    package static func take(otherwise: String) -> String {
        var reasons: [String] = []
        while case let code = ERR_get_error(), code != 0 {  // ends: each turn takes one, and the queue holds 16
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
