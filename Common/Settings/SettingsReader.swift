/// Settings: a file in a documented subset of YAML, the environment and the command line become validated values.
///
/// For each key, the first that has it counts: `--set key=value`, then the environment (`spool.bytesMax` is
/// `WEIR_SPOOL_BYTES_MAX`), then the file, then the default. Each reader method names the type, the default and the
/// range; `checkAllUsed()` at the end refuses what no method asked for. A value is right or a `SettingError` says
/// which key, value, allowed values and place.
///
/// The subset of YAML 1.2.2, all of it on lines indented by spaces:
/// - maps `key: value` and `key:` with an indented block below; keys are letters, digits, `_` and `-`, or quoted;
/// - lists `- value`, `- key: value` (a list of maps), and of scalars on one line `[a, b]`;
/// - scalars: plain, `'single'` (`''` is a quote), `"double"` (escapes `\\ \" \/ \n \r \t \0 \uXXXX`); all on one line;
/// - comments `# …`, at the start of a line or after a space; one `---` before everything.
///
/// Refused with the line's number: anchors, aliases, tags, block scalars (`|`, `>`), flow maps, several documents,
/// tabs in the indentation, repeated keys, values that begin with a character YAML reserves.
/// Not here: what the keys are (`SensorSettings`, the aggregator's settings).
internal import Platform

package struct SettingsReader {
    /// Dotted path of this reader's map, empty at the top.
    package let scope: String
    let source: SettingsSource

    /// Reads `path` (`-`: standard input).
    /// - Parameter overrides: the `key=value` of each `--set`, the last one of a key counts.
    package init(
        path: String, overrides: [String] = [], environment: @escaping (String) -> String? = environmentVariable
    ) throws(SettingError) {
        let bytes: [UInt8]
        do {
            bytes = try readFile(path, bytesMax: YAMLParser.bytesMax)
        } catch {
            throw SettingError(key: "", problem: "can't read the settings file: \(error)", place: path)
        }
        try self.init(text: bytes, file: path, overrides: overrides, environment: environment)
    }
    /// - Parameter file: the name that errors give, and the folder that relative paths start from.
    package init(
        text: [UInt8], file: String, overrides: [String] = [], environment: @escaping (String) -> String? = { _ in nil }
    ) throws(SettingError) {
        let root = try YAMLParser.parse(text, file: file)
        source = try SettingsSource(root: root, file: file, overrides: overrides, environment: environment)
        scope = ""
    }
    init(source: SettingsSource, scope: String) {
        self.source = source
        self.scope = scope
    }

    /// The reader of the map at `key`; there need not be one.
    package func scoped(to key: String) -> SettingsReader { SettingsReader(source: source, scope: path(key)) }
    func path(_ key: String) -> String { scope.isEmpty ? key : "\(scope).\(key)" }

    /// Whether `key` has a value anywhere.
    package func has(_ key: String) -> Bool { (try? source.value(at: path(key))) != nil }

    /// A reader for each map of the list at `key`; none when it is absent.
    package func elements(of key: String, countMax: Int = 1_024) throws(SettingError) -> [SettingsReader] {
        let full = path(key)
        source.noteList(full)
        guard !source.isPassedOver(full), let node = source.node(at: full) else { return [] }
        guard case .list(let items, let line) = node else {
            throw source.error(full, "\(node.article) is not a list of maps", line: node.line)
        }
        guard items.count <= countMax else {
            throw source.error(full, "has \(items.count) elements, at most \(countMax) are allowed", line: line)
        }
        var readers: [SettingsReader] = []
        for (index, item) in items.enumerated() {
            guard case .map = item else {
                throw source.error("\(full)[\(index)]", "\(item.article) is not a map", line: item.line)
            }
            readers.append(SettingsReader(source: source, scope: "\(full)[\(index)]"))
        }
        return readers
    }

    /// What a caller found wrong with the value of `key`, with the value's place:
    /// `trustDomain: Weir is not …  (sensor.yaml:3)`.
    package func error(_ key: String, _ problem: String) -> SettingError {
        let full = path(key)
        guard let found = try? source.value(at: full) else {
            return SettingError(key: full, problem: problem, place: source.file)
        }
        return SettingError(key: full, problem: problem, place: found.place)
    }

    /// Refuses keys that are in the file or in a `--set` and that nothing has asked for, naming the nearest known one.
    /// To be called last, after every key has been read.
    package func checkAllUsed() throws(SettingError) { try source.checkAllUsed() }
}

/// What is wrong with a setting: `spool.bytesMax: 1 is outside 67108864...1099511627776 (sensor.yaml:12)`.
package struct SettingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Dotted path; empty when the fault has no key.
    package let key: String
    /// What is wrong, with the value and what is allowed.
    package let problem: String
    /// `FILE:LINE`, `FILE`, `environment NAME` or `--set`.
    package let place: String
    package init(key: String, problem: String, place: String) {
        self.key = key
        self.problem = problem
        self.place = place
    }
    package var description: String { (key.isEmpty ? "" : "\(key): ") + problem + (place.isEmpty ? "" : " (\(place))") }
}
