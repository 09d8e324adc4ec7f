internal import Glibc

/// What the file system says of some files at one moment: inode, time and size. Equal stamps, same contents.
package struct FileStamp: Hashable, Sendable {
    private let words: [Int]

    /// A file that can't be asked about is like one that isn't there.
    package init(_ paths: [String]) { words = paths.flatMap(Self.words) }

    private static func words(_ path: String) -> [Int] {
        var info = stat()
        guard unsafe stat(path, &info) == 0 else { return [-1, 0, 0, 0] }
        return [Int(bitPattern: UInt(info.st_ino)), info.st_mtim.tv_sec, info.st_mtim.tv_nsec, Int(info.st_size)]
    }
}
