internal import Glibc

/// A file for what does not fit in memory: its name goes as soon as it is open, so nothing is left of it when it is
/// closed or the process dies. Of one task at a time.
package final class ScratchFile: Sendable {
    private let descriptor: Int32

    /// - Parameter folder: where the file's blocks lie.
    package init(inFolder folder: String) throws(SystemError) {
        var path = [CChar]("\(folder)/.weir-scratch-XXXXXX".utf8.map { CChar(bitPattern: $0) } + [0])
        descriptor = unsafe mkstemp(&path)
        guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
        guard unsafe unlink(path) == 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
            let number = errno
            close(descriptor)
            throw SystemError(call: "open", number: number)
        }
    }
    deinit { close(descriptor) }

    /// Writes `words` at `offset`, in the machine's order of octets.
    package func write(_ words: [UInt64], at offset: Int) throws(SystemError) {
        var done = 0
        while done < 8 * words.count {
            let count = unsafe words.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return 0 }
                return unsafe pwrite(descriptor, base + done, bytes.count - done, offset + done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw SystemError(call: "write", number: count < 0 ? errno : ENOSPC) }
            done += count
        }
    }

    /// The `count` words at `offset`.
    package func read(_ count: Int, at offset: Int) throws(SystemError) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: count)
        var done = 0
        while done < 8 * count {
            let got = unsafe words.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return 0 }
                return unsafe pread(descriptor, base + done, bytes.count - done, offset + done)
            }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { throw SystemError(call: "read", number: got < 0 ? errno : EIO) }
            done += got
        }
        return words
    }
}
