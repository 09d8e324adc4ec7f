internal import Synchronization

/// Octets that must not be shown: printing, interpolating or mirroring it says only that it is a secret. Its memory is
/// overwritten when the last copy goes; what callers copied out of `bytes` is theirs to keep short.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private final class Storage: Sendable {
        let bytes: Mutex<[UInt8]>
        init(_ bytes: [UInt8]) { self.bytes = Mutex(bytes) }
        deinit {
            bytes.withLock { for index in $0.indices { $0[index] = 0 } }
        }
    }
    private let storage: Storage

    package init(_ bytes: [UInt8]) { storage = Storage(bytes) }
    package var bytes: [UInt8] { storage.bytes.withLock { $0 } }
    /// The secret as UTF-8 text without white space around it, for tokens and passwords.
    package var text: String {
        let isSpace = { (octet: UInt8) in octet == 32 || (9...13).contains(octet) }
        let all = bytes
        guard let first = all.firstIndex(where: { !isSpace($0) }), let last = all.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(decoding: all[first...last], as: UTF8.self)
    }
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
