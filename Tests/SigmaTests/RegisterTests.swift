import Detect
import FlowModel
import Identity
import Sigma
import Testing

@Suite("Which rules a tenant has") struct RegisterTests {
    private static func text(_ name: String, _ port: Int) -> String {
        Sample.text("s:\n    dst_port: \(port)\ncondition: s", title: name, more: "name: \(name)\n")
    }
    private static var files: SigmaFiles {
        get throws {
            var files = SigmaFiles()
            files.add(text("all", 80), file: "all.yml", of: nil)
            files.add(text("acmes", 81), file: "acme/own.yml", of: try Sample.tenant())
            files.add("title: nothing\n", file: "bad.yml", of: nil)
            return files
        }
    }

    @Test("shared files are everybody's, a folder's are one tenant's, and what can't be read is told by file")
    func origins() throws {
        let register = SigmaRegister(files: try Self.files)
        let own = try register.plan(of: Sample.tenant()), other = try register.plan(of: Sample.tenant("other"))
        #expect(own.lines.map(\.key) == ["acmes", "all"] && own.lines.map(\.origin) == [.file, .shared])
        #expect(other.lines.map(\.key) == ["all"] && other.set.rules.count == 1)
        #expect(register.refusals.map(\.file) == ["bad.yml"])
    }

    @Test("a tenant's decisions switch a shared rule off, put it on trial, or give it another level, for that tenant")
    func decisions() throws {
        let acme = try Sample.tenant()
        func plan(_ decision: SigmaDecision) throws -> SigmaPlan {
            let register = SigmaRegister(files: try Self.files) { $0 == acme ? [decision] : [] }
            #expect(try register.plan(of: Sample.tenant("other")).set.rules.count == 1)
            return try register.plan(of: acme)
        }
        #expect(try plan(SigmaDecision(key: "all", state: .disabled)).set.rules.map(\.rule.metadata.key) == ["acmes"])
        #expect(try plan(SigmaDecision(key: "all", state: .test)).set.infos.map(\.id) == ["acmes"])
        let raised = try plan(SigmaDecision(key: "all", level: .critical))
        #expect(raised.lines.last?.document.metadata.level == .critical)
        let replaced = try plan(SigmaDecision(key: "all", text: Self.text("all", 8_080)))
        #expect(replaced.lines.last?.origin == .own && replaced.lines.last?.state == .draft)
        #expect(replaced.set.rules.count == 1)
    }

    @Test("a change is a new generation and a new plan; what can't be compiled says why and leaves the others")
    func changes() throws {
        let acme = try Sample.tenant(), register = SigmaRegister(files: try Self.files)
        let before = register.generation, first = try register.plan(of: acme)
        var files = try Self.files
        files.add(Sample.text("s:\n    hostname: x\ncondition: s", title: "names"), file: "names.yml", of: nil)
        register.load(files)
        let second = try register.plan(of: acme)
        #expect(register.generation > before && first.set.fingerprint != second.set.fingerprint)
        #expect(second.lines.first { $0.key == "names" }?.issues.first?.subject == .field)
        #expect(second.set.rules.count == 2)
        var fold = SigmaFold(tenant: acme, rules: second.set)
        _ = try fold.observe(Sample.columns([Sample.record(50_000, 80)]))
        register.note(fold)
        #expect(register.counts(of: acme)["all"] == SigmaCount(matches: 1, raised: 1))
    }
}
