internal import Glibc
internal import Platform

/// Why the spool could not do something. Batches that were in it stay in it.
package enum SpoolError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another process uses the spool; the path is that of the lock file.
    case locked(String)
    /// A file operation in the spool's folder failed: what was tried, on what, and what the system said.
    case directory(String)
    /// The batch does not fit beside what waits; nothing was dropped for it.
    case full(bytes: Int, bytesMax: Int)
    /// The disk has no room for the batch.
    case diskFull
    /// The system refused for another reason; the batch is not in the spool.
    case failed(String)

    package var description: String {
        switch self {
        case .locked(let path): "another process uses this spool (\(path))"
        case .directory(let text): text
        case .full(let bytes, let bytesMax): "\(bytes) of \(bytesMax) bytes are waiting"
        case .diskFull: "the disk is full"
        case .failed(let text): text
        }
    }
    init(_ error: SystemError, _ path: String) {
        self = error.isFull ? .diskFull : .failed("\(path): \(error)")
    }
}

extension SystemError {
    /// No room on the file system, or in the account.
    var isFull: Bool { number == ENOSPC || number == EDQUOT }
    /// The medium gives back no bytes, or not what was written.
    var isMediumFault: Bool { [EIO, EUCLEAN, EBADMSG].contains(number) }
    /// Another process holds the lock.
    var isHeld: Bool { number == EWOULDBLOCK }
}
