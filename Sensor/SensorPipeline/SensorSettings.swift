package import Decode
package import Dedupe
internal import FlowModel
package import Forward
package import HTTP2Client
package import Intake
package import Settings
package import Telemetry

/// A numeric address and a port to listen on.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// As the system takes it: without brackets.
    package let address: String
    /// 0: any free one.
    package let port: UInt16

    /// Reads `0.0.0.0:2055` and `[::]:2055`; nil for anything else, names included.
    package init?(_ text: String) {
        guard let (host, port) = splitHostAndPort(text), IPAddress(host) != nil else { return nil }
        self.address = host
        self.port = port
    }
    package var description: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

/// Everything that can be set about a sensor, validated.
///
/// | key | type | default | range |
/// | --- | --- | --- | --- |
/// | `listen.addresses` | list of ADDRESS:PORT | `0.0.0.0:2055`, `:4739`, `:6343` | 1…64; `[::]:2055` for IPv6 |
/// | `listen.receiveBytes` | size | `32MiB` | 64 KiB…1 GiB; the kernel's buffer of each socket |
/// | `listen.receivers` | number | 0 | 0…64 threads that receive; 0: one for every two cores, at least one |
/// | `listen.tcp`, `listen.tls` | list of ADDRESS:PORT | none | IPFIX over TCP, over TLS (RFC 7011 §10.4) |
/// | `listen.capture` | list of interfaces | none | their packets are metered (AF_PACKET, needs CAP_NET_RAW) |
/// | `listen.certificate`, `.key`, `.trust` | path | `tls.…` | PEM, for `listen.tls` |
/// | `listen.clients` | text | `required` | anonymous, optional, required: certificates of exporters over TLS |
/// | `listen.clientNames` | list of names | none | DNS names of which an exporter's certificate must have one |
/// | `listen.tlsMinimum` | text | `1.3` | 1.2, 1.3: older versions are refused |
/// | `decode.templateScope` | text | `borrow` | strict, borrow, shared: see `TemplateScope` |
/// | `decode.templates` | list of maps | none | `exporter`: address, `scope`: as above |
/// | `decode.protectedExporters` | list of networks | none | never forgotten to make room for others |
/// | `decode.sampling` | list of maps | none | `exporter`: network, `interval`: packets for each one looked at |
/// | `decode.samplingDefault` | number | 0 | of exporters that don't tell; 0: unknown |
/// | `decode.extras` | `all`, `none` or list of elements | `all` | which elements without a column are kept |
/// | `decode.elements` | path | none | more elements: `enterprise,id,name,type` a line |
/// | `decode.sflow.identity` | text | `agent` | agent, socket: which address an sFlow exporter goes by |
/// | `decode.sflow.linkDetails` | true, false | `false` | keep MAC addresses, TTL and IP length of sampled packets |
/// | `dedupe.mode` | text | `merge` | off, mark, merge: flows that several observers saw |
/// | `dedupe.preferred` | list of addresses | none | exporters whose records are canonical, the best first |
/// | `dedupe.horizon` | duration | `2m` | 1 s…1 h; the longest active timeout among exporters |
/// | `dedupe.tolerance` | duration | `2s` | 0 s…1 min; how far two observers' times of one flow may lie apart |
/// | `dedupe.conversationsMax` | number | 65536 | 1024…16777216 that are remembered, 64 octets each |
/// | `forward` | list of maps | none | `to`: ADDRESS:PORT, `keepsSource`, `ports`, `protocols`: see `ForwardTarget` |
/// | `aggregators` | list of HOST:PORT | required | 1…16, tried in this order |
/// | `trustDomain` | text | required | a SPIFFE trust domain, the aggregators' and the sensor's own |
/// | `tls.certificate` | path | required | PEM, the sensor's certificate and intermediates |
/// | `tls.key` | path | required | PEM, its private key |
/// | `tls.trust` | path | required | PEM, the authorities of the aggregators |
/// | `tls.renew` | true, false | `false` | renews the certificate at half of its life; it and the key are one file |
/// | `spool.directory` | path | required | made when absent |
/// | `spool.bytesMax` | size | `8GiB` | 1 MiB…1 TiB; in service no less than 64 MiB |
/// | `spool.keepAcked` | duration | `24h` | 0 s…30 days; how long answered batches are kept: aggregators lose disks |
/// | `spool.keepAckedBytes` | size | `1GiB` | 0…1 TiB; of them, beside `spool.bytesMax`; the oldest go first |
/// | `aggregate.window` | duration | `3s` | 100 ms…10 min; longer: fewer rows, attacks told later |
/// | `aggregate.entriesMax` | number | 65536 | 16…4194304; rows of a window; a full one is sealed early |
/// | `batch.rowsMax` | number | 131072 | 1…200000 |
/// | `metrics.listen` | ADDRESS:PORT | `127.0.0.1:9465` | empty: off |
/// | `log.level` | text | `info` | trace, debug, info, notice, warning, error, critical |
/// | `traces` | map | none | where spans of batches go: see `TraceSettings` |
/// | `errors` | map | none | where errors are told: see `ErrorReportSettings` |
/// | `stop.drain` | duration | `10s` | 0 s…10 min; how long a stopping sensor tries to ship what is spooled |
///
/// Relative paths start at the settings file's folder. In the environment `spool.bytesMax` is `WEIR_SPOOL_BYTES_MAX`.
package struct SensorSettings: Equatable, Sendable {
    package internal(set) var listenAddresses: [ListenAddress]
    package let receiveBytes: Int
    /// Threads that receive; 0: by the cores.
    package let receivers: Int
    /// IPFIX over TCP, and over TLS where a server's identity goes with it.
    package internal(set) var streams: [IntakePlan.Streams]
    /// Interfaces whose packets the sensor meters itself.
    package let captureInterfaces: [String]
    package let decode: DecodeSettings
    package let dedupe: ObserverDedupeSettings
    package let forward: [ForwardTarget]
    package let aggregators: [HTTP2Endpoint]
    package let trustDomain: String
    package let tls: TLSFiles
    /// Whether the aggregators' authority gives out the next certificate.
    package let renewsCertificate: Bool
    package let spoolDirectory: String
    package let spoolBytesMax: Int
    /// What is kept of batches that were answered.
    package let keepAcked: Duration, keepAckedBytes: Int
    package let window: Duration
    package let entriesMax: Int
    package let rowsMax: Int
    /// Nil: no metrics listener.
    package let metricsListen: ListenAddress?
    package internal(set) var logLevel: String
    package let drain: Duration
    package let traces: TraceSettings
    package let errors: ErrorReportSettings

    package static let logLevels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]

    /// - Throws: the first wrong key; also for keys that are none of the above.
    package init(_ reader: SettingsReader) throws(SettingError) {
        let listen = reader.scoped(to: "listen"), spool = reader.scoped(to: "spool")
        let aggregate = reader.scoped(to: "aggregate")
        listenAddresses = try Self.addresses(listen)
        receiveBytes = try listen.bytes("receiveBytes", default: 32 << 20, in: (64 << 10)...(1 << 30))
        receivers = try listen.int("receivers", default: 0, in: 0...64)
        let files = try Self.files(reader.scoped(to: "tls"))
        streams = try Self.streams(listen, files)
        captureInterfaces = try Self.interfaces(listen)
        decode = try Self.decode(reader.scoped(to: "decode"))
        dedupe = try Self.dedupe(reader.scoped(to: "dedupe"))
        forward = try Self.forward(reader)
        window = try aggregate.duration("window", default: .seconds(3), in: .milliseconds(100)...(.seconds(600)))
        entriesMax = try aggregate.int("entriesMax", default: 65_536, in: 16...4_194_304)
        rowsMax = try reader.scoped(to: "batch").int("rowsMax", default: 131_072, in: 1...200_000)
        metricsListen = try Self.metricsAddress(reader.scoped(to: "metrics"))
        logLevel = try reader.scoped(to: "log").choice("level", default: "info", of: Self.logLevels)
        drain = try reader.scoped(to: "stop").duration("drain", default: .seconds(10), in: .zero...(.seconds(600)))
        traces = try TraceSettings(reader.scoped(to: "traces"))
        errors = try ErrorReportSettings(reader.scoped(to: "errors"))
        spoolBytesMax = try spool.bytes("bytesMax", default: 8 << 30, in: (1 << 20)...(1 << 40))
        keepAcked = try spool.duration("keepAcked", default: .seconds(86_400), in: .zero...(.seconds(30 * 86_400)))
        keepAckedBytes = try spool.bytes("keepAckedBytes", default: 1 << 30, in: 0...(1 << 40))
        aggregators = try Self.endpoints(reader)
        trustDomain = try Self.trustDomain(reader)
        tls = files
        renewsCertificate = try Self.renews(reader.scoped(to: "tls"), files)
        spoolDirectory = try spool.path(of: "directory")
        try reader.checkAllUsed()
    }

    private static func addresses(_ listen: SettingsReader) throws(SettingError) -> [ListenAddress] {
        let addresses = try Self.addresses(
            listen, "addresses", default: ["0.0.0.0:2055", "0.0.0.0:4739", "0.0.0.0:6343"])
        guard !addresses.isEmpty else { throw listen.error("addresses", "needs at least one ADDRESS:PORT") }
        return addresses
    }
    static func addresses(
        _ listen: SettingsReader, _ key: String, default fallback: [String]
    ) throws(SettingError) -> [ListenAddress] {
        var addresses: [ListenAddress] = []
        for text in try listen.strings(key, default: fallback, countMax: 64) {
            guard let address = ListenAddress(text) else {
                throw listen.error(key, "\(text) is not ADDRESS:PORT, such as 0.0.0.0:2055 or [::]:2055")
            }
            guard address.port == 0 || !addresses.contains(address) else {
                throw listen.error(key, "\(text) is given twice")
            }
            addresses.append(address)
        }
        return addresses
    }
    private static func metricsAddress(_ metrics: SettingsReader) throws(SettingError) -> ListenAddress? {
        let text = try metrics.string("listen", default: "127.0.0.1:9465")
        guard !text.isEmpty else { return nil }
        guard let address = ListenAddress(text) else {
            throw metrics.error("listen", "\(text) is not ADDRESS:PORT, such as 127.0.0.1:9465, nor empty for none")
        }
        return address
    }
    private static func endpoints(_ reader: SettingsReader) throws(SettingError) -> [HTTP2Endpoint] {
        var endpoints: [HTTP2Endpoint] = []
        for text in try reader.strings("aggregators", default: nil, countMax: 16) {
            guard let (host, port) = splitHostAndPort(text), port != 0, isHost(host) else {
                throw reader.error("aggregators", "\(text) is not HOST:PORT, such as weir.example.org:8443")
            }
            endpoints.append(HTTP2Endpoint(host: host, port: port))
        }
        guard !endpoints.isEmpty else { throw reader.error("aggregators", "needs at least one HOST:PORT") }
        return endpoints
    }
    private static func trustDomain(_ reader: SettingsReader) throws(SettingError) -> String {
        let text = try reader.string("trustDomain")
        let isSound = text.utf8.count <= 255 && text.utf8.allSatisfy { isNameOctet($0) && !isUpper($0) }
        guard isSound else {
            throw reader.error("trustDomain", "\(text) is not a trust domain: a-z, 0-9, '.', '-' and '_' only")
        }
        return text
    }
    private static func renews(_ tls: SettingsReader, _ files: TLSFiles) throws(SettingError) -> Bool {
        let renews = try tls.bool("renew", default: false)
        guard !renews || files.certificate == files.key else {
            throw tls.error("renew", "tls.certificate and tls.key are to be one file, which is replaced at once")
        }
        return renews
    }
    private static func files(_ tls: SettingsReader) throws(SettingError) -> TLSFiles {
        TLSFiles(
            certificate: try tls.path(of: "certificate"), key: try tls.path(of: "key"), trust: try tls.path(of: "trust")
        )
    }
}

/// `host:port` or `[v6]:port`, the port in decimal without sign or leading zeros.
func splitHostAndPort(_ text: String) -> (host: String, port: UInt16)? {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard let port = UInt16(digits), "\(port)" == digits else { return nil }
    var host = text[..<colon]
    if host.first == "[" {
        guard host.last == "]" else { return nil }
        host = host.dropFirst().dropLast()
        guard host.contains(":") else { return nil }
    } else if host.contains(":") {
        return nil
    }
    return host.isEmpty ? nil : (String(host), port)
}
private func isHost(_ text: String) -> Bool {
    IPAddress(text) != nil || (text.utf8.count <= 253 && text.utf8.allSatisfy(isNameOctet))
}
private func isUpper(_ octet: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(octet) }
private func isNameOctet(_ octet: UInt8) -> Bool {
    isUpper(octet) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
        || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains(octet)
}
