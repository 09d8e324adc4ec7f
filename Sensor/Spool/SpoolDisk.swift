package import Platform

/// What the spool does to a file system, so that tests can fail the n-th call, tear writes and cut the power. Paths are
/// the system's own. `SystemDisk` is the real one. Each call throws what the system said.
package protocol SpoolDisk: Sendable {
    /// No error when it is there.
    func makeFolder(_ path: String) throws(SystemError)
    /// Names in a folder, sorted.
    func names(in folder: String) throws(SystemError) -> [String]
    func exists(_ path: String) -> Bool
    /// Opens for reading and writing.
    /// - Parameter making: the file is new; `EEXIST` when it is not.
    func open(_ path: String, making: Bool) throws(SystemError) -> any SpoolDiskFile
    func rename(_ from: String, to: String) throws(SystemError)
    /// No error when there is no such file.
    func remove(_ path: String) throws(SystemError)
    /// Makes new names, renames and removals in a folder durable.
    func syncFolder(_ path: String) throws(SystemError)
    /// Held until the last reference to the result is gone; `EWOULDBLOCK` when another process holds it.
    func lock(_ path: String) throws(SystemError) -> any SpoolDiskLock
}

/// An open file; closed with its last reference.
package protocol SpoolDiskFile: AnyObject, Sendable {
    func byteCount() throws(SystemError) -> Int
    /// Fewer bytes at the end of the file.
    func read(_ count: Int, at offset: Int) throws(SystemError) -> [UInt8]
    /// Writes all pieces one after the other, or throws; some may be in the file then.
    func write(_ pieces: [[UInt8]], at offset: Int) throws(SystemError)
    /// What was written is durable on return. Once it has thrown nobody knows what of it is.
    func sync() throws(SystemError)
    func cut(to byteCount: Int) throws(SystemError)
    /// These bytes are durable and will hardly be read again: the system need not keep them in memory. A hint.
    func forget(_ range: Range<Int>)
}

package protocol SpoolDiskLock: AnyObject, Sendable {}

extension SpoolDisk {
    /// Writes a whole file under another name, syncs it, and gives it its name: it is there in full or not at all. The
    /// folder is the caller's to sync.
    func writeWhole(_ bytes: [UInt8], to path: String) throws(SystemError) {
        let draft = path + ".part"
        try remove(draft)
        do throws(SystemError) {
            let file = try open(draft, making: true)
            try file.write([bytes], at: 0)
            try file.sync()
            try rename(draft, to: path)
        } catch {
            try? remove(draft)
            throw error
        }
    }
}
