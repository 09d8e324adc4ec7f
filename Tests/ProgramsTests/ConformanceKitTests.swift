import Detect
import FlowModel
import Foundation
import Identity
import Platform
import TestKit
import Testing

@testable import Programs

@Suite("The conformance kit", .enabled(if: hasPython), .serialized)
struct ConformanceKitTests {
    private func results(
        _ command: [String], deadline: Duration = ProgramLimit.batchDeadline
    ) -> [(demand: String, problem: String?)] {
        let kit = ConformanceKit(
            command: command, environment: ["PATH=/usr/bin:/bin"], batchDeadline: deadline, time: SystemTime())
        return kit.run().map { ($0.demand, $0.problem) }
    }
    private func results(script: String, deadline: Duration = .seconds(3)) throws -> [(
        demand: String, problem: String?
    )] {
        let folder = try TemporaryFolder("weir-conformance"), file = folder.file("p.py")
        try Data(script.utf8).write(to: file)
        return results([python, file.path], deadline: deadline)
    }
    private static var examples: URL {
        PackageTree.root.appendingPathComponent("Aggregator/Programs/examples")
    }

    @Test(
        "the worked examples speak the protocol",
        arguments: [
            [python, "fan-out.py"], ["/bin/sh", "owner-names.sh"],
        ]) func examples(command: [String])
    {
        let found = results([command[0], Self.examples.appendingPathComponent(command[1]).path])
        #expect(found.count == 13)
        for result in found { #expect(result.problem == nil, "\(result.demand)") }
    }

    @Test("the example detector finds a host that calls many, within the sandbox", .enabled(if: hasSandbox))
    func fanOut() throws {
        var program = ProgramDescription(
            name: "fan-out", kind: .detector, tenant: try #require(TenantID("acme")),
            command: [python, Self.examples.appendingPathComponent("fan-out.py").path])
        program.folder = Self.examples.path
        let runner = try ProgramRunner(
            program, plan: SandboxPlan(for: program, with: machine), time: SystemTime(), log: { _ in })
        try runner.start()
        defer { runner.stop() }
        var outcomes: [ProgramOutcome] = []
        let end = SystemTime().monotonic() + .seconds(30)
        var isOffered = false
        while outcomes.isEmpty, SystemTime().monotonic() < end {
            if !isOffered, runner.hello != nil { isOffered = runner.offer(ConformanceSample.columns(400), mark: 1) }
            outcomes += runner.takeOutcomes()
            usleep(5_000)
        }
        guard case .answered(let answers, _) = try #require(outcomes.first).result,
            case .finding(let finding) = try #require(answers.first)
        else {
            Issue.record("a finding is expected, not \(outcomes)")
            return
        }
        // Two of four sample records go to port 445, each to another host.
        #expect(answers.count == 1 && finding.rule == "program.fan-out.many-hosts")
        #expect(finding.evidence.observed == 200 && finding.ports == [445] && finding.entities[0].value == "192.0.2.7")
        #expect(finding.title == "192.0.2.7 called 200 hosts on port 445 within five minutes")
    }

    /// A program with a fault put in its place; without one it is right.
    private func program(
        hello: String = #"{"type":"hello","protocol":1,"kind":"detector","name":"d","rules":[{"id":"r","title":"R"}]}"#,
        read: String = "try: json.loads(sys.stdin.readline())\n        except ValueError: pass",
        unknown: String = "pass",
        answer: String = "print(json.dumps({'type':'done','batch':m['batch']}), flush=True)",
        end: String = "sys.exit(0)", eof: String = ""
    ) -> String {
        """
        import json, os, sys, time
        sys.stdin.readline()
        print('\(hello)', flush=True)
        for line in iter(sys.stdin.readline, ''):
            m = json.loads(line)
            if m['type'] == 'end': \(end)
            if m['type'] != 'batch':
                \(unknown)
                continue
            for _ in range(m['records']):
                \(read)
            \(answer)
        \(eof)
        """
    }
    private func failures(_ script: String) throws -> Set<String> {
        Set(try results(script: script, deadline: .milliseconds(1_500)).filter { $0.problem != nil }.map(\.demand))
    }

    @Test("finds nothing wrong with a right one, and each fault of a wrong one") func faults() throws {
        #expect(try failures(program()) == [])
        let broken: Set = ["passes over records that it can't read"]
        #expect(try failures(program(read: "json.loads(sys.stdin.readline())")) == broken)
        let strangers: Set = ["passes over messages and members that it doesn't know"]
        #expect(try failures(program(unknown: "sys.exit(4)")) == strangers)
        #expect(try failures(program(end: "sys.exit(5)")) == ["ends with status 0 when asked to"])
        let sulking = "time.sleep(60)"
        #expect(try failures(program(eof: sulking)) == ["ends when its input ends without a word"])
        let empty =
            "(m['records'] or time.sleep(60)), " + "print(json.dumps({'type':'done','batch':m['batch']}), flush=True)"
        #expect(try failures(program(answer: empty)).contains("answers a batch without records"))
    }
    @Test("names the line that is refused, and why no hello was good") func words() throws {
        let chatty = try results(
            script: program(
                answer: "print('hi', flush=True); print(json.dumps({'type':'done','batch':m['batch']}), flush=True)"))
        #expect(chatty.first { $0.demand == "answers a batch" }?.problem == "a line is refused, notJSON: hi")
        let wrong = try results(script: program(hello: #"{"type":"hello","protocol":9,"kind":"detector","name":"d"}"#))
        #expect(wrong.count == 1 && wrong[0].problem == "its hello is refused (protocol 9 is not spoken)")
        let gone = try results(script: "import sys; sys.exit('no such table')")
        #expect(gone.count == 1)
        #expect(gone[0].problem == "it failed (status 1); its last line of errors: no such table")
    }
    @Test("two processes that differ are told apart") func repeats() throws {
        let moody = """
            print(json.dumps({'type':'finding','batch':m['batch'],'rule':'r','severity':'low','title':str(os.getpid()),\
            'windowStart':1,'start':1,'end':1,'observed':1,'threshold':1,'unit':'x',\
            'entities':[{'address':'192.0.2.1','role':'victim'}]}), flush=True); \
            print(json.dumps({'type':'done','batch':m['batch']}), flush=True)
            """
        #expect(try failures(program(answer: moody)) == ["says the same when it hears the same"])
    }
}
