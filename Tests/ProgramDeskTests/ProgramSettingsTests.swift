import Identity
import Programs
import Settings
import Testing

@testable import ProgramDesk

@Suite("Settings of programs")
struct ProgramSettingsTests {
    private func read(_ yaml: String) throws -> [ProgramSettings.Program] {
        let reader = try SettingsReader(text: Array(yaml.utf8), file: "a.yaml")
        let settings = try ProgramSettings(reader)
        try reader.checkAllUsed()
        return settings.programs
    }
    private func refusal(_ lines: String) -> String {
        do {
            let programs = try read("programs:\n  - name: a\n    kind: detector\n\(lines)")
            return "accepted \(programs.count)"
        } catch {
            return "\(error)"
        }
    }

    @Test("each tenant has a program of its own, with what was set") func all() throws {
        let programs = try read(
            """
            programs:
              - name: fan-out
                kind: detector
                tenants: [acme, globex]
                command: [/usr/bin/python3, fan-out.py]
                isolation: limits-only
                network: true
                user: nobody
                memory: 64MiB
                processorTime: 5m
                processes: 4
                deadline: 2s
              - name: fan-out
                kind: enricher
                tenants: [initech]
                command: [/bin/sh]
            """)
        #expect(programs.map(\.description.tenant.rawValue) == ["acme", "globex", "initech"])
        let first = try #require(programs.first).description
        #expect(first.command == ["/usr/bin/python3", "fan-out.py"] && first.isolation == .limitsOnly)
        #expect(first.hasNetwork && first.user == "nobody" && first.memoryOctetsMax == 64 << 20)
        #expect(first.processorSecondsMax == 300 && first.processesMax == 4 && first.batchDeadline == .seconds(2))
        #expect(programs[2].description.isolation == .sandbox && !programs[2].description.hasNetwork)
    }

    @Test(
        "what can't be meant is refused with its place",
        arguments: [
            ("    tenants: [acme]\n    command: [/bin/sh]", "accepted 1"),
            ("    tenants: [acme]\n    command: [sh]", "begins with an absolute path"),
            ("    tenants: [acme]", "begins with an absolute path"),
            ("    command: [/bin/sh]", "tenants"),
            ("    tenants: [A_B]\n    command: [/bin/sh]", "not a tenant's name"),
            ("    tenants: [acme, acme]\n    command: [/bin/sh]", "twice"),
            ("    tenants: [acme]\n    command: [/bin/sh]\n    memory: 1KiB", "memory"),
            ("    tenants: [acme]\n    command: [/bin/sh]\n    isolation: none", "isolation"),
            ("    tenants: [acme]\n    command: [/bin/sh]\n    sandbox: off", "unknown key"),
        ])
    func refused(lines: String, part: String) { #expect(refusal(lines).contains(part), "\(refusal(lines))") }

    @Test("a checkpoint that can't be read is one of programs that begin anew") func marks() {
        var marks = ProgramMarks()
        marks.programs["a"] = ProgramMarks.Entry(openFrom: 7, state: "s")
        #expect(ProgramMarks(octets: marks.octets) == marks)
        #expect(ProgramMarks(octets: [1, 2, 3]) == ProgramMarks() && ProgramMarks(octets: []) == ProgramMarks())
    }
}
