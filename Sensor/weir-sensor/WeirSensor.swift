import Platform
import SensorPipeline
import Settings

/// The sensor's program: commands, their options, exit codes. Parsed by hand, since an argument parser would bring
/// Foundation into a process that does without it. Exit codes: 0 done, 1 the work failed, 2 the command line or a
/// setting is wrong. Results go to standard output, everything else to standard error.
/// Not here: any work (`SensorPipeline`, `Decode`, `FlowText`).
@main
enum WeirSensor {
    static let version = "0.1.0"

    static func main() {
        ignoreBrokenPipes()
        keepBatchMemory()
        var output = StandardOutput()
        let code: Int32
        do throws(Failure) {
            try run(Array(CommandLine.arguments.dropFirst()), to: &output)
            code = 0
        } catch {
            complain(error.message)
            code = error.code
        }
        output.flush()
        exitProcess(output.isBroken ? 0 : code)
    }

    private static func run(_ arguments: [String], to output: inout StandardOutput) throws(Failure) {
        guard let command = arguments.first else { throw .usage("no command", Help.overview) }
        let rest = Array(arguments.dropFirst())
        if ["--help", "-h", "help"].contains(command) {
            output.write(Help.text(for: rest.first) ?? Help.overview)
            return
        }
        if command == "--version" {
            output.write("weir-sensor \(version)\n")
            return
        }
        if rest.contains("--help") || rest.contains("-h"), let help = Help.text(for: command) {
            output.write(help)
            return
        }
        switch command {
        case "run": try RunCommand(rest).run()
        case "check": try CheckCommand(rest).run(to: &output)
        case "health": try HealthCommand(rest).run(to: &output)
        case "decode": try DecodeCommand(rest).run(to: &output)
        case "import": try ImportCommand(rest).run()
        case "dead-letters": try DeadLettersCommand(rest).run(to: &output)
        default: throw .usage("\(command) is not a command", Help.overview)
        }
    }
}

/// Why a command ends with something other than 0.
struct Failure: Error {
    let code: Int32
    let message: String

    static func failed(_ message: String) -> Failure { Failure(code: 1, message: message) }
    static func wrong(_ message: String) -> Failure { Failure(code: 2, message: message) }
    static func usage(_ message: String, _ help: String) -> Failure {
        wrong("\(message)\n\n" + help.split(separator: "\n\n").first.map { "\($0)" }.joinedOrEmpty)
    }
}

extension Optional where Wrapped == String {
    fileprivate var joinedOrEmpty: String { self ?? "" }
}

/// Options and operands of one command. `--option value` and `--option=value`; `--` ends the options.
struct Arguments {
    private(set) var values: [String: [String]] = [:]
    private(set) var operands: [String] = []

    /// - Parameter options: the names that take a value, without dashes.
    init(_ arguments: [String], options: Set<String>, help: String) throws(Failure) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                operands += rest
                return
            }
            guard argument.hasPrefix("--") else {
                guard argument == "-" || !argument.hasPrefix("-") else {
                    throw .usage("\(argument) is not an option", help)
                }
                operands.append(argument)
                continue
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts.first.map(String.init) ?? ""
            guard options.contains(name) else { throw .usage("--\(name) is not an option", help) }
            if parts.count == 2 {
                values[name, default: []].append(String(parts[1]))
            } else if let value = rest.popFirst() {
                values[name, default: []].append(value)
            } else {
                throw .usage("--\(name) needs a value", help)
            }
        }
    }
    func last(_ name: String) -> String? { values[name]?.last }
}

/// `--config FILE --set key=value`, validated.
struct Configured {
    let settings: SensorSettings
    let path: String
    private let overrides: [String]

    init(_ arguments: Arguments, help: String) throws(Failure) {
        guard let path = arguments.last("config") else { throw .usage("--config FILE is missing", help) }
        try self.init(path: path, overrides: arguments.values["set"] ?? [])
    }
    private init(path: String, overrides: [String]) throws(Failure) {
        (self.path, self.overrides) = (path, overrides)
        do throws(SettingError) {
            settings = try SensorSettings(try SettingsReader(path: path, overrides: overrides))
        } catch {
            throw .wrong(Self.problems(path, overrides) ?? "\(error)")
        }
    }
    /// All that is wrong, a line each.
    private static func problems(_ path: String, _ overrides: [String]) -> String? {
        // Standard input was read before.
        guard path != "-", let reader = try? SettingsReader(path: path, overrides: overrides) else { return nil }
        let all = reader.problems { reader throws(SettingError) in try SensorSettings(reader) }
        return all.isEmpty ? nil : all.map { "\($0)" }.joined(separator: "\n")
    }
    /// What the file says now.
    func again() throws(Failure) -> Configured { try Configured(path: path, overrides: overrides) }
}
