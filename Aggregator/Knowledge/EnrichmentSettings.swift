package import Enrichment
internal import Platform
package import ReverseNames
internal import Settings

/// Where countries and systems come from.
///
/// - `databases` (paths, none): MMDB files, asked in this order.
/// - `lists` (paths): lists of ranges by country, as in Debian's `tor-geoipdb`, asked after them. Without databases
///   and lists, those of that package in `/usr/share/tor`, where it is installed.
/// - `names`: names of addresses, from DNS; see `NameSettings`.
package struct EnrichmentSettings: Equatable, Sendable {
    package var databases: [String] = [], lists: [String] = []
    package var names = NameSettings()
    static let usualLists = ["/usr/share/tor/geoip", "/usr/share/tor/geoip6"]

    package init() {}

    init(_ reader: SettingsReader) throws(SettingError) {
        let countMax = Enrichment.sourcesMax - 1
        databases = try reader.strings("databases", default: [], countMax: countMax).map { reader.resolved($0) }
        let usual = databases.isEmpty ? Self.usualLists.filter { fileStatus($0) != nil } : []
        lists = try reader.strings("lists", default: usual, countMax: 8).map { reader.resolved($0) }
        names = try NameSettings(reader.scoped(to: "names"))
        for (key, path) in databases.map({ ("databases", $0) }) + lists.map({ ("lists", $0) }) {
            guard let status = fileStatus(path), !status.isFolder else {
                throw reader.error(key, "\(path) is not there, or not a file")
            }
        }
    }

    /// All files, for watching them.
    var paths: [String] { databases + lists }

    /// - Throws: what is wrong with which file; then nothing is taken.
    package func read() throws(EnrichmentFault) -> [PlaceSource] {
        var sources: [PlaceSource] = []
        for path in databases {
            do throws(AddressDatabase.Fault) {
                sources.append(.database(try AddressDatabase(path: path)))
            } catch {
                throw EnrichmentFault(path: path, reason: "\(error)")
            }
        }
        guard !lists.isEmpty else { return sources }
        var texts: [[UInt8]] = []
        for path in lists {
            do throws(SystemError) {
                texts.append(try readFile(path, bytesMax: AddressRanges.octetsMax))
            } catch {
                throw EnrichmentFault(path: path, reason: "\(error)")
            }
        }
        let ranges = AddressRanges(lists: texts)
        guard ranges.count > 0 else { throw EnrichmentFault(path: lists[0], reason: "no line of it is a range") }
        return sources + [.ranges(ranges)]
    }
}

/// A file of countries or systems that can't be used.
package struct EnrichmentFault: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String, reason: String
    package var description: String { "\(path): \(reason)" }
}
