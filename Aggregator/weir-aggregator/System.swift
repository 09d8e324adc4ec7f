import Foundation

// What the operating system wants of a command: status, streams, files.

func complain(_ message: String) {
    FileHandle.standardError.write(Data((message + "\n").utf8))
}

var standardOutputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
var standardErrorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

func endProcess(_ status: Int32) -> Never { Foundation.exit(status) }

/// The login name, for the audit trail.
var userName: String { NSUserName() }

/// Makes `path` and what is above it, for its owner only.
func makeFolder(_ path: String) throws(Failure) {
    do {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
        throw .usage("dataDirectory: \(path) can't be made: \(error.localizedDescription)")
    }
}

/// Makes `path` with `text` for its owner only, in one step; an existing file is not touched.
func makeSecretFile(_ path: String, _ text: String) throws(Failure) {
    guard !FileManager.default.fileExists(atPath: path) else { throw .usage("--out: \(path) is there already") }
    let temporary = path + ".new"
    let made = FileManager.default.createFile(
        atPath: temporary, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
    do {
        guard made else { throw Failure.work("\(path) can't be written") }
        try FileManager.default.moveItem(atPath: temporary, toPath: path)
    } catch {
        throw .work("\(path) can't be written")
    }
}

/// One process at a time works in a data folder: the log's and the store's files have one writer each.
struct FolderLock {
    private let handle: FileHandle

    init(_ folder: String) throws(Failure) {
        let path = folder + "/lock"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(
                atPath: path, contents: Data(), attributes: [.posixPermissions: 0o600])
        }
        guard let handle = FileHandle(forUpdatingAtPath: path) else {
            throw .usage("dataDirectory: \(path) can't be opened for writing")
        }
        guard flock(handle.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw .work("dataDirectory: another weir-aggregator works in \(folder)")
        }
        self.handle = handle
    }
    func release() { try? handle.close() }
}
