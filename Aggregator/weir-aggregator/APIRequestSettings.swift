import API
import Settings

/// How much each caller may ask, and whose pages may: `api.requestsPerMinute`, `api.origins`.
struct APIRequestSettings: Equatable, Sendable {
    let perMinute: Int, origins: [String]

    init(_ reader: SettingsReader) throws(SettingError) {
        perMinute = try reader.int("requestsPerMinute", default: 30_000, in: 60...10_000_000)
        origins = try reader.strings("origins", default: [])
        for origin in origins where !Self.isOrigin(origin) {
            throw reader.error(
                "origins", "\"\(origin)\" is not https://host or https://host:port, in lower case, without a path")
        }
    }

    var limits: RequestLimits {
        var limits = RequestLimits()
        (limits.perMinute, limits.origins) = (perMinute, Set(origins))
        return limits
    }

    /// As a browser writes one (RFC 6454 §6.2): compared octet for octet, so `*` is none.
    private static func isOrigin(_ text: String) -> Bool {
        guard text.hasPrefix("https://") else { return false }
        let rest = text.dropFirst("https://".count), allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789-.:[]")
        return !rest.isEmpty && rest.allSatisfy(allowed.contains) && !rest.hasSuffix(":443")
    }
}
