/// Tells whether a program speaks the protocol of Handbook, "Programs": `weir-program-test [--sandbox] -- COMMAND …`.
/// Status 0: it does; 1: it doesn't; 2: the command line is wrong, or the sandbox can't be made.
import Foundation
import Identity
import Platform
import Programs

func say(_ text: String, to descriptor: Int32 = STDOUT_FILENO) { writeAll(Array((text + "\n").utf8), to: descriptor) }
func refuse(_ text: String) -> Never {
    say("weir-program-test: \(text)", to: STDERR_FILENO)
    exit(2)
}

/// By its absolute path: as a shell would find it.
func located(_ name: String) -> String? {
    let files = FileManager.default
    if name.contains("/") {
        let path = URL(fileURLWithPath: name).standardizedFileURL.path
        return files.isExecutableFile(atPath: path) ? path : nil
    }
    let folders = (environmentVariable("PATH") ?? "/usr/bin:/bin").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { files.isExecutableFile(atPath: $0) }
}

let usage = "usage: weir-program-test [--sandbox] [--folder FOLDER] -- COMMAND [ARGUMENT …]"
var isSandboxed = false, folder: String?
var rest = CommandLine.arguments.dropFirst()
options: while let option = rest.popFirst() {
    switch option {
    case "--sandbox": isSandboxed = true
    case "--folder":
        guard let path = rest.popFirst() else { refuse(usage) }
        folder = URL(fileURLWithPath: path).standardizedFileURL.path
    case "--": break options
    default: refuse(usage)
    }
}
guard let name = rest.popFirst() else { refuse(usage) }
guard let executable = located(name) else { refuse("\(name) is not a program") }
let command = [executable] + rest

var kit = ConformanceKit(
    command: command, environment: ["PATH=\(environmentVariable("PATH") ?? "/usr/bin:/bin")", "LANG=C.UTF-8"],
    folder: folder, time: SystemTime())
if isSandboxed, let tenant = TenantID("conformance") {
    var program = ProgramDescription(name: "test", kind: .detector, tenant: tenant, command: command)
    program.folder = folder
    do {
        let plan = try SandboxPlan(for: program, with: .ofThisMachine())
        kit = ConformanceKit(
            command: plan.command, environment: plan.environment, folder: plan.folder, time: SystemTime())
    } catch {
        refuse(error.description)
    }
}

let results = kit.run()
for result in results {
    if let problem = result.problem {
        say("FAILS  \(result.demand): \(problem)")
    } else {
        say("ok     \(result.demand)")
    }
}
let failed = results.filter { $0.problem != nil }.count
say(failed == 0 ? "It speaks the protocol." : "\(failed) of \(results.count) demands are not met.")
exit(failed == 0 ? 0 : 1)
