internal import Glibc

/// Why a system call failed: its name and `errno`, in words.
package struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    package let call: String
    package let number: Int32
    package init(call: String, number: Int32) {
        self.call = call
        self.number = number
    }
    package var description: String { systemReason(number) }
}

/// What the system says of an `errno`.
package func systemReason(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: text)
}

/// The bytes of a whole file, `-` being standard input.
/// - Throws: what the system said; `EFBIG` for more than `bytesMax` bytes, `EISDIR` for a folder.
package func readFile(_ path: String, bytesMax: Int = .max) throws(SystemError) -> [UInt8] {
    guard path != "-" else { return try readAll(0, bytesMax: bytesMax) }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { close(descriptor) }
    return try readAll(descriptor, bytesMax: bytesMax)
}

private func readAll(_ descriptor: Int32, bytesMax: Int) throws(SystemError) -> [UInt8] {
    var status = stat()
    let known = unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : 0
    guard known <= bytesMax else { throw SystemError(call: "read", number: EFBIG) }
    // One byte more than the file says: the read that fills the rest also sees its end.
    var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: max(known + 1, 1 << 16))
    while true {
        let count = unsafe read(descriptor, &chunk, chunk.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw SystemError(call: "read", number: errno) }
        if count == 0 { return bytes }
        guard bytes.count + count <= bytesMax else { throw SystemError(call: "read", number: EFBIG) }
        if bytes.isEmpty && count == known {
            chunk.removeLast(chunk.count - count)
            swap(&bytes, &chunk)
            chunk = [UInt8](repeating: 0, count: 1 << 16)
        } else {
            bytes += chunk[..<count]
        }
    }
}

/// Writes all of `bytes`, however often the system interrupts. False when it won't take them.
@discardableResult
package func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
        let count = unsafe bytes.withUnsafeBytes { rest in
            guard let start = rest.baseAddress else { return 0 }
            return unsafe write(descriptor, start + sent, rest.count - sent)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
    }
    return true
}

/// The value of an environment variable; nil when it is not set.
package func environmentVariable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
}

/// Puts `bytes` in the place of the file at `path`, durably: after a crash the file is the old one or the new one,
/// whole.
/// - Throws: what the system said.
package func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError) {
    try writeFile(path, bytes)
    try syncFolder(path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ".")
}
/// Writes a whole file under another name, syncs it, and gives it its name: it is there in full or not at all. The
/// name is durable only once the folder is synced, which is the caller's to do.
/// - Throws: what the system said; an old file is untouched then.
package func writeFile(_ path: String, _ bytes: [UInt8]) throws(SystemError) {
    let draft = path + ".part"
    let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw SystemError(call: "open", number: errno) }
    let isWritten = writeAll(bytes, to: descriptor) && fsync(descriptor) == 0
    let number = errno
    close(descriptor)
    guard isWritten else {
        unsafe unlink(draft)
        throw SystemError(call: "write", number: number)
    }
    guard unsafe rename(draft, path) == 0 else { throw SystemError(call: "rename", number: errno) }
}
/// Makes new names, renames and removals in a folder durable.
package func syncFolder(_ path: String) throws(SystemError) {
    let handle = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard handle >= 0 else { throw SystemError(call: "open", number: errno) }
    defer { close(handle) }
    guard fsync(handle) == 0 else { throw SystemError(call: "fsync", number: errno) }
}
