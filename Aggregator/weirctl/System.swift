import Foundation

// What the operating system wants of a command: status, streams, signals.

func complain(_ message: String) {
    FileHandle.standardError.write(Data((message + "\n").utf8))
}

func end(withStatus status: Int32) -> Never { Foundation.exit(status) }

/// `weirctl flows | head` ends quietly: the write fails with EPIPE instead of a signal, and the process ends there.
func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_DFL)
}

/// What somebody types after a question, without showing it; a line of standard input where that is no terminal.
/// - Returns: nil at the end of the input, and when they would rather not.
func askSecretly(_ question: String) -> String? {
    guard isatty(STDIN_FILENO) == 1 else { return readLine() }
    // Signals are off meanwhile, so that no way out leaves a terminal that shows nothing.
    guard let typed = unsafe getpass(question) else { return nil }
    let text = unsafe String(cString: typed)
    return text.contains("\u{3}") ? nil : text
}

var standardOutputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
var standardErrorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

/// Replaces `path` in one step, readable by its owner only when `isSecret`.
func replaceFile(_ path: String, with data: Data, isSecret: Bool) throws {
    let temporary = path + ".new"
    let made = FileManager.default.createFile(
        atPath: temporary, contents: data, attributes: [.posixPermissions: isSecret ? 0o600 : 0o644])
    guard made, unsafe rename(temporary, path) == 0 else { throw Failure.work("\(path): cannot be written") }
}

/// Gives a file its name in one step, in the place of what had it.
func moveFile(_ path: String, to name: String) throws {
    guard unsafe rename(path, name) == 0 else { throw Failure.work("\(name): cannot be written") }
}
