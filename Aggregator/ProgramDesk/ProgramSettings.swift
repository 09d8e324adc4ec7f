internal import Identity
package import Programs
package import Settings

/// The programs of the settings (`programs`, a list of maps), each:
///
/// - `name` (text, required): as its `hello` has it; unique among a tenant's.
/// - `kind` (`detector`, `enricher` or `intelligence`; required).
/// - `tenants` (list of texts, required): each has a process of its own.
/// - `command` (list of texts, required): an absolute path, and arguments.
/// - `folder` (path, none): shown to it read-only; where it starts.
/// - `isolation` (`sandbox` or `limits-only`, `sandbox`), `network` (true or false, false).
/// - `user`, `group` (texts, none): an aggregator that runs as root can give them.
/// - `memory` (size, `512MiB`, 16MiB…64GiB), `processorTime` (duration, `1h`, 1s…30d), `openFiles` (number, 64,
///   8…65536), `fileSize` (size, `16MiB`, 4KiB…64GiB), `processes` (number, 16, 1…4096).
/// - `deadline` (duration, `10s`, 100ms…5m): of a batch.
/// - `refresh` (duration, `1h`, 1m…30d): how often a provider of intelligence is asked.
/// - `weight` (number, 0.5, 0…1): how often what it says is right; of providers of intelligence.
package struct ProgramSettings: Equatable, Sendable {
    package struct Program: Equatable, Sendable {
        package var description: ProgramDescription
        package var refresh = Duration.seconds(3_600)
        package var weight = 0.5
        package init(_ description: ProgramDescription) { self.description = description }
    }
    /// One for each tenant of each.
    package var programs: [Program] = []

    /// Processes.
    package static let programsMax = 256

    package init() {}
    package init(_ programs: [Program]) { self.programs = programs }

    package init(_ reader: SettingsReader) throws(SettingError) {
        for element in try reader.elements(of: "programs", countMax: Self.programsMax) {
            for program in try Self.programs(element) {
                let other = programs.contains {
                    $0.description.name == program.description.name
                        && $0.description.tenant == program.description.tenant
                }
                guard !other else {
                    throw element.error(
                        "name", "\"\(program.description.name)\" is there twice for \(program.description.tenant)")
                }
                programs.append(program)
            }
            guard programs.count <= Self.programsMax else {
                throw element.error("tenants", "there are more than \(Self.programsMax) programs, by tenant")
            }
        }
    }

    private static func programs(_ reader: SettingsReader) throws(SettingError) -> [Program] {
        let name = try reader.string("name")
        guard isProgramName(name) else {
            throw reader.error("name", "\"\(name)\" is not 1 to 32 of a-z 0-9 -, a letter first")
        }
        let kindName = try reader.choice("kind", default: "", of: ProgramKind.allCases.map(\.rawValue))
        guard let kind = ProgramKind(rawValue: kindName) else {
            throw reader.error("kind", "missing; \(ProgramKind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let command = try reader.strings("command", default: [], countMax: 64)
        guard command.first?.hasPrefix("/") == true else {
            throw reader.error("command", "begins with an absolute path")
        }
        let tenants = try reader.strings("tenants", default: [], countMax: programsMax)
        guard !tenants.isEmpty else { throw reader.error("tenants", "missing; a program serves one tenant or several") }
        var program = Program(
            ProgramDescription(
                name: name, kind: kind, tenant: try tenant(tenants[0], reader),
                command: command, folder: try reader.optionalPath(of: "folder")))
        try readSandbox(reader, into: &program.description)
        program.refresh = try reader.duration(
            "refresh", default: program.refresh, in: .seconds(60) ... .seconds(30 * 86_400))
        program.weight = try reader.double("weight", default: program.weight, in: 0...1)
        return try tenants.map { name throws(SettingError) in
            var one = program
            one.description.tenant = try tenant(name, reader)
            return one
        }
    }
    private static func tenant(_ name: String, _ reader: SettingsReader) throws(SettingError) -> TenantID {
        guard let tenant = TenantID(name) else {
            throw reader.error("tenants", "\"\(name)\" is not a tenant's name: 1 to 63 of a-z 0-9 -")
        }
        return tenant
    }

    private static func readSandbox(
        _ reader: SettingsReader, into program: inout ProgramDescription
    ) throws(SettingError) {
        let isolation = try reader.choice(
            "isolation", default: program.isolation.rawValue, of: ProgramDescription.Isolation.allCases.map(\.rawValue))
        program.isolation = ProgramDescription.Isolation(rawValue: isolation) ?? .sandbox
        program.hasNetwork = try reader.bool("network", default: false)
        program.user = try reader.optionalString("user")
        program.group = try reader.optionalString("group")
        program.memoryOctetsMax = try reader.bytes(
            "memory", default: program.memoryOctetsMax, in: (16 << 20)...(64 << 30))
        let time = try reader.duration(
            "processorTime", default: .seconds(program.processorSecondsMax), in: .seconds(1) ... .seconds(2_592_000))
        program.processorSecondsMax = Int(time.components.seconds)
        program.openFilesMax = try reader.int("openFiles", default: program.openFilesMax, in: 8...65_536)
        program.fileOctetsMax = try reader.bytes("fileSize", default: program.fileOctetsMax, in: 4_096...(64 << 30))
        program.processesMax = try reader.int("processes", default: program.processesMax, in: 1...4_096)
        program.batchDeadline = try reader.duration(
            "deadline", default: program.batchDeadline, in: .milliseconds(100) ... .seconds(300))
    }
}
