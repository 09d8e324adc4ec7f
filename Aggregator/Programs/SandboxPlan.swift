/// From a program's description to the command line that starts it in its sandbox. Linux's own tools do the work:
/// bubblewrap (namespaces), `prlimit` (limits), `setpriv` (user, no new privileges).
///
/// Invariants: less isolation than was asked for is never what a program gets: it isn't started then, with the reason;
/// whatever is less than the full sandbox is announced in `notices`.

/// What this machine has to make sandboxes with.
package struct SandboxTools: Equatable, Sendable {
    /// Absolute paths; nil where the machine doesn't have the tool.
    package var bubblewrap: String?
    package var prlimit: String?
    package var setpriv: String?
    /// Bubblewrap has made a sandbox here: user namespaces are allowed.
    package var canMakeNamespaces: Bool
    package var isRoot: Bool

    package init(
        bubblewrap: String?, prlimit: String?, setpriv: String?, canMakeNamespaces: Bool, isRoot: Bool
    ) {
        (self.bubblewrap, self.prlimit, self.setpriv) = (bubblewrap, prlimit, setpriv)
        (self.canMakeNamespaces, self.isRoot) = (canMakeNamespaces, isRoot)
    }
}

/// Why a program may not be started here, in words for the log.
package struct SandboxRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
}

package struct SandboxPlan: Equatable, Sendable {
    package let command: [String]
    package let environment: [String]
    package let folder: String?
    /// What the operator must know, said at each start.
    package let notices: [String]

    private static let path = "/usr/local/bin:/usr/bin:/bin"

    package init(for program: ProgramDescription, with tools: SandboxTools) throws(SandboxRefusal) {
        guard let executable = program.command.first, executable.hasPrefix("/") else {
            throw SandboxRefusal(description: "a program's command begins with an absolute path")
        }
        guard let prlimit = tools.prlimit else {
            throw SandboxRefusal(description: "prlimit (util-linux) is not installed: no limits could be set")
        }
        var notices: [String] = []
        let identity = try Self.identity(program, tools, &notices)
        let limited = [prlimit] + Self.limits(program) + ["--"] + program.command
        switch program.isolation {
        case .sandbox:
            command = identity + (try Self.bubblewrap(program, tools)) + limited
            folder = nil
            if program.hasNetwork { notices.append("it has the network") }
        case .limitsOnly:
            guard let setpriv = tools.setpriv else {
                throw SandboxRefusal(description: "setpriv (util-linux) is not installed: privileges could be gained")
            }
            command = (identity.isEmpty ? [setpriv, "--no-new-privs"] : identity + ["--no-new-privs"]) + limited
            folder = program.folder
            notices.append(
                "it runs without a sandbox, with limits only: its user's files and the network are open to it")
        }
        environment = ["PATH=\(Self.path)", "LANG=C.UTF-8"]
        self.notices = notices
    }

    private static func identity(
        _ program: ProgramDescription, _ tools: SandboxTools, _ notices: inout [String]
    ) throws(SandboxRefusal) -> [String] {
        guard let user = program.user else {
            notices.append(
                tools.isRoot
                    ? "it runs as root, whose processes have no limit: give it a user"
                    : "it runs as the aggregator's own user")
            return []
        }
        guard tools.isRoot else {
            throw SandboxRefusal(description: "only an aggregator that runs as root can start it as user \(user)")
        }
        guard let setpriv = tools.setpriv else {
            throw SandboxRefusal(description: "setpriv (util-linux) is not installed: it can't be another user")
        }
        return [setpriv, "--reuid=\(user)", "--regid=\(program.group ?? user)", "--clear-groups"]
    }

    private static func limits(_ program: ProgramDescription) -> [String] {
        [
            "--as=\(program.memoryOctetsMax)", "--cpu=\(program.processorSecondsMax)",
            "--nofile=\(program.openFilesMax)", "--fsize=\(program.fileOctetsMax)",
            "--nproc=\(program.processesMax)", "--core=0",
        ]
    }

    /// `/usr` has the interpreters; `/etc` is not there but for what the loader and the resolver need.
    private static func bubblewrap(
        _ program: ProgramDescription, _ tools: SandboxTools
    ) throws(SandboxRefusal) -> [String] {
        guard let bubblewrap = tools.bubblewrap else {
            throw SandboxRefusal(
                description: "bubblewrap (bwrap) is not installed; isolation 'limits-only' would do without")
        }
        guard tools.canMakeNamespaces else {
            throw SandboxRefusal(
                description: "bubblewrap can't make a sandbox here (user namespaces); 'limits-only' would do without")
        }
        var out = [bubblewrap] + base
        if program.hasNetwork {
            out += ["--share-net"]
            for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl"] {
                out += ["--ro-bind-try", file, file]
            }
        }
        // The size is that of the folder that follows it.
        out += ["--size", String(max(program.fileOctetsMax, 4_096)), "--tmpfs", "/tmp"]
        if let folder = program.folder { out += ["--ro-bind", folder, folder, "--chdir", folder] }
        return out + ["--"]
    }
    /// Also what tells whether sandboxes can be made here.
    static let base =
        ["--unshare-all", "--die-with-parent", "--clearenv", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]
        + ["bin", "sbin", "lib", "lib64"].flatMap { ["--symlink", "usr/\($0)", "/\($0)"] }
        + ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
        + ["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]
        + ["--proc", "/proc", "--dev", "/dev", "--setenv", "PATH", path, "--setenv", "LANG", "C.UTF-8"]
}
