/// Where values come from, and which keys were asked for. Shared by a reader and all readers scoped from it; used by
/// one thread, at start.
final class SettingsSource {
    struct Found {
        /// One text for a scalar, any number for a list.
        let node: SettingsNode
        let place: String
    }
    let file: String
    private let root: SettingsNode
    private let overrides: [String: String]
    private let environment: (String) -> String?
    /// Every path that a method asked for.
    private var asked: Set<String> = []
    /// Those that are lists of maps.
    private var lists: Set<String> = []
    /// Keys whose values are wrong: as if they were not there, or as if they had one of `standIns`; see
    /// `SettingsReader.problems`.
    private var passedOver: [String: Int] = [:]
    private static let standIns = ["x", "1", "127.0.0.1:1", "1s", "true", "http://localhost/"]

    init(
        root: SettingsNode, file: String, overrides: [String], environment: @escaping (String) -> String?
    ) throws(SettingError) {
        (self.root, self.file, self.environment) = (root, file, environment)
        var values: [String: String] = [:]
        for override in overrides {
            guard let equals = override.firstIndex(of: "="), equals > override.startIndex else {
                throw SettingError(key: "", problem: "\(quoted(override)) is not KEY=VALUE", place: "--set")
            }
            values[String(override[..<equals])] = String(override[override.index(after: equals)...])
        }
        self.overrides = values
    }

    /// The value of a leaf and its place; nil when nothing gives one.
    /// - Throws: for `key:` without a value, and for a `--set` or variable that is not a scalar or a flow list.
    func value(at path: String) throws(SettingError) -> Found? {
        asked.insert(path)
        if let attempt = passedOver[path] {
            return attempt == 0 ? nil : Found(node: .scalar(Self.standIns[attempt - 1], line: 0), place: file)
        }
        if let text = overrides[path] { return Found(node: try inline(text, path, "--set"), place: "--set") }
        let variable = Self.variable(for: path)
        if let text = environment(variable) {
            let place = "environment \(variable)"
            return Found(node: try inline(text, path, place), place: place)
        }
        guard let node = node(at: path) else { return nil }
        if case .empty(let line) = node {
            throw error(path, "has no value; leave the line out for the default", line: line)
        }
        return Found(node: node, place: "\(file):\(node.line)")
    }
    private func inline(_ text: String, _ path: String, _ place: String) throws(SettingError) -> SettingsNode {
        guard text.utf8.first == UInt8(ascii: "[") else { return .scalar(text, line: 0) }
        do throws(YAMLFault) {
            return try YAMLParser.flowList([UInt8](text.utf8), line: 0)
        } catch {
            // "[::]:2055" is a scalar that only looks like a list.
            guard text.utf8.last == UInt8(ascii: "]") else { return .scalar(text, line: 0) }
            throw SettingError(key: path, problem: error.problem, place: place)
        }
    }

    /// The file's node at a dotted path with `[n]` for elements of lists.
    func node(at path: String) -> SettingsNode? {
        var node = root
        for part in path.split(separator: ".") {
            let pieces = part.split(separator: "[")
            guard let name = pieces.first, let child = node[name] else { return nil }
            node = child
            for piece in pieces.dropFirst() {
                guard case .list(let items, _) = node, let index = Int(piece.dropLast()), items.indices.contains(index)
                else { return nil }
                node = items[index]
            }
        }
        return node
    }
    /// Passes over what was found wrong with `path`: first as if nothing were there, then with other values.
    /// - Returns: false once nothing is left to try.
    func passOver(_ path: String) -> Bool {
        (asked, lists) = ([], [])
        let attempt = passedOver[path].map { $0 + 1 } ?? 0
        passedOver[path] = attempt
        return attempt <= Self.standIns.count
    }
    func isPassedOver(_ path: String) -> Bool { passedOver[path] != nil }
    func noteList(_ path: String) {
        asked.insert(path)
        lists.insert(path)
    }
    func error(_ key: String, _ problem: String, line: Int) -> SettingError {
        SettingError(key: key, problem: problem, place: line > 0 ? "\(file):\(line)" : file)
    }

    /// `spool.bytesMax` -> `WEIR_SPOOL_BYTES_MAX`, `tenants[0].name` -> `WEIR_TENANTS_0_NAME`.
    static func variable(for path: String) -> String {
        var name = "WEIR_", previous: Unicode.Scalar = "."
        for scalar in path.unicodeScalars {
            switch scalar {
            case "]": continue
            case ".", "-", "_", "[": name += "_"
            case "A"..."Z" where !("A"..."Z").contains(previous) && previous != ".":
                name += "_"
                name.unicodeScalars.append(scalar)
            default: name += scalar.properties.uppercaseMapping
            }
            previous = scalar
        }
        return name
    }
}

extension SettingsSource {
    func checkAllUsed() throws(SettingError) {
        try check(root, path: "")
        for key in overrides.keys.sorted() where !asked.contains(key) && !isPassedOver(key) {
            throw SettingError(key: key, problem: unknown(key), place: "--set")
        }
    }
    private func check(_ node: SettingsNode, path: String) throws(SettingError) {
        switch node {
        case .map(let entries, _):
            for entry in entries {
                let full = path.isEmpty ? entry.key : "\(path).\(entry.key)"
                if isPassedOver(full) { continue }
                guard asked.contains(full) || asked.contains(where: { $0.hasPrefix(full + ".") }) else {
                    throw error(full, unknown(full), line: entry.line)
                }
                if !asked.contains(full) {
                    switch entry.value {
                    case .map, .empty: break
                    default: throw error(full, "\(entry.value.article) is not a map", line: entry.line)
                    }
                }
                try check(entry.value, path: full)
            }
        case .list(let items, _) where lists.contains(path):
            for (index, item) in items.enumerated() { try check(item, path: "\(path)[\(index)]") }
        case .list, .scalar, .empty: return
        }
    }
    private func unknown(_ path: String) -> String {
        let (parent, name) = Self.split(path)
        let siblings = Set(asked.compactMap { self.child($0, of: parent) }).sorted()
        let scored = siblings.map { (name: $0, distance: editDistance($0.lowercased(), name.lowercased())) }
        let near = scored.filter { $0.distance <= max(2, name.utf8.count / 3) || $0.name.hasPrefix(name) }
        if let best = near.min(by: { $0.distance < $1.distance }) {
            return "unknown key; did you mean \(parent.isEmpty ? best.name : "\(parent).\(best.name)")?"
        }
        return "unknown key; allowed here: \(siblings.isEmpty ? "nothing" : siblings.joined(separator: ", "))"
    }
    /// The name right below `parent` on the way to `path`.
    private func child(_ path: String, of parent: String) -> String? {
        let rest: Substring
        if parent.isEmpty {
            rest = path[...]
        } else {
            guard path.hasPrefix(parent + ".") else { return nil }
            rest = path.dropFirst(parent.count + 1)
        }
        return rest.prefix { $0 != "." && $0 != "[" }.description
    }
    private static func split(_ path: String) -> (parent: String, name: String) {
        guard let dot = path.lastIndex(of: ".") else { return ("", path) }
        return (String(path[..<dot]), String(path[path.index(after: dot)...]))
    }
}

/// Levenshtein's: how many characters to add, drop or change. Only the first 64 count.
func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.unicodeScalars.prefix(64)), b = Array(b.unicodeScalars.prefix(64))
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let next = min(diagonal + (x == y ? 0 : 1), row[j] + 1, row[j + 1] + 1)
            diagonal = row[j + 1]
            row[j + 1] = next
        }
    }
    return row[b.count]
}
