import FlowModel
import Foundation
import Identity
import Platform
import Synchronization
import TestKit
import Testing

@testable import Programs

/// What is asked of the machine: the tools of the sandbox, and python3.
let machine = SandboxTools.ofThisMachine()
let hasSandbox = machine.canMakeNamespaces && machine.prlimit != nil && machine.setpriv != nil
let python = "/usr/bin/python3"
let hasPython = FileManager.default.isExecutableFile(atPath: python)

/// A Python program in a folder of its own, and a runner for it.
final class Bench {
    let folder: TemporaryFolder
    let runner: ProgramRunner
    let logs: Logs
    private(set) var outcomes: [ProgramOutcome] = []

    final class Logs: Sendable {
        private let lines = Mutex<[ProgramLog]>([])
        func add(_ line: ProgramLog) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0.map(\.message) } }
    }

    /// - Parameter body: what it does with a batch, `n` being its number; the rest is done for it.
    init(
        _ body: String, before: String = "", _ change: (inout ProgramDescription) -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder("weir-programs")
        let script = """
            import json, os, sys, time
            def say(**m): print(json.dumps(m), flush=True)
            def log(text): say(type="log", message=str(text))
            host = json.loads(sys.stdin.readline())
            \(before)
            say(type="hello", protocol=1, kind="detector", name="d", rules=[{"id": "r", "title": "R"}])
            for line in sys.stdin:
                m = json.loads(line)
                if m["type"] == "end": break
                n = m["batch"]
                for _ in range(m["records"]): sys.stdin.readline()
            \(body.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
                say(type="done", batch=n, state=str(n))
            """
        try Data(script.utf8).write(to: folder.file("program.py"))
        var program = ProgramDescription(
            name: "d", kind: .detector, tenant: try #require(TenantID("acme")),
            command: [python, folder.file("program.py").path], folder: folder.path)
        change(&program)
        let logs = Logs()
        self.logs = logs
        runner = try ProgramRunner(
            program, plan: SandboxPlan(for: program, with: machine), time: SystemTime(), log: { logs.add($0) })
        try runner.start()
    }
    deinit { runner.stop() }

    func wait(atMost limit: Duration = .seconds(30), until isDone: (Bench) -> Bool) throws {
        let clock = SystemTime(), end = clock.monotonic() + limit
        while !isDone(self) {
            try #require(clock.monotonic() < end, "not in time; \(runner.counts); \(logs.all)")
            outcomes += runner.takeOutcomes()
            usleep(5_000)
        }
        outcomes += runner.takeOutcomes()
    }
    func greet() throws { try wait { $0.runner.hello != nil } }
    var ends: [String] {
        outcomes.map { outcome in
            switch outcome.result {
            case .answered(let answers, _): "\(outcome.mark) answered \(answers.count)"
            case .lost(let fault): "\(outcome.mark) \(fault)"
            }
        }
    }
}

@Suite("A program that runs", .enabled(if: hasSandbox && hasPython), .serialized)
struct ProgramRunnerTests {
    @Test("answers batch after batch, and ends when asked to") func serves() throws {
        let bench = try Bench(
            """
            say(type="finding", batch=n, rule="r", severity="low", title="t", windowStart=1, start=1, end=2,
                entities=[{"address": "192.0.2.1", "role": "attacker"}], observed=1, threshold=1, unit="x")
            """)
        try bench.greet()
        for mark in 1...5 {
            #expect(bench.runner.offer(ConformanceSample.columns(1_500), mark: Int64(mark)))
        }
        try bench.wait { $0.outcomes.filter(\.isLast).count == 5 }
        #expect(bench.outcomes.map(\.mark) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
        #expect(bench.outcomes.map(\.records) == [1, 2, 3, 4, 5].flatMap { _ in [1_000, 500] })
        #expect(bench.outcomes.last?.state == "10")
        bench.runner.stop()
        let counts = bench.runner.counts
        #expect(counts.answers == 10 && counts.recordsSent == 7_500 && counts.starts == 1)
        #expect(counts.batchesLost == [:] && counts.refusals == [:] && counts.faults == [.ended: 1])
    }

