internal import Detect
internal import Identity
internal import Incidents
package import Notify
package import Settings

extension Route {
    /// - `name` (text), `tenant` (whose route it is; the operator's without), `tenants` (names; all without).
    /// - `rules` (patterns; all without), `severityMin` (`low`), `tags` (any of them), `changes` (`opened`,
    ///   `status-changed` and `overdue` without).
    /// - `days` (1 Monday … 7 Sunday), `from`, `to` (HH:MM), `zone` (`UTC`): when it holds; always without.
    /// - `channels` (names), or `mute` (`true`); `last` (`false`): whether routes after it are not asked.
    /// - `digest` (duration, 1m…7d), or `storm` (number, 1…1000) messages in `stormWindow` (`10m`, 1s…7d), then one.
    /// - Parameter channels: those that there are.
    package init(_ reader: SettingsReader, channels known: Set<String>) throws(SettingError) {
        let name = try reader.string("name")
        self.init(name, owner: try reader.optionalTenant("tenant"), action: .mute)
        tenants = try reader.tenants("tenants")
        rules = try reader.strings("rules", default: [])
        severityMin = try reader.severity("severityMin", default: .low)
        tags = Set(try reader.strings("tags", default: []))
        let usual: [Change] = [.opened, .statusChanged, .overdue]
        var changes: Set<Change> = []
        for text in try reader.strings("changes", default: usual.map(\.rawValue)) {
            guard let change = Change(rawValue: text) else {
                let all = Change.allCases.map(\.rawValue).joined(separator: ", ")
                throw reader.error("changes", "\"\(text)\" is not one of \(all)")
            }
            changes.insert(change)
        }
        self.changes = changes
        schedule = try Self.schedule(reader)
        isLast = try reader.bool("last", default: false)
        action = try Self.action(reader, known)
    }

    private static func action(_ reader: SettingsReader, _ known: Set<String>) throws(SettingError) -> Action {
        let isMuted = try reader.bool("mute", default: false)
        let channels = try reader.strings("channels", default: isMuted ? [] : nil)
        let pace = try pace(reader)
        guard channels.isEmpty == isMuted else {
            throw reader.error("channels", isMuted ? "and mute are both there" : "names none")
        }
        if let missing = channels.first(where: { !known.contains($0) }) {
            throw reader.error("channels", "there is no channel \"\(missing)\"")
        }
        return isMuted ? .mute : .deliver(to: channels, pace)
    }

    private static func pace(_ reader: SettingsReader) throws(SettingError) -> Pace {
        let day = Duration.seconds(86_400)
        let window = try reader.duration("stormWindow", default: .seconds(600), in: .seconds(1)...(day * 7))
        if reader.has("digest") {
            guard !reader.has("storm") else { throw reader.error("digest", "and storm are both there") }
            let period = try reader.duration("digest", default: nil, in: .seconds(60)...(day * 7))
            return .digest(minutes: period.components.seconds / 60)
        }
        guard reader.has("storm") else { return .atOnce }
        let messages = try reader.int("storm", default: nil, in: 1...1_000)
        return .folding(messagesMax: messages, seconds: window.components.seconds)
    }

    private static func schedule(_ reader: SettingsReader) throws(SettingError) -> Schedule? {
        let from = try minutes(reader, "from"), to = try minutes(reader, "to")
        let zone = try reader.string("zone", default: "UTC")
        var days: Set<Int> = []
        for text in try reader.strings("days", default: (1...7).map(String.init)) {
            guard let day = Int(text), (1...7).contains(day) else {
                throw reader.error("days", "\"\(text)\" is not 1 (Monday) to 7 (Sunday)")
            }
            days.insert(day)
        }
        guard reader.has("days") || reader.has("from") || reader.has("to") else { return nil }
        guard let schedule = Schedule(days: days, from: from ?? 0, to: to ?? Schedule.minutesOfDay, zone: zone) else {
            throw reader.error("zone", "these days, times and zone \"\(zone)\" are no schedule")
        }
        return schedule
    }
    private static func minutes(_ reader: SettingsReader, _ key: String) throws(SettingError) -> Int? {
        guard let text = try reader.optionalString(key) else { return nil }
        let parts = text.split(separator: ":")
        guard parts.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]), (0...24).contains(hour),
            (0..<60).contains(minute), hour * 60 + minute <= Schedule.minutesOfDay
        else { throw reader.error(key, "\"\(text)\" is not a time of day such as 08:30") }
        return hour * 60 + minute
    }
}
