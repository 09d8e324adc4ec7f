internal import Glibc
internal import Platform

extension SandboxTools {
    /// What this machine has, and whether bubblewrap can make a sandbox: one is made, for a moment.
    package static func ofThisMachine() -> SandboxTools {
        let bubblewrap = find("bwrap"), prlimit = find("prlimit")
        var canMakeNamespaces = false
        if let bubblewrap,
            let trial = try? ChildProcess(
                command: [bubblewrap] + SandboxPlan.base + [
                    "--size", "4096", "--tmpfs", "/tmp", "--", "/usr/bin/true",
                ],
                environment: [])
        {
            canMakeNamespaces = trial.wait(atMost: .seconds(5), time: SystemTime()) == .exited(status: 0)
        }
        return SandboxTools(
            bubblewrap: bubblewrap, prlimit: prlimit, setpriv: find("setpriv"), canMakeNamespaces: canMakeNamespaces,
            isRoot: geteuid() == 0)
    }

    private static func find(_ name: String) -> String? {
        ["/usr/bin/", "/bin/", "/usr/local/bin/"].map { $0 + name }.first { unsafe access($0, X_OK) == 0 }
    }
}