    @Test("what crashes costs its own batch, and is started again with its state") func crashes() throws {
        let bench = try Bench("if n == 2: os._exit(3)", before: #"log(host.get("state"))"#)
        try bench.greet()
        for mark in 1...3 { #expect(bench.runner.offer([ProgramBatch(mark: Int64(mark))])) }
        try bench.wait { $0.outcomes.count == 3 }
        #expect(bench.ends[0] == "1 answered 0" && bench.ends[1] == "2 failed")
        try bench.wait { $0.runner.counts.starts == 2 && $0.logs.all.contains("1") }
        #expect(bench.runner.counts.faults == [.failed: 1] && bench.logs.all.contains("ended: failed: status 3"))
    }

    @Test("what is slow is ended, and the caller never waits for it") func slow() throws {
        let bench = try Bench("time.sleep(60)") { $0.batchDeadline = .milliseconds(300) }
        try bench.greet()
        let began = SystemTime().monotonic()
        var taken = 0
        for mark in 1...50 where bench.runner.offer([ProgramBatch(mark: Int64(mark))]) { taken += 1 }
        #expect(SystemTime().monotonic() - began < .milliseconds(250))
        #expect((8...10).contains(taken) && bench.runner.counts.batchesLost[.full] == UInt64(50 - taken))
        try bench.wait { $0.outcomes.count >= 2 }
        #expect(bench.ends.prefix(2) == ["1 slow", "2 slow"])
    }

    @Test("what doesn't read is slow, and holds up nobody") func deaf() throws {
        let bench = try Bench("time.sleep(60)") { $0.batchDeadline = .milliseconds(500) }
        try bench.greet()
        #expect(bench.runner.offer(ConformanceSample.columns(30_000), mark: 1))
        try bench.wait { $0.outcomes.count >= 2 }
        #expect(bench.ends.prefix(2) == ["1 slow", "1 slow"])
    }

    @Test("its own limits end it: memory, processor time, size of a file") func limits() throws {
        let memory = try Bench("x = bytearray(1 << 30)") { $0.memoryOctetsMax = 256 << 20 }
        let processor = try Bench("while True: pass") { $0.processorSecondsMax = 1 }
        let file = try Bench(
            """
            try: open("/tmp/x", "wb").write(bytes(2 << 20))
            except OSError as e: log(e.errno)
            """
        ) { $0.fileOctetsMax = 1 << 20 }
        for bench in [memory, processor, file] {
            try bench.greet()
            #expect(bench.runner.offer([ProgramBatch(mark: 1)]))
        }
        try memory.wait { !$0.outcomes.isEmpty }
        try processor.wait { !$0.outcomes.isEmpty }
        try file.wait { !$0.outcomes.isEmpty }
        #expect(memory.ends == ["1 failed"] && memory.logs.all.contains { $0.contains("MemoryError") })
        // Whether bubblewrap tells a signal as its own or as a status is its affair.
        #expect(processor.ends == ["1 failed"] || processor.ends == ["1 killed"])
        #expect(file.logs.all.contains { ["27", "28"].contains($0) } || file.ends != ["1 answered 0"])
    }

    @Test("it sees no files, no network, no environment and no other process") func closed() throws {
        let secret = try TemporaryFolder("weir-secret")
        try Data("key".utf8).write(to: secret.file("key"))
        let bench = try Bench(
            """
            import socket
            s = socket.socket(); s.settimeout(1)
            log("net %d" % s.connect_ex(("127.0.0.1", 22)))
            log("interfaces %s" % [i[1] for i in socket.if_nameindex()])
            log("secret %s etc %s root %s" % (os.path.exists("\(secret.path)"), os.path.exists("/etc/passwd"),
                os.path.exists("/root")))
            log("env %s" % sorted(k for k in os.environ if k not in ("LC_CTYPE", "PWD")))
            log("processes %d" % len([p for p in os.listdir("/proc") if p.isdigit()]))
            try: open("program.py", "a")
            except OSError as e: log("own folder %d" % e.errno)
            """)
        try bench.greet()
        #expect(bench.runner.offer([ProgramBatch(mark: 1)]))
        try bench.wait { !$0.outcomes.isEmpty }
        let said = bench.logs.all
        #expect(bench.ends == ["1 answered 0"])
        #expect(said.contains("interfaces ['lo']") && said.contains("secret False etc False root False"))
        #expect(said.contains("env ['LANG', 'PATH']") && said.contains("own folder 30"))
        #expect(
            said.contains { $0.hasPrefix("processes ") && Int($0.dropFirst(10)).map { $0 <= 3 } == true }, "\(said)")
    }

    @Test("what it has started ends with it") func children() throws {
        let bench = try Bench(
            """
            import subprocess
            subprocess.Popen(["/usr/bin/sleep", "7531"], start_new_session=True)
            time.sleep(60)
            """
        ) { $0.batchDeadline = .milliseconds(800) }
        try bench.greet()
        #expect(bench.runner.offer([ProgramBatch(mark: 1)]))
        try bench.wait { _ in !Self.sleepers().isEmpty }
        try bench.wait { !$0.outcomes.isEmpty }
        try bench.wait(atMost: .seconds(3)) { _ in Self.sleepers().isEmpty }
        #expect(bench.ends == ["1 slow"])
    }
    private static func sleepers() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { entry in
            guard Int(entry) != nil, let line = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline") else {
                return false
            }
            return String(decoding: line, as: UTF8.self).contains("sleep\u{0}7531")
        }
    }

    @Test("its standard error is logged up to a limit, the rest counted") func errors() throws {
        let bench = try Bench("for i in range(200): print('e%d' % i, file=sys.stderr, flush=True)")
        try bench.greet()
        #expect(bench.runner.offer([ProgramBatch(mark: 1)]))
        try bench.wait { $0.runner.counts.logsDropped == 140 }
        #expect(bench.logs.all.filter { $0.hasPrefix("e") }.count == 60)
    }

    @Test("limits alone are a choice, and leave no privileges") func limitsOnly() throws {
        let bench = try Bench(
            """
            log([l for l in open("/proc/self/status") if l.startswith("NoNewPrivs")][0].split()[1])
            log(os.getpgid(0) == os.getsid(0))
            """
        ) { $0.isolation = .limitsOnly }
        try bench.greet()
        #expect(bench.runner.offer([ProgramBatch(mark: 1)]))
        try bench.wait { !$0.outcomes.isEmpty }
        #expect(bench.logs.all.contains("1") && bench.logs.all.contains("True"))
        #expect(bench.logs.all.contains { $0.hasPrefix("it runs without a sandbox") })
    }

    @Test("another user is another user", .enabled(if: machine.isRoot)) func user() throws {
        let bench = try Bench("log(os.getuid())") { program in
            program.user = "nobody"
            program.group = "nogroup"
            program.folder = nil
            program.command = [python, "-c", Self.telling]
        }
        try bench.wait { $0.logs.all.contains { $0.hasPrefix("uid ") } }
        #expect(bench.logs.all.contains("uid 65534"))
    }
    @Test("another user's processes have a limit", .enabled(if: machine.isRoot)) func processes() throws {
        let bench = try Bench(
            """
            forks = 0
            try:
                while forks < 100:
                    if os.fork() == 0: time.sleep(5); os._exit(0)
                    forks += 1
            except OSError as e: log("forks %s %d" % (forks < 16, e.errno))
            """
        ) { ($0.user, $0.group) = ("nobody", "nogroup") }
        try bench.greet()
        #expect(bench.runner.offer([ProgramBatch(mark: 1)]))
        try bench.wait { !$0.outcomes.isEmpty }
        #expect(bench.logs.all.contains("forks True 11"), "\(bench.logs.all)")
    }

    private static let telling = """
        import json, os, sys
        print('\(Dialogue.hello)', flush=True)
        print(json.dumps({"type": "log", "message": "uid %d" % os.getuid()}), flush=True)
        sys.stdin.read()
        """

    @Test("what can't be started is said, and tried again") func absent() throws {
        let program = try Dialogue.program(.detector, command: ["/nowhere/at-all"])
        let logs = Bench.Logs(), plan = try SandboxPlan(for: program, with: machine)
        let runner = try ProgramRunner(program, plan: plan, time: SystemTime(), log: { logs.add($0) })
        try runner.start()
        let end = SystemTime().monotonic() + .seconds(10)
        while runner.counts.starts < 2, SystemTime().monotonic() < end { usleep(10_000) }
        runner.stop()
        #expect(runner.counts.starts >= 2 && (runner.counts.faults[.failed] ?? 0) >= 1)
        #expect(logs.all.contains { $0.contains("/nowhere/at-all") })
        #expect(!runner.offer([ProgramBatch(mark: 1)]))
    }
}
