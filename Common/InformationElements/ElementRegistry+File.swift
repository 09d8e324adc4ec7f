internal import FlowModel
internal import Platform
package import Settings

/// A site's own elements from a file.
///
/// YAML in the subset of `SettingsReader`, one entry an element; `enterprise` (0), `semantics` and `units` may be left
/// out:
///
///     elements:
///       - enterprise: 9
///         id: 12345
///         name: ciscoExample
///         type: unsigned32
///         semantics: identifier
///         units: octets
///
/// or, when the file's name ends in `.csv`, lines of `enterprise,id,name,type,semantics,units`.
extension ElementRegistry {
    /// The standard registry with the elements of `path`; the standard one when there is no path.
    /// - Throws: which line is wrong, and what is allowed.
    package static func standard(with path: String?) throws(SettingError) -> ElementRegistry {
        guard let path else { return .standard }
        let octets: [UInt8]
        do {
            octets = try readFile(path, bytesMax: 4 << 20)
        } catch {
            throw SettingError(key: "", problem: "can't read the elements: \(error)", place: path)
        }
        return try ElementRegistry.standard.adding(file: octets, named: path)
    }

    /// - Parameter name: the file's, for errors; its end decides between CSV and YAML.
    package func adding(file octets: [UInt8], named name: String) throws(SettingError) -> ElementRegistry {
        let described = name.hasSuffix(".csv") ? try Self.csv(octets, name) : try Self.yaml(octets, name)
        do {
            return try adding(described.map(\.element))
        } catch {
            throw SettingError(key: "", problem: error.problem, place: described[error.index].place)
        }
    }

    private typealias Described = (element: InformationElement, place: String)
    private static let countMax = 16_384

    private static func csv(_ octets: [UInt8], _ name: String) throws(SettingError) -> [Described] {
        var lines = ElementLines(octets), described: [Described] = []
        do throws(LineFault) {
            while let element = try lines.next() {
                guard described.count < countMax else { throw LineFault("more than \(countMax) elements") }
                described.append((element, "\(name):\(lines.number)"))
            }
        } catch {
            throw SettingError(key: "", problem: error.problem, place: "\(name):\(lines.number)")
        }
        return described
    }

    private static func yaml(_ octets: [UInt8], _ name: String) throws(SettingError) -> [Described] {
        let reader = try SettingsReader(text: octets, file: name)
        var described: [Described] = []
        for entry in try reader.elements(of: "elements", countMax: countMax) {
            let description = ElementDescription(
                enterprise: try entry.string("enterprise", default: "0"), id: try entry.string("id"),
                name: try entry.string("name"), type: try entry.string("type"),
                semantics: try entry.string("semantics", default: ""), units: try entry.string("units", default: ""))
            do throws(LineFault) {
                described.append((try description.element(), entry.error("name", "").place))
            } catch {
                let key = String(error.problem.prefix { $0 != ":" })
                throw entry.error(key, String(error.problem.dropFirst(key.count + 2)))
            }
        }
        try reader.checkAllUsed()
        return described
    }
}
