import Foundation
import Glibc
import TestKit
import Testing

@Suite("Programs that tests run") struct RunningProgramTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-programs") }

    private func start(_ script: String, _ name: String = "a") throws -> RunningProgram {
        try Program.start(
            "bash", ["-c", script], output: folder.file("\(name).out"), errors: folder.file("\(name).err"))
    }
    private func text(_ name: String) throws -> String {
        try String(contentsOf: folder.file(name), encoding: .utf8)
    }
    /// Whether a process with that number runs: one that has ended waits (Z) for whoever is to ask after it.
    private func runs(_ number: Substring) -> Bool {
        let state = try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)
        return state.map { $0.split(separator: " ").dropFirst(2).first != "Z" } ?? false
    }

    // A server that is started in the same moment holds what this child holds, as does what the child itself starts.
    // 9999 s are longer than any limit of a run of tests.
    @Test("a program's end is seen while another process holds every descriptor that it had") func holding() throws {
        let outcome = try Program.run("bash", ["-c", "sleep 9999 & echo $!; exit 3"])
        #expect(outcome.status == 3)
        let left = try #require(outcome.text.split(separator: "\n").first)
        // Killed by then, but perhaps not told so yet.
        for _ in 0..<500 where runs(left) { usleep(10_000) }
        #expect(!runs(left), "what it left behind is killed")
    }

    @Test("ends are seen while programs that live long are started beside them") func beside() throws {
        let count = 24
        let long = try (0..<count).map { try start("exec sleep 9999", "long-\($0)") }
        let ended = Collected()
        DispatchQueue.concurrentPerform(iterations: count) { number in
            let server = try? start("exec sleep 9999", "server-\(number)")
            let status = try? Program.run("bash", ["-c", "exit \(number)"]).status
            ended.add(server?.isRunning == true ? status : nil)
        }
        #expect(ended.numbers.sorted() == (0..<count).map(Int32.init))
        #expect(long.allSatisfy { $0.isRunning })
    }

    @Test("a program has its three descriptors and no others") func descriptors() throws {
        // Neither closed on exec nor known to the kit.
        let first = open("/dev/null", O_RDONLY), mine = fcntl(first, F_DUPFD, 100)
        defer { for descriptor in [first, mine] { close(descriptor) } }
        #expect(mine >= 100 && fcntl(mine, F_GETFD) == 0)
        // The shell itself reads the folder, by a descriptor of its own: 3, the first that is free.
        let outcome = try Program.run("bash", ["-c", "echo /proc/$$/fd/*"])
        let seen = Set(outcome.text.split(whereSeparator: \.isWhitespace).compactMap { $0.split(separator: "/").last })
        #expect(seen.isSuperset(of: ["0", "1", "2"]) && seen.subtracting(["0", "1", "2", "3"]) == [])
    }

    @Test("signals reach it also when the thread that starts it has them blocked") func mask() throws {
        var all = sigset_t(), old = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        let program = try start("exec sleep 9999")
        #expect(program.isRunning && program.status == nil)
        program.terminate()
        #expect(program.waitUntilExit() == SIGTERM && !program.isRunning && program.status == SIGTERM)
        // Its number is somebody else's now, perhaps.
        program.signal(SIGKILL)
        program.kill()
        #expect(program.status == SIGTERM)
    }

    @Test("it is gone with its last reference") func lastReference() throws {
        var program: RunningProgram? = try start("echo $$; exec sleep 9999")
        for _ in 0..<1_000 where try text("a.out").isEmpty { usleep(10_000) }
        let number = try #require(try text("a.out").split(separator: "\n").first)
        #expect(runs(number) && program?.isRunning == true)
        program = nil
        #expect(!FileManager.default.fileExists(atPath: "/proc/\(number)"), "it is reaped too")
    }

    @Test("its output goes behind what its files hold, also when they are one") func output() throws {
        let log = folder.file("log")
        try Data("before\n".utf8).write(to: log)
        let program = try Program.start(
            "bash", ["-c", "echo out; echo err >&2; echo $WEIR_KIT; cat"], environment: ["WEIR_KIT": "is set"],
            output: log, errors: log)
        #expect(program.waitUntilExit() == 0)
        #expect(try text("log") == "before\nout\nerr\nis set\n")
    }

    @Test("what can't be started says so") func missing() {
        #expect(throws: Program.Missing.self) { try Program.run("weir-nowhere", []) }
        #expect(throws: Program.Missing.self) { try Program.run("/nowhere/weir", []) }
    }
}

/// Numbers from several threads.
private final class Collected: @unchecked Sendable {
    private let lock = NSLock()
    private var found: [Int32] = []
    func add(_ number: Int32?) { lock.withLock { found += number.map { [$0] } ?? [] } }
    var numbers: [Int32] { lock.withLock { found } }
}
