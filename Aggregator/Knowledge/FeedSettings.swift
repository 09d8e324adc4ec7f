package import Intelligence
package import Settings

/// One feed or allow-list:
///
/// - `name` (text, required): unique among a tenant's feeds and the shared ones.
/// - `file` (path) or `url` (`https://…`): where it is; one of the two. Files are watched.
/// - `format` (`list`): `list`, `table`, `stix`, `misp`, `misp-feed` (whose `url` is that of a folder with a
///   `manifest.json`) or `taxii`; of allow-lists `list` or `warning-list`.
/// - `refresh` (duration, `1h`, 1m…30d): how often a URL is asked.
/// - `weight` (number, 0.5, 0…1): how often the feed is right. `confidence` (number, 50, 0…100): where it does not say.
/// - `lifetime` (duration, `30d`, 1h…3650d, or `never`): of indicators without an end of their own.
/// - `labels` (list of texts, none), `trafficLight` (`clear`, `green`, `amber`, `amber+strict` or `red`; none).
/// - `allowPrivate` (true or false, false): whether private addresses may be indicators.
/// - `authorization` (`file:PATH` or `env:NAME`, none): the value of the header of that name, such as `Bearer …`.
/// - `trust` (path, the machine's own authorities): a PEM file of certificate authorities.
/// - `collection` (text, required for `taxii`, whose `url` is that of an API root).
/// - `columns.value` (text, required for `table`), `.port`, `.confidence`, `.firstSeen`, `.lastSeen`, `.expires`,
///   `.labels`, `.malwareFamily`, `.techniques`, `.trafficLight` (texts, none): names, or numbers from 1.
/// - `columns.header` (true or false, true), `.separator` (`,`), `.listSeparator` (`;`).
package struct FeedSettings: Equatable, Sendable {
    package enum Format: String, Sendable, CaseIterable {
        case list, table, stix, misp, taxii
        case mispFeed = "misp-feed"
        case warningList = "warning-list"
    }
    package enum Place: Equatable, Sendable {
        case file(String)
        case url(String)
    }
    package var source: FeedSource
    package var place: Place
    package var format: Format
    package var refresh: Duration
    package var authorization: SecretReference?
    package var trust: String?
    package var collection: String?
    package var columns: TableColumns?

    package init(_ source: FeedSource, at place: Place, format: Format = .list, refresh: Duration = .seconds(3_600)) {
        (self.source, self.place, self.format, self.refresh) = (source, place, format, refresh)
    }

    init(
        _ reader: SettingsReader, formats: [Format], urlProblem: (String) -> String?
    ) throws(SettingError) {
        source = try Self.source(reader)
        place = try Self.place(reader, urlProblem)
        let name = try reader.choice("format", default: Format.list.rawValue, of: formats.map(\.rawValue))
        format = Format(rawValue: name) ?? .list
        refresh = try reader.duration(
            "refresh", default: .seconds(3_600), in: .seconds(60) ... .seconds(30 * 86_400))
        authorization = try reader.optionalSecret("authorization")
        trust = try reader.optionalPath(of: "trust")
        if format == .taxii {
            collection = try reader.string("collection")
            guard case .url = place else { throw reader.error("file", "TAXII is asked by url") }
        }
        if format == .mispFeed {
            guard case .url = place else { throw reader.error("file", "a MISP feed of many files is asked by url") }
        }
        if format == .table { columns = try Self.columns(reader.scoped(to: "columns")) }
    }

    private static func place(
        _ reader: SettingsReader, _ urlProblem: (String) -> String?
    ) throws(SettingError) -> Place {
        let file = try reader.optionalPath(of: "file"), url = try reader.optionalString("url")
        switch (file, url) {
        case (let file?, nil): return .file(file)
        case (nil, let url?):
            guard url.hasPrefix("https://") || url.hasPrefix("http://") else {
                throw reader.error("url", "is not https://HOST/PATH")
            }
            if let problem = urlProblem(url) { throw reader.error("url", problem) }
            return .url(url)
        case (_?, _?): throw reader.error("url", "there is a file, too: leave one of the two out")
        case (nil, nil): throw reader.error("file", "missing; a feed has a file or a url")
        }
    }

    private static func source(_ reader: SettingsReader) throws(SettingError) -> FeedSource {
        var source = FeedSource(name: try reader.string("name"))
        source.weight = try reader.double("weight", default: source.weight, in: 0...1)
        source.confidence = try reader.int("confidence", default: source.confidence, in: 0...100)
        source.labels = try reader.strings("labels", default: [], countMax: 16)
        source.allowsPrivate = try reader.bool("allowPrivate", default: false)
        if try reader.optionalString("lifetime") == "never" {
            source.lifetimeDays = nil
        } else {
            let lifetime = try reader.duration(
                "lifetime", default: .seconds(30 * 86_400), in: .seconds(3_600) ... .seconds(3_650 * 86_400))
            source.lifetimeDays = Double(lifetime.components.seconds) / 86_400
        }
        let lights = TrafficLight.allCases.map(\.rawValue)
        if reader.has("trafficLight") {
            source.trafficLight = TrafficLight(label: try reader.choice("trafficLight", default: "", of: lights))
        }
        do throws(SettingFault) { try source.check() } catch {
            throw reader.error(error.key, "must be \(error.allowed)")
        }
        return source
    }

    private static func columns(_ reader: SettingsReader) throws(SettingError) -> TableColumns {
        var columns = TableColumns(value: try reader.string("value"))
        for column in TableColumn.allCases where column != .value {
            columns.others[column.rawValue] = try reader.optionalString(column.rawValue)
        }
        columns.hasHeader = try reader.bool("header", default: true)
        columns.separator = try reader.string("separator", default: ",")
        columns.listSeparator = try reader.string("listSeparator", default: ";")
        guard columns.separator.utf8.count == 1 else { throw reader.error("separator", "is not one character") }
        return columns
    }

    /// For people, tenants among them: a file without its folder, a URL without its path, which often holds a token.
    package var shownPlace: String {
        switch place {
        case .file(let path): return String(path.split(separator: "/").last ?? "")
        case .url(let url):
            guard let mark = url.firstIndex(of: ":") else { return "…" }
            let scheme = url[..<mark], rest = url[mark...].dropFirst(3)
            return "\(scheme)://\(rest.prefix { $0 != "/" && $0 != "?" })/…"
        }
    }
}
