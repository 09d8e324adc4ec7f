internal import Decode
internal import Dedupe
internal import FlowModel
internal import Forward
internal import HTTP2Client
internal import InformationElements
internal import Intake
internal import Settings

/// Settings of what comes in: transports, decoding, dedupe, forwarding.
extension SensorSettings {
    static func streams(_ listen: SettingsReader, _ files: TLSFiles) throws(SettingError) -> [IntakePlan.Streams] {
        let plain = try addresses(listen, "tcp", default: []), encrypted = try addresses(listen, "tls", default: [])
        let clients = try listen.choice(
            "clients", default: "required", of: TLSServerSettings.Clients.allCases.map(\.rawValue))
        let minimum = try listen.choice(
            "tlsMinimum", default: "1.3", of: TLSServerSettings.Version.allCases.map(\.rawValue))
        let identity = TLSServerSettings(
            certificate: try listen.optionalPath(of: "certificate") ?? files.certificate,
            key: try listen.optionalPath(of: "key") ?? files.key,
            trust: try listen.optionalPath(of: "trust") ?? files.trust,
            clients: TLSServerSettings.Clients(rawValue: clients) ?? .required,
            clientNames: try listen.strings("clientNames", default: [], countMax: 1_024),
            minimum: TLSServerSettings.Version(rawValue: minimum) ?? .tls13)
        return plain.map { IntakePlan.Streams(address: $0.address, port: $0.port) }
            + encrypted.map { IntakePlan.Streams(address: $0.address, port: $0.port, tls: identity) }
    }

    static func interfaces(_ listen: SettingsReader) throws(SettingError) -> [String] {
        let names = try listen.strings("capture", default: [], countMax: 16)
        for name in names where name.isEmpty || name.utf8.count > 15 || name.contains("/") || name.contains(" ") {
            throw listen.error("capture", "\(name) is not an interface's name, such as eth0")
        }
        guard Set(names).count == names.count else { throw listen.error("capture", "names an interface twice") }
        return names
    }

    static func decode(_ reader: SettingsReader) throws(SettingError) -> DecodeSettings {
        var settings = DecodeSettings()
        settings.scope = try scope(reader, "templateScope", default: .borrow)
        for entry in try reader.elements(of: "templates") {
            let text = try entry.string("exporter")
            guard let address = IPAddress(text) else { throw entry.error("exporter", "\(text) is not an address") }
            settings.scopes[address] = try scope(entry, "scope", default: nil)
        }
        settings.protectedExporters = try networks(reader, "protectedExporters")
        for entry in try reader.elements(of: "sampling") {
            let network = try network(entry, "exporter", try entry.string("exporter"))
            settings.samplingOverrides[network] = Float(try entry.double("interval", default: nil, in: 1...1e9))
        }
        settings.samplingDefault = Float(try reader.double("samplingDefault", default: 0, in: 0...1e9))
        settings.extras = try extras(reader)
        let sflow = reader.scoped(to: "sflow")
        let identity = try sflow.choice("identity", default: "agent", of: SFlowIdentity.allCases.map(\.rawValue))
        settings.sflow.identity = SFlowIdentity(rawValue: identity) ?? .agent
        settings.sflow.keepsLinkDetails = try sflow.bool("linkDetails", default: false)
        return settings
    }
    private static func scope(
        _ reader: SettingsReader, _ key: String, default fallback: TemplateScope?
    ) throws(SettingError) -> TemplateScope {
        let text = try reader.choice(
            key, default: (fallback ?? .borrow).rawValue, of: TemplateScope.allCases.map(\.rawValue))
        return TemplateScope(rawValue: text) ?? .borrow
    }
    private static func networks(_ reader: SettingsReader, _ key: String) throws(SettingError) -> [IPNetwork] {
        var networks: [IPNetwork] = []
        for text in try reader.strings(key, default: [], countMax: 4_096) {
            networks.append(try network(reader, key, text))
        }
        return networks
    }
    private static func network(
        _ reader: SettingsReader, _ key: String, _ text: String
    ) throws(SettingError) -> IPNetwork {
        guard let network = IPNetwork(text) else {
            throw reader.error(key, "\(text) is not an address or a network, such as 10.0.0.1 or 10.0.0.0/8")
        }
        return network
    }
    private static func extras(_ reader: SettingsReader) throws(SettingError) -> ExtraSelection {
        // Read even when no name needs it: a file that is wrong is told at the start.
        let registry = try ElementRegistry.standard(with: try reader.optionalPath(of: "elements"))
        let names = try reader.strings("extras", default: ["all"], countMax: 512)
        if names == ["all"] { return .all }
        if names == ["none"] { return .none }
        do throws(ElementError) {
            return .only(try registry.keys(named: names))
        } catch {
            throw reader.error("extras", "\(error.problem); or all, or none")
        }
    }

    static func dedupe(_ reader: SettingsReader) throws(SettingError) -> ObserverDedupeSettings {
        let mode = try reader.choice("mode", default: "merge", of: ObserverDedupeMode.allCases.map(\.rawValue))
        var preferred: [IPAddress] = []
        for text in try reader.strings("preferred", default: []) {
            guard let address = IPAddress(text) else {
                throw reader.error("preferred", "\(text) is not an address")
            }
            preferred.append(address)
        }
        let horizon = try reader.duration("horizon", default: .seconds(120), in: .seconds(1)...(.seconds(3_600)))
        let tolerance = try reader.duration("tolerance", default: .seconds(2), in: .zero...(.seconds(60)))
        let (seconds, attoseconds) = tolerance.components
        return ObserverDedupeSettings(
            mode: ObserverDedupeMode(rawValue: mode) ?? .merge, preferred: preferred,
            toleranceMilliseconds: seconds * 1_000 + attoseconds / 1_000_000_000_000_000,
            conversationsMax: try reader.int(
                "conversationsMax", default: 65_536, in: ObserverDedupeSettings.conversationsRange),
            horizonMilliseconds: horizon.components.seconds * 1_000)
    }

    static func forward(_ reader: SettingsReader) throws(SettingError) -> [ForwardTarget] {
        var targets: [ForwardTarget] = []
        for entry in try reader.elements(of: "forward", countMax: 16) {
            let text = try entry.string("to")
            guard let to = ListenAddress(text), to.port != 0 else {
                throw entry.error("to", "\(text) is not ADDRESS:PORT, such as 192.0.2.9:2055 or [2001:db8::9]:4739")
            }
            var ports: Set<UInt16> = [], protocols: Set<ExportProtocol> = []
            for text in try entry.strings("ports", default: []) {
                guard let port = UInt16(text), port != 0 else { throw entry.error("ports", "\(text) is not a port") }
                ports.insert(port)
            }
            for text in try entry.strings("protocols", default: []) {
                guard let known = ExportProtocol(name: text) else {
                    let allowed = ExportProtocol.allCases.map(\.name).joined(separator: ", ")
                    throw entry.error("protocols", "\(text) is not one of \(allowed)")
                }
                protocols.insert(known)
            }
            targets.append(
                ForwardTarget(
                    address: to.address, port: to.port, keepsSource: try entry.bool("keepsSource", default: true),
                    localPorts: ports, protocols: protocols))
        }
        return targets
    }

    /// What is to be listened on.
    var intakePlan: IntakePlan {
        let automatic = max(systemCoreCount() / 2, 1)
        return IntakePlan(
            datagrams: listenAddresses.map { IntakePlan.Datagrams(address: $0.address, port: $0.port) },
            streams: streams, receivers: receivers == 0 ? automatic : receivers, bufferBytes: receiveBytes)
    }
}
