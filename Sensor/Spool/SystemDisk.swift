internal import Glibc
package import Platform

/// The file system as the operating system gives it.
package struct SystemDisk: SpoolDisk {
    package init() {}

    package func makeFolder(_ path: String) throws(SystemError) {
        guard unsafe mkdir(path, 0o750) == 0 || errno == EEXIST else { throw fault("mkdir") }
    }
    package func names(in folder: String) throws(SystemError) -> [String] {
        guard let handle = unsafe opendir(folder) else { throw fault("opendir") }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
    package func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
    package func open(_ path: String, making: Bool) throws(SystemError) -> any SpoolDiskFile {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC | (making ? O_CREAT | O_EXCL : 0), 0o640)
        guard descriptor >= 0 else { throw fault("open") }
        return SystemDiskFile(descriptor)
    }
    package func rename(_ from: String, to: String) throws(SystemError) {
        guard unsafe Glibc.rename(from, to) == 0 else { throw fault("rename") }
    }
    package func remove(_ path: String) throws(SystemError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw fault("unlink") }
    }
    package func syncFolder(_ path: String) throws(SystemError) {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fault("open") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fault("fsync") }
    }
    package func lock(_ path: String) throws(SystemError) -> any SpoolDiskLock {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw fault("open") }
        let file = SystemDiskFile(descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw fault("flock") }
        return file
    }
}

/// An open descriptor; flock(2) goes with it.
///
/// Unchecked: the spool's lock admits one thread at a time to its files.
final class SystemDiskFile: SpoolDiskFile, SpoolDiskLock, @unchecked Sendable {
    private let descriptor: Int32
    /// Made at the first large write; nil where the file system has no such thing.
    private lazy var direct = DirectWrites(of: descriptor)
    /// Of one system call: IOV_MAX.
    private static let piecesMax = 1_024

    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    func byteCount() throws(SystemError) -> Int {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw fault("fstat") }
        return Int(status.st_size)
    }

    func read(_ count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        var number: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(count, 0)) { buffer, filled in
            while filled < count {
                let got = unsafe pread(
                    descriptor, buffer.baseAddress.map { unsafe $0 + filled }, count - filled, offset + filled)
                if got < 0 && errno == EINTR { continue }
                if got < 0 { number = errno }
                guard got > 0 else { return }
                filled += got
            }
        }
        guard number == 0 else { throw SystemError(call: "read", number: number) }
        return bytes
    }

    func write(_ pieces: [[UInt8]], at offset: Int) throws(SystemError) {
        let byteCount = pieces.reduce(0) { $0 + $1.count }
        if byteCount >= DirectWrites.bytesMin, let direct, !direct.isRefused {
            return try direct.write(pieces, at: offset)
        }
        var at = offset, first = 0
        while first < pieces.count {
            let some = pieces[first..<min(first + Self.piecesMax, pieces.count)]
            let total = some.reduce(0) { $0 + $1.count }
            let written = try writeSome(some, at: at)
            guard written < total else {
                at += total
                first = some.endIndex
                continue
            }
            // The system took a part: the rest goes piece by piece.
            var skipped = written
            for piece in some {
                let start = min(skipped, piece.count)
                skipped -= start
                if start < piece.count { try writeRest(of: piece, from: start, at: at + start) }
                at += piece.count
            }
            first = some.endIndex
        }
    }
    /// - Returns: how many bytes the system took.
    private func writeSome(_ pieces: ArraySlice<[UInt8]>, at offset: Int) throws(SystemError) -> Int {
        // The pieces outlive the call: `pieces` holds them, and their storage doesn't move.
        var vectors = unsafe [iovec]()
        unsafe vectors.reserveCapacity(pieces.count)
        for piece in pieces {
            unsafe piece.withUnsafeBytes { bytes in
                unsafe vectors.append(
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count))
            }
        }
        let written = withExtendedLifetime(pieces) {
            while true {  // ends: unless interrupted
                let count = unsafe pwritev(descriptor, vectors, Int32(vectors.count), offset)
                if count < 0 && errno == EINTR { continue }
                return count
            }
        }
        guard written >= 0 else { throw fault("write") }
        return written
    }
    private func writeRest(of piece: [UInt8], from start: Int, at offset: Int) throws(SystemError) {
        var sent = start
        while sent < piece.count {
            let count = unsafe piece.withUnsafeBytes { bytes in
                unsafe pwrite(
                    descriptor, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent, offset + sent - start)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw fault("write") }
            guard count > 0 else { throw SystemError(call: "write", number: ENOSPC) }
            sent += count
        }
    }

    func sync() throws(SystemError) {
        guard fdatasync(descriptor) == 0 else { throw fault("fdatasync") }
    }
    func forget(_ range: Range<Int>) {
        // The next append goes on in the last page.
        let range = range.clamped(to: 0..<(range.upperBound & ~4_095))
        guard !range.isEmpty else { return }  // to the system, no length is all the rest
        posix_fadvise(descriptor, range.lowerBound, range.count, POSIX_FADV_DONTNEED)
    }
    func cut(to byteCount: Int) throws(SystemError) {
        guard ftruncate(descriptor, byteCount) == 0 else { throw fault("ftruncate") }
    }
}

private func fault(_ call: String) -> SystemError { SystemError(call: call, number: errno) }
