import Identity
import Testing

@testable import Programs

@Suite("A sandbox's command line")
struct SandboxPlanTests {
    private let tools = SandboxTools(
        bubblewrap: "/usr/bin/bwrap", prlimit: "/usr/bin/prlimit", setpriv: "/usr/bin/setpriv",
        canMakeNamespaces: true, isRoot: false)
    private func program() throws -> ProgramDescription {
        var program = try Dialogue.program(.detector, command: ["/opt/d/run", "--fast"])
        program.folder = "/opt/d"
        return program
    }

    @Test("closes everything and sets the limits by default") func closed() throws {
        let plan = try SandboxPlan(for: try program(), with: tools)
        #expect(plan.command.first == "/usr/bin/bwrap" && plan.command.suffix(3) == ["--", "/opt/d/run", "--fast"])
        #expect(plan.command.contains("--unshare-all") && !plan.command.contains("--share-net"))
        #expect(plan.command.contains("--as=536870912") && plan.command.contains("--nproc=16"))
        #expect(plan.environment == ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"])
        #expect(plan.notices == ["it runs as the aggregator's own user"])
    }
    @Test("the network is there when granted, and announced") func network() throws {
        var program = try program()
        program.hasNetwork = true
        let plan = try SandboxPlan(for: program, with: tools)
        #expect(plan.command.contains("--share-net") && plan.notices.contains("it has the network"))
    }
    @Test("another user needs root") func user() throws {
        var program = try program(), asRoot = tools
        program.user = "weir-programs"
        asRoot.isRoot = true
        let plan = try SandboxPlan(for: program, with: asRoot)
        #expect(
            plan.command.prefix(4) == [
                "/usr/bin/setpriv", "--reuid=weir-programs", "--regid=weir-programs", "--clear-groups",
            ])
        #expect(plan.notices.isEmpty)
        #expect(throws: SandboxRefusal.self) { try SandboxPlan(for: program, with: tools) }
    }
    @Test("without bubblewrap it isn't started, unless limits alone were asked for by name") func degraded() throws {
        var bare = tools, program = try program()
        bare.bubblewrap = nil
        #expect(throws: SandboxRefusal.self) { try SandboxPlan(for: program, with: bare) }
        bare = tools
        bare.canMakeNamespaces = false
        #expect(throws: SandboxRefusal.self) { try SandboxPlan(for: program, with: bare) }
        program.isolation = .limitsOnly
        let plan = try SandboxPlan(for: program, with: bare)
        #expect(plan.command.prefix(3) == ["/usr/bin/setpriv", "--no-new-privs", "/usr/bin/prlimit"])
        #expect(plan.notices.contains { $0.hasPrefix("it runs without a sandbox") } && plan.folder == "/opt/d")
        bare.prlimit = nil
        #expect(throws: SandboxRefusal.self) { try SandboxPlan(for: program, with: bare) }
    }
    @Test("root is said to be no user for a program") func root() throws {
        var asRoot = tools
        asRoot.isRoot = true
        let plan = try SandboxPlan(for: try program(), with: asRoot)
        #expect(plan.notices == ["it runs as root, whose processes have no limit: give it a user"])
    }
    @Test("a command is an absolute path") func path() throws {
        var program = try program()
        program.command = ["python3", "x.py"]
        #expect(throws: SandboxRefusal.self) { try SandboxPlan(for: program, with: tools) }
        program.command = []
        #expect(throws: SandboxRefusal.self) { try SandboxPlan(for: program, with: tools) }
    }

    @Test("waits double from a second to five minutes, and begin anew after ten calm ones") func restarts() {
        var policy = RestartPolicy()
        let waits = (0..<11).map { _ in policy.wait(afterServing: .seconds(5)).components.seconds }
        #expect(waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
        #expect(policy.wait(afterServing: .seconds(600)) == .seconds(1))
    }
}
