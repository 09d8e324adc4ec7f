internal import Glibc

/// The few file operations that SQLite does not do for the spool. Each throws `SpoolError.directory` with what the
/// system said.
enum SystemFiles {
    static func makeFolder(_ path: String) throws(SpoolError) {
        guard unsafe mkdir(path, 0o750) == 0 || errno == EEXIST else { throw fault("mkdir", path) }
    }

    /// Names in a folder, sorted, without `.` and `..`.
    static func names(in folder: String) throws(SpoolError) -> [String] {
        guard let handle = unsafe opendir(folder) else { throw fault("opendir", folder) }
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
    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// 0 when there is no such file.
    static func byteCount(_ path: String) -> Int {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    static func rename(_ from: String, to: String) throws(SpoolError) {
        guard unsafe Glibc.rename(from, to) == 0 else { throw fault("rename", from) }
    }
    static func remove(_ path: String) throws(SpoolError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw fault("unlink", path) }
    }

    /// Makes renames, new files and removals in a folder durable.
    static func syncFolder(_ path: String) throws(SpoolError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fault("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fault("fsync", path) }
    }

    /// Writes a whole file under another name, syncs it, and gives it its name: it is there in full or not at all.
    /// The folder is the caller's to sync.
    static func writeDurably(_ bytes: [UInt8], to path: String) throws(SpoolError) {
        let draft = path + ".part"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw fault("open", draft) }
        var sent = 0, isWritten = true
        while sent < bytes.count, isWritten {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe write(descriptor, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent)
            }
            if count > 0 {
                sent += count
            } else {
                isWritten = count < 0 && errno == EINTR
            }
        }
        guard isWritten, fsync(descriptor) == 0 else {
            let error = fault("write", draft)
            close(descriptor)
            unsafe unlink(draft)
            throw error
        }
        close(descriptor)
        try rename(draft, to: path)
    }

    static func fault(_ call: String, _ path: String) -> SpoolError {
        let text = unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
        return .directory("\(call) \(path): \(text)")
    }
}

/// Held as long as the value lives: only one process may use a spool.
struct SpoolLock: ~Copyable, Sendable {
    private let descriptor: Int32

    init(_ path: String) throws(SpoolError) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw SystemFiles.fault("open", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let isHeld = errno == EWOULDBLOCK
            let error = isHeld ? SpoolError.locked(path) : SystemFiles.fault("flock", path)
            close(descriptor)
            throw error
        }
    }
    deinit { close(descriptor) }
}
