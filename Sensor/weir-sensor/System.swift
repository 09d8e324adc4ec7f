import Glibc
import Platform

/// What the program needs of the system, in one place.

/// So that `| head` ends the program by a failed write, without a message, and not by a signal.
func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

/// The memory of a batch or two, which comes and goes fifty times a second.
func keepBatchMemory() { keepFreedMemory(blockBytes: 8 << 20, keptBytes: 32 << 20) }

func exitProcess(_ code: Int32) -> Never { exit(code) }

func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

/// A message for people on standard error.
func complain(_ message: String) {
    let text = message.hasSuffix("\n") ? message : message + "\n"
    writeAll([UInt8](("weir-sensor: " + text).utf8), to: 2)
}

/// Standard output, buffered. A reader that went away makes it broken: nothing more is written.
struct StandardOutput: ~Copyable {
    private(set) var isBroken = false
    var buffer: [UInt8] = []
    private static let flushBytes = 64 << 10

    mutating func write(_ text: String) {
        buffer += text.utf8
        flushIfLarge()
    }
    mutating func flushIfLarge() {
        if buffer.count >= Self.flushBytes { flush() }
    }
    mutating func flush() {
        if !isBroken, !buffer.isEmpty { isBroken = !writeAll(buffer, to: 1) }
        buffer.removeAll(keepingCapacity: true)
    }
}
