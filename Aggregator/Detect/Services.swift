/// What the detectors know about ports: services where people log in, and services that can be made to shout at others.

/// What one attempt to log in looks like from the client's side of a connection.
struct LoginService {
    let port: UInt16
    let name: String
    /// Octets from client to server in a connection that offers a password or a few and is turned away: enough for
    /// the handshake before it, too few for work after it.
    let octets: ClosedRange<UInt64>
    /// Programs connect here all day.
    var isBusy = false

    static let packetsMin: UInt64 = 5
    static let durationMaxMilliseconds: Int64 = 120_000

    static let all: [LoginService] = [
        .init(port: 21, name: "FTP", octets: 150...4_000),
        .init(port: 22, name: "SSH", octets: 1_000...10_000),
        .init(port: 2222, name: "SSH", octets: 1_000...10_000),
        .init(port: 23, name: "Telnet", octets: 200...6_000),
        .init(port: 2323, name: "Telnet", octets: 200...6_000),
        .init(port: 25, name: "SMTP", octets: 250...6_000, isBusy: true),
        .init(port: 465, name: "SMTPS", octets: 500...6_000, isBusy: true),
        .init(port: 587, name: "submission", octets: 250...6_000, isBusy: true),
        .init(port: 110, name: "POP3", octets: 200...4_000, isBusy: true),
        .init(port: 995, name: "POP3S", octets: 500...6_000, isBusy: true),
        .init(port: 143, name: "IMAP", octets: 200...6_000, isBusy: true),
        .init(port: 993, name: "IMAPS", octets: 500...6_000, isBusy: true),
        .init(port: 445, name: "SMB", octets: 400...20_000, isBusy: true),
        .init(port: 1433, name: "MS SQL", octets: 400...4_000, isBusy: true),
        .init(port: 3306, name: "MySQL", octets: 250...2_500, isBusy: true),
        .init(port: 5432, name: "PostgreSQL", octets: 250...3_000, isBusy: true),
        .init(port: 3389, name: "RDP", octets: 600...30_000),
        .init(port: 5900, name: "VNC", octets: 150...6_000),
        .init(port: 5985, name: "WinRM", octets: 500...10_000),
    ]
    /// A place in `all`, plus one; ports above are nobody's.
    private static let byPort: [UInt8] = all.enumerated().reduce(
        into: [UInt8](repeating: 0, count: 32_768)
    ) { $0[Int($1.element.port)] = UInt8($1.offset + 1) }
    static func on(_ port: UInt16) -> LoginService? {
        guard Int(port) < byPort.count, byPort[Int(port)] > 0 else { return nil }
        return all[Int(byPort[Int(port)]) - 1]
    }
}

/// UDP services whose answers are larger than their questions (US-CERT alert TA14-017A and later finds).
struct Amplifier {
    let port: UInt16
    let name: String
    /// Octets per packet, at least: an ordinary answer of a service that hosts use all day is smaller.
    let octetsPerPacketMin: Double

    static let all: [Amplifier] = [
        .init(port: 17, name: "QOTD", octetsPerPacketMin: 60),
        .init(port: 19, name: "chargen", octetsPerPacketMin: 60),
        .init(port: 53, name: "DNS", octetsPerPacketMin: 480),
        .init(port: 69, name: "TFTP", octetsPerPacketMin: 100),
        .init(port: 111, name: "portmapper", octetsPerPacketMin: 60),
        .init(port: 123, name: "NTP", octetsPerPacketMin: 150),
        .init(port: 137, name: "NetBIOS", octetsPerPacketMin: 120),
        .init(port: 161, name: "SNMP", octetsPerPacketMin: 200),
        .init(port: 389, name: "CLDAP", octetsPerPacketMin: 300),
        .init(port: 427, name: "SLP", octetsPerPacketMin: 200),
        .init(port: 500, name: "ISAKMP", octetsPerPacketMin: 120),
        .init(port: 1434, name: "MS SQL browser", octetsPerPacketMin: 100),
        .init(port: 1900, name: "SSDP", octetsPerPacketMin: 150),
        .init(port: 3283, name: "Apple remote desktop", octetsPerPacketMin: 300),
        .init(port: 3702, name: "WS-Discovery", octetsPerPacketMin: 300),
        .init(port: 4500, name: "ISAKMP over NAT", octetsPerPacketMin: 120),
        .init(port: 5353, name: "mDNS", octetsPerPacketMin: 100),
        .init(port: 5683, name: "CoAP", octetsPerPacketMin: 200),
        .init(port: 11211, name: "memcached", octetsPerPacketMin: 300),
        .init(port: 27960, name: "Quake", octetsPerPacketMin: 100),
    ]
    /// A place in `all`, plus one; ports above are nobody's.
    private static let byPort: [UInt8] = all.enumerated().reduce(
        into: [UInt8](repeating: 0, count: 32_768)
    ) { $0[Int($1.element.port)] = UInt8($1.offset + 1) }
    static func on(_ port: UInt16) -> Amplifier? {
        guard Int(port) < byPort.count, byPort[Int(port)] > 0 else { return nil }
        return all[Int(byPort[Int(port)]) - 1]
    }
}

/// `445 (SMB)`.
func portText(_ port: UInt16) -> String {
    guard let name = LoginService.on(port)?.name ?? Amplifier.on(port)?.name ?? commonPorts[port] else {
        return "\(port)"
    }
    return "\(port) (\(name))"
}
private let commonPorts: [UInt16: String] = [80: "HTTP", 443: "HTTPS", 135: "RPC", 139: "NetBIOS", 5060: "SIP"]
let webPorts: Set<UInt16> = [80, 443, 8080, 8443]

/// Whether programs are known to be called on this port: the system's ports (below 1024), and those of services here.
func isServicePort(_ port: UInt16) -> Bool {
    port < 1_024 || webPorts.contains(port) || lastingPorts.contains(port) || LoginService.on(port) != nil
        || Amplifier.on(port) != nil
}

/// UDP services that are told something and never answer: traps, syslog, flow exports, tunnels, measurements, logs.
let silentPorts: Set<UInt16> = [
    162, 514, 1_514, 2_055, 4_739, 4_789, 6_081, 6_343, 6_514, 8_125, 9_995, 9_996, 12_201, 25_826,
]

/// Services above port 1023 whose connections stay open by design: databases, queues, push messages, streams, remote
/// desks, VPNs, control planes.
let lastingPorts: Set<UInt16> = [
    1_194, 1_433, 1_521, 1_723, 1_883, 1_935, 2_049, 2_181, 2_379, 2_380, 3_268, 3_269, 3_306, 3_389, 4_070, 4_369,
    5_060, 5_061, 5_222, 5_223, 5_228, 5_269, 5_432, 5_671, 5_672, 5_900, 5_985, 5_986, 6_379, 6_443, 6_514, 6_697,
    8_009, 8_883, 9_042, 9_092, 9_093, 9_100, 9_200, 9_300, 10_250, 11_211, 26_379, 27_017, 50_051, 51_820, 61_616,
]
