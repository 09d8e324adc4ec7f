internal import Detect
internal import FlowModel
package import Identity
internal import Incidents
package import Notify
package import Settings

/// Who is told, and how: the operator's part of the settings.
///
/// - `notify.host` (text, `weir`): the name in syslog, ECS and at mail servers.
/// - `notify.incidentURL` (text): what goes before an incident's id in messages; no links without.
/// - `notify.allow` (networks): special-purpose addresses that channels may lead to, such as `10.0.0.0/8`.
/// - `notify.plainHTTP` (`false`): whether a webhook's URL may be `http://`.
/// - `notify.channels` (list, at most 256), each with `name`, `type` (`webhook`, `slack`, `teams`, `mail`, `syslog`),
///   `tenant` (whose it is; the operator's without) and `trust` (path of authorities; the machine's without);
///   - webhooks: `url`, or `urlFrom` (`file:PATH` or `env:NAME`); `secrets` (the same, newest first) and `format`
///     (`ecs`, `ocsf`, `cef`, `text`) of `webhook`.
///   - mail: `server` (HOST:PORT), `security` (`startTLS`, `implicitTLS`, `plain`), `user`, `password`, `from`, `to`.
///   - syslog: `server`, `transport` (`tls`, `tcp`, `udp`), `format` (`text`, `cef`, `ecs`, `ocsf`), `facility` (13).
/// - `notify.routes` (list, at most 1024), asked in their order; see `Route.init(_:)`.
/// - `notify.mitigation.ownNetworks`, `.neverBlock` (networks), `.severityMin` (`high`), `.lifetime` (`1h`, 1m…7d):
///   what may be proposed, and for how long.
package struct NotifySettings: Equatable, Sendable {
    package struct Channel: Equatable, Sendable {
        package enum Target: Equatable, Sendable {
            case webhook(WebhookSender.Target)
            case mail(MailSender.Server, from: MailAddress, to: [MailAddress])
            case syslog(SyslogSender.Server, SyslogRendering.Payload, facility: UInt8)
        }
        package var name: String
        package var tenant: TenantID?
        package var target: Target
        /// Nil: that of the URL, which is a secret.
        package var port: Int?
    }
    package var channels: [Channel] = []
    package var routes: [Route] = []
    package var mitigation = MitigationPolicy()
    package var rendering = Rendering(host: "weir")
    /// Without ports: each channel has its own.
    package var egress = EgressPolicy()

    package init(_ reader: SettingsReader) throws(SettingError) {
        rendering.host = try reader.string("host", default: "weir")
        rendering.incidentURLPrefix = try reader.optionalString("incidentURL")
        egress.allowed = try reader.networks("allow", default: [])
        if try reader.bool("plainHTTP", default: false) { egress.schemes.insert(.http) }
        for element in try reader.elements(of: "channels", countMax: 256) {
            channels.append(try Channel(element, egress))
        }
        let names = channels.map(\.name)
        guard Set(names).count == names.count else { throw reader.error("channels", "two have the same name") }
        for element in try reader.elements(of: "routes") {
            routes.append(try Route(element, channels: Set(names)))
        }
        try readMitigation(reader.scoped(to: "mitigation"))
    }

    private mutating func readMitigation(_ reader: SettingsReader) throws(SettingError) {
        mitigation.ownNetworks = try reader.networks("ownNetworks", default: [])
        mitigation.neverBlock = try reader.networks("neverBlock", default: [])
        mitigation.severityMin = try reader.severity("severityMin", default: .high)
        let lifetime = try reader.duration(
            "lifetime", default: .seconds(3_600), in: .seconds(60) ... .seconds(MitigationPolicy.lifetimeSecondsMax))
        mitigation.lifetimeSeconds = lifetime.components.seconds
    }

    package var owners: [String: TenantID?] {
        Dictionary(channels.map { ($0.name, $0.tenant) }, uniquingKeysWith: { first, _ in first })
    }

    /// A sender for each channel.
    package func senders(_ resolver: any NameResolver = SystemResolver()) -> [String: any ChannelSender] {
        var senders: [String: any ChannelSender] = [:]
        for channel in channels {
            var policy = egress
            // The operator wrote the port; what is refused is where it leads to.
            if let port = channel.port { policy.ports = [port] }
            let way = Egress(policy: policy, resolver: resolver)
            switch channel.target {
            case .webhook(let target):
                senders[channel.name] = WebhookSender(target, rendering: rendering, egress: way)
            case .mail(let server, let from, let to):
                guard let mail = MailRendering(rendering, from: from, to: to) else { continue }
                senders[channel.name] = MailSender(server, rendering: mail, egress: way)
            case .syslog(let server, let payload, let facility):
                let syslog = SyslogRendering(rendering, payload: payload, facility: facility)
                senders[channel.name] = SyslogSender(server, rendering: syslog, egress: way)
            }
        }
        return senders
    }
}

