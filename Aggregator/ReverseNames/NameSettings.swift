internal import FlowModel
internal import Platform
package import Settings

/// Whether and how names of addresses are asked for.
///
/// - `enabled` (true or false, false): resolvers learn from the questions which addresses people look at.
/// - `servers` (list of addresses with or without a port, such as `192.0.2.53` or `[2001:db8::53]:5353`; those of
///   `/etc/resolv.conf`): at most four, asked in turn.
/// - `private` (true or false, false): whether addresses that are not on the Internet are asked about. Their names are
///   those that the resolver knows, whichever tenant asks.
/// - `timeout` (duration, `1s`, 50ms…10s): of a question to one server.
/// - `perSecond` (number, 50, 1…10000): questions.
/// - `entries` (number, 50000, 16…1000000): addresses whose answer is kept.
/// - `keepMin`, `keepMax` (durations, `5m` and `1d`, 1s…7d): how long a name is kept; its own time to live, between
///   these.
/// - `absentMin`, `absentMax` (durations, `1m` and `1h`, 1s…7d): the same where there is no name; `absentMin` where
///   nobody could tell.
package struct NameSettings: Equatable, Sendable {
    package var isEnabled = false
    package var servers: [NameServer] = []
    package var asksPrivate = false
    package var timeout = Duration.seconds(1)
    package var perSecond = 50, entriesMax = 50_000
    package var keep = Duration.seconds(300)...Duration.seconds(86_400)
    package var absent = Duration.seconds(60)...Duration.seconds(3_600)

    package init() {}

    /// - Parameter resolvers: a file as `resolv.conf`, for where no servers are named.
    package init(_ reader: SettingsReader, resolvers: String = "/etc/resolv.conf") throws(SettingError) {
        isEnabled = try reader.bool("enabled", default: false)
        servers = try reader.strings("servers", default: [], countMax: Limit.serversMax).map {
            text throws(SettingError) in
            guard let server = NameServer(text) else {
                throw reader.error("servers", "\"\(text)\" is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT")
            }
            return server
        }
        asksPrivate = try reader.bool("private", default: false)
        timeout = try reader.duration("timeout", default: timeout, in: .milliseconds(50) ... .seconds(10))
        perSecond = try reader.int("perSecond", default: perSecond, in: 1...10_000)
        entriesMax = try reader.int("entries", default: entriesMax, in: 16...1_000_000)
        keep = try Self.range(reader, "keep", keep)
        absent = try Self.range(reader, "absent", absent)
        guard isEnabled, servers.isEmpty else { return }
        servers = Self.servers(in: (try? readFile(resolvers, bytesMax: 1 << 20)) ?? [])
        guard !servers.isEmpty else {
            throw reader.error("servers", "\(resolvers) names none: name them here")
        }
    }

    private static func range(
        _ reader: SettingsReader, _ key: String, _ usual: ClosedRange<Duration>
    ) throws(SettingError) -> ClosedRange<Duration> {
        let allowed = Duration.seconds(1) ... .seconds(7 * 86_400)
        let least = try reader.duration("\(key)Min", default: usual.lowerBound, in: allowed)
        let most = try reader.duration("\(key)Max", default: max(usual.upperBound, least), in: allowed)
        guard least <= most else { throw reader.error("\(key)Min", "is more than \(key)Max") }
        return least...most
    }

    /// `nameserver` lines; addresses with a zone (`fe80::1%eth0`) are left out.
    static func servers(in octets: [UInt8]) -> [NameServer] {
        let lines = String(decoding: octets, as: UTF8.self).split { $0 == "\n" || $0 == "\r\n" }
        let found = lines.compactMap { line -> NameServer? in
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return IPAddress(words[1]).map { NameServer($0) }
        }
        return Array(found.prefix(Limit.serversMax))
    }
}
