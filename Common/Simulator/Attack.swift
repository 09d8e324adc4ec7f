package import FlowModel

/// The attacks that can be laid over a mix: who, whom, how, and by which number ATT&CK knows it.
package enum Attack: String, CaseIterable, Sendable {
    case scanVertical = "scan-vertical"
    case scanHorizontal = "scan-horizontal"
    case scanSlow = "scan-slow"
    case passwordGuessing = "password-guessing"
    case flood
    case floodSYN = "flood-syn"
    case floodDNS = "flood-dns"
    case floodNTP = "flood-ntp"
    case floodMemcached = "flood-memcached"
    case carpetBombing = "carpet-bombing"
    case beacon
    case exfiltration
    case lateralMovement = "lateral-movement"
    case dnsTunnel = "dns-tunnel"

    /// One line for people.
    package var summary: String {
        switch self {
        case .scanVertical: "one source tries 1,000 ports of one host in 10 s; each is refused"
        case .scanHorizontal: "one source tries port 445 on 250 hosts in 10 s; none answers"
        case .scanSlow: "one source tries port 3389 on a host every 5 minutes (12 hosts, if the run is shorter)"
        case .passwordGuessing: "40 short SSH sessions of one source with one host within 50 s"
        case .flood: "25,000 UDP packets/s (280 Mbit/s) from 400 spoofed sources at one host for 12 s"
        case .floodSYN: "3,000 bare SYNs/s from spoofed sources at one web server for 12 s"
        case .floodDNS: "answers of 300 resolvers, 1,400 octets each, 20,000 packets/s, to one host for 12 s"
        case .floodNTP: "answers of 300 clocks, 468 octets each, 30,000 packets/s, to one host for 12 s"
        case .floodMemcached: "answers of 40 caches, 1,428 octets each, 40,000 packets/s, to one host for 12 s"
        case .carpetBombing: "UDP at all 126 hosts of a /25, 300 packets/s at each, 38,000 at the network, for 12 s"
        case .beacon: "one host calls one address of the world at even distances, always 420 octets"
        case .exfiltration: "one host sends 500 MB to one address of the world in one connection"
        case .lateralMovement: "one inside host opens SMB, RDP and WinRM sessions with 25 others"
        case .dnsTunnel: "20 queries/s of 180 to 230 octets from one host to one name server"
        }
    }
    /// The technique's number.
    package var technique: String {
        switch self {
        case .scanVertical, .scanHorizontal, .scanSlow: "T1046"
        case .passwordGuessing: "T1110"
        case .flood, .floodSYN, .carpetBombing: "T1498.001"
        case .floodDNS, .floodNTP, .floodMemcached: "T1498.002"
        case .beacon: "T1071.001"
        case .exfiltration: "T1048"
        case .lateralMovement: "T1021"
        case .dnsTunnel: "T1071.004"
        }
    }
    /// The tactic's number.
    package var tactic: String {
        switch self {
        case .scanVertical, .scanHorizontal, .scanSlow: "TA0007"
        case .passwordGuessing: "TA0006"
        case .flood, .floodSYN, .carpetBombing, .floodDNS, .floodNTP, .floodMemcached: "TA0040"
        case .beacon, .dnsTunnel: "TA0011"
        case .exfiltration: "TA0010"
        case .lateralMovement: "TA0008"
        }
    }
    /// Who attacks: an address, or the network that sources are taken or forged from.
    package var attacker: IPNetwork {
        switch self {
        case .scanVertical: Self.host(0xCB00_710A)  // 203.0.113.10
        case .scanHorizontal: Self.host(0xCB00_710B)
        case .passwordGuessing: Self.host(0xCB00_710C)
        case .scanSlow: Self.host(0xCB00_710D)
        case .flood, .carpetBombing: IPNetwork(IPAddress(v4: 0xC612_0000), length: 23)
        case .floodSYN: IPNetwork(IPAddress(v4: 0xC612_4000), length: 18)
        case .floodDNS: IPNetwork(IPAddress(v4: 0xC612_0800), length: 23)
        case .floodNTP: IPNetwork(IPAddress(v4: 0xC612_0A00), length: 23)
        case .floodMemcached: IPNetwork(IPAddress(v4: 0xC612_0C00), length: 26)
        case .beacon: Self.host(0x0A01_F042)  // 10.1.240.66
        case .exfiltration: Self.host(0x0A01_F04D)
        case .lateralMovement: Self.host(0x0A01_F058)
        case .dnsTunnel: Self.host(0x0A01_F063)
        }
    }
    /// Who is attacked; for malware that calls out, the address that it calls.
    package var victim: IPNetwork {
        switch self {
        case .scanVertical: Self.host(0xC633_6414)  // 198.51.100.20
        case .scanHorizontal, .scanSlow: IPNetwork(IPAddress(v4: 0xC633_6400), length: 24)
        case .passwordGuessing: Self.host(0xC633_6416)
        case .flood: Self.host(0xC633_641E)
        case .floodSYN: Self.host(0xC633_641F)
        case .floodDNS: Self.host(0xC633_6420)
        case .floodNTP: Self.host(0xC633_6421)
        case .floodMemcached: Self.host(0xC633_6422)
        case .carpetBombing: IPNetwork(IPAddress(v4: 0xC633_6480), length: 25)
        case .beacon: Self.host(0xCB00_7142)  // 203.0.113.66
        case .exfiltration: Self.host(0xCB00_714D)
        case .lateralMovement: IPNetwork(IPAddress(v4: 0x0A01_F100), length: 27)
        case .dnsTunnel: Self.host(0xCB00_7135)
        }
    }
    /// Ports at the attacked end; empty when there are too many to list.
    package var ports: [UInt16] {
        switch self {
        case .scanVertical: []
        case .scanHorizontal: [445]
        case .scanSlow: [3_389]
        case .passwordGuessing: [22]
        case .flood, .carpetBombing: [80]
        case .floodSYN, .beacon, .exfiltration: [443]
        case .floodDNS, .floodNTP, .floodMemcached: []
        case .lateralMovement: [445, 3_389, 5_985]
        case .dnsTunnel: [53]
        }
    }
    /// Whether the sources are forged or misused, so that no one of them is guilty.
    package var isSpoofed: Bool { tactic == "TA0040" }

    private static func host(_ bits: UInt32) -> IPNetwork { IPNetwork(IPAddress(v4: bits), length: 32) }
}