extension NotifySettings.Channel {
    fileprivate init(_ reader: SettingsReader, _ egress: EgressPolicy) throws(SettingError) {
        name = try reader.string("name")
        guard name.utf8.count <= 100 else { throw reader.error("name", "is longer than 100 octets") }
        tenant = try reader.optionalTenant("tenant")
        let type = try reader.choice("type", default: "webhook", of: ["webhook", "slack", "teams", "mail", "syslog"])
        switch type {
        case "mail": (target, port) = try Self.mail(reader)
        case "syslog": (target, port) = try Self.syslog(reader)
        default: (target, port) = try Self.webhook(reader, type, egress)
        }
    }

    private static func webhook(
        _ reader: SettingsReader, _ type: String, _ egress: EgressPolicy
    ) throws(SettingError) -> (Target, Int?) {
        var format = Format(rawValue: type) ?? .ecs
        if type == "webhook" {
            let text = try reader.choice("format", default: "ecs", of: ["ecs", "ocsf", "cef", "text"])
            format = Format(rawValue: text) ?? .ecs
        }
        var secrets: [SecretReference] = []
        for text in try reader.strings("secrets", default: [], countMax: WebhookSigner.secretsMax) {
            guard let secret = SecretReference(text) else {
                throw reader.error(
                    "secrets", "\"\(text.prefix(4))…\" is not file:PATH, env:NAME or bao:MOUNT/PATH#FIELD")
            }
            secrets.append(secret)
        }
        let trust = try reader.optionalPath(of: "trust")
        if let secret = try reader.optionalSecret("urlFrom") {
            guard !reader.has("url") else { throw reader.error("urlFrom", "and url are both there") }
            return (.webhook(.init(place: .secret(secret), format: format, secrets: secrets, trust: trust)), nil)
        }
        let text = try reader.string("url"), url: WebhookURL
        do throws(WebhookURLError) { url = try WebhookURL(text) } catch {
            throw reader.error("url", "is no URL that Weir sends to: \(error)")
        }
        guard egress.schemes.contains(url.scheme) else {
            throw reader.error("url", "is not https; notify.plainHTTP allows others")
        }
        return (.webhook(.init(url: url, format: format, secrets: secrets, trust: trust)), url.port)
    }

    private static func mail(_ reader: SettingsReader) throws(SettingError) -> (Target, Int?) {
        let server = try MailSender.Server(reader), from = try MailAddress(reader, "from")
        var to: [MailAddress] = []
        for text in try reader.strings("to", default: nil, countMax: MailRendering.recipientsMax) {
            to.append(try MailAddress(reader, "to", text))
        }
        guard !to.isEmpty else { throw reader.error("to", "names nobody") }
        return (.mail(server, from: from, to: to), server.port)
    }

    private static func syslog(_ reader: SettingsReader) throws(SettingError) -> (Target, Int?) {
        let (host, port) = try reader.hostAndPort("server")
        let transport = try reader.choice(
            "transport", default: "tls", of: SyslogSender.Transport.allCases.map(\.rawValue))
        let format = try reader.choice(
            "format", default: "text", of: SyslogRendering.Payload.allCases.map(\.rawValue))
        let server = SyslogSender.Server(
            host: host, port: port, transport: .init(rawValue: transport) ?? .tls,
            trust: try reader.optionalPath(of: "trust"))
        let facility = UInt8(try reader.int("facility", default: 13, in: 0...23))
        return (.syslog(server, .init(rawValue: format) ?? .text, facility: facility), port)
    }
}

extension MailSender.Server {
    /// `server`, `security`, `user`, `password` and `trust` of a mail channel.
    package init(_ reader: SettingsReader) throws(SettingError) {
        let (host, port) = try reader.hostAndPort("server")
        let names = SMTPDialogue.Security.allCases.map(\.rawValue)
        let security = try reader.choice("security", default: "startTLS", of: names)
        self.init(host: host, port: port, security: .init(rawValue: security) ?? .startTLS)
        user = try reader.optionalString("user")
        password = try reader.optionalSecret("password")
        trust = try reader.optionalPath(of: "trust")
    }
}

extension MailAddress {
    package init(_ reader: SettingsReader, _ key: String) throws(SettingError) {
        try self.init(reader, key, try reader.string(key))
    }
    fileprivate init(_ reader: SettingsReader, _ key: String, _ text: String) throws(SettingError) {
        guard let address = MailAddress(text) else { throw reader.error(key, "\"\(text)\" is not a mail address") }
        self = address
    }
}

extension SettingsReader {
    /// `HOST:PORT`, `[2001:db8::1]:6514`.
    fileprivate func hostAndPort(_ key: String) throws(SettingError) -> (String, Int) {
        let text = try string(key)
        guard let colon = text.lastIndex(of: ":"), colon > text.startIndex,
            let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port)
        else { throw error(key, "\"\(text)\" is not HOST:PORT") }
        let host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        return (String(isBracketed ? host.dropFirst().dropLast() : host), port)
    }
    func optionalTenant(_ key: String) throws(SettingError) -> TenantID? {
        guard let text = try optionalString(key) else { return nil }
        guard let tenant = TenantID(text) else { throw error(key, "\"\(text)\" is not a tenant's name") }
        return tenant
    }
}
