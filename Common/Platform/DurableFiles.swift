internal import Glibc

// Files that are there whole or not at all, also after a power cut: written aside, synced, named, and the folder
// synced.

extension SystemError {
    package var isFileExists: Bool { number == EEXIST }
    package var isNoSuchFile: Bool { number == ENOENT }
    package var isNoSpace: Bool { number == ENOSPC || number == EDQUOT }
}

/// Puts a new file at `path`, durably. `draft` is where it is written first: in the same file system, of this call's
/// own.
/// - Parameter replacing: whether a file that is there gives way; else the call throws `EEXIST`.
/// - Throws: what the system said; nothing is at `path` then that was not there before.
package func placeFile(
    _ path: String, with bytes: [UInt8], draft: String, replacing: Bool, mode: UInt32 = 0o600
) throws(SystemError) {
    try writeNew(draft, bytes, mode: mode)
    let result = replacing ? unsafe rename(draft, path) : unsafe link(draft, path)
    let number = errno
    if result != 0 || !replacing { unsafe unlink(draft) }
    guard result == 0 else { throw SystemError(call: replacing ? "rename" : "link", number: number) }
    try syncFolder(folder(of: path))
}

/// Makes the file at `path`, durably.
/// - Throws: `EEXIST` when there is one.
package func makeFile(_ path: String, with bytes: [UInt8], mode: UInt32 = 0o600) throws(SystemError) {
    try placeFile(path, with: bytes, draft: "\(path).\(getpid()).part", replacing: false, mode: mode)
}

private func writeNew(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(SystemError) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    let isWritten = writeAll(bytes, to: descriptor) && fsync(descriptor) == 0
    let number = errno
    close(descriptor)
    guard isWritten else {
        unsafe unlink(path)
        throw SystemError(call: "write", number: number)
    }
}

/// Makes `path` and what is above it, each new name durable in its folder.
package func makeFolders(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
    if unsafe mkdir(path, mode) == 0 { return try syncFolder(folder(of: path)) }
    switch errno {
    case EEXIST: return
    case ENOENT where path.contains("/"):
        try makeFolders(folder(of: path), mode: mode)
        guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else { throw SystemError(call: "mkdir", number: errno) }
        try syncFolder(folder(of: path))
    default: throw SystemError(call: "mkdir", number: errno)
    }
}

/// Deletes the file at `path`, durably; false when there was none.
@discardableResult
package func deleteFile(_ path: String) throws(SystemError) -> Bool {
    guard unsafe unlink(path) == 0 else {
        if errno == ENOENT { return false }
        throw SystemError(call: "unlink", number: errno)
    }
    try syncFolder(folder(of: path))
    return true
}

/// Deletes a folder that is empty; false when there is none or it is not.
@discardableResult
package func deleteEmptyFolder(_ path: String) throws(SystemError) -> Bool {
    guard unsafe rmdir(path) == 0 else {
        if [ENOENT, ENOTEMPTY, EEXIST].contains(errno) { return false }
        throw SystemError(call: "rmdir", number: errno)
    }
    try syncFolder(folder(of: path))
    return true
}

/// The octets of `range` of a file; fewer when the file ends before.
package func readFile(_ path: String, range: Range<Int>) throws(SystemError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: min(range.count, 1 << 20))
    while bytes.count < range.count {
        let wanted = min(chunk.count, range.count - bytes.count)
        let count = unsafe pread(descriptor, &chunk, wanted, range.lowerBound + bytes.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw SystemError(call: "read", number: errno) }
        if count == 0 { break }
        bytes += chunk[..<count]
    }
    return bytes
}

/// What a file's entry says.
package struct FileStatus: Hashable, Sendable {
    package let bytes: Int
    /// Of the last change of its content, in ns since 1970 UTC.
    package let changedNanoseconds: Int64
    package let inode: UInt64
    package let isFolder: Bool
    /// Permission bits.
    package let mode: UInt32
}

/// Nil when there is nothing at `path`.
package func fileStatus(_ path: String) -> FileStatus? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    return FileStatus(
        bytes: Int(status.st_size),
        changedNanoseconds: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec),
        inode: UInt64(status.st_ino), isFolder: status.st_mode & S_IFMT == S_IFDIR,
        mode: UInt32(status.st_mode & 0o7777))
}

private func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}