/// When an attack takes place and of how many steps it is.
struct AttackSchedule: Sendable, Equatable {
    /// In ms from the first flow of the run.
    let from: Int64, length: Int64
    let steps: Int

    /// Each attack begins after a tenth of the run and has eight tenths of it at most, so that a short run still holds
    /// all of it.
    init(_ attack: Attack, runSeconds: Int) {
        let window = max(Int64(runSeconds) * 800, 1_000)
        from = Int64(runSeconds) * 100
        // The floods last long enough that any detector's bucket of five seconds lies wholly within.
        let flood = min(window, 12_000), floodSeconds = max(Int(flood) / 1_000, 1)
        switch attack {
        case .scanVertical: (length, steps) = (min(window, 10_000), 1_000)
        case .scanHorizontal: (length, steps) = (min(window, 10_000), 250)
        case .scanSlow: (length, steps) = (window, max(12, Int(window / 300_000)))
        case .passwordGuessing: (length, steps) = (min(window, 50_000), 40)
        case .flood: (length, steps) = (flood, floodSeconds * 100)
        case .floodSYN: (length, steps) = (flood, floodSeconds * 3_000)
        case .floodDNS, .floodNTP: (length, steps) = (flood, floodSeconds * 300)
        case .floodMemcached: (length, steps) = (flood, floodSeconds * 40)
        case .carpetBombing: (length, steps) = (flood, floodSeconds * 126)
        case .beacon: (length, steps) = (window, max(30, Int(window / 60_000)))
        case .exfiltration: (length, steps) = (window, max(4, Int(window / 60_000)))
        case .lateralMovement: (length, steps) = (window, 25)
        case .dnsTunnel: (length, steps) = (window, Int(window) / 50)
        }
    }
    /// The steps that fall before `time`, in ms from the first flow of the run.
    func steps(before time: Int64) -> Int {
        guard time > from else { return 0 }
        return time >= from + length ? steps : Int(Int64(steps) * (time - from) / length)
    }
}
