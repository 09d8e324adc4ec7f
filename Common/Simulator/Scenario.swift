/// Traffic that looks like an office's, and attacks on it, as flow records, datagrams of any export protocol, or
/// packets.
///
/// Invariants: the same scenario, rate, duration, start and seed give the same bytes on every machine; addresses are
/// from the documentation ranges (RFC 5737, RFC 3849) and 10.0.0.0/8, so nothing simulated can be taken for somebody
/// real.
/// Not here: sending (`weirctl simulate`), files (`Capture`).
package import FlowModel

/// What happens.
package enum Scenario: String, CaseIterable, Sendable {
    /// Web, mail, names, files: nothing to find.
    case office
    /// One source tries 1,000 ports of one host in ten seconds (ATT&CK T1046).
    case scanVertical = "scan-vertical"
    /// One source tries one port on 250 hosts in ten seconds (T1046).
    case scanHorizontal = "scan-horizontal"
    /// Forty short SSH sessions from one source to one host (T1110).
    case passwordGuessing = "password-guessing"
    /// 25,000 packets a second from 400 sources at one host for twelve seconds (T1498).
    case flood
    /// The office, and all of the attacks during its day.
    case mixed

    /// The attacks in it, by scenario.
    var attacks: [Scenario] {
        switch self {
        case .office: []
        case .mixed: [.scanVertical, .scanHorizontal, .passwordGuessing, .flood]
        default: [self]
        }
    }
    var hasOffice: Bool { self == .office || self == .mixed }

    /// Who attacks and who is attacked; nil for the office and for many sources.
    package var attacker: IPAddress? {
        switch self {
        case .scanVertical: IPAddress(v4: 0xCB00_710A)  // 203.0.113.10
        case .scanHorizontal: IPAddress(v4: 0xCB00_710B)
        case .passwordGuessing: IPAddress(v4: 0xCB00_710C)
        case .office, .flood, .mixed: nil
        }
    }
    package var victim: IPAddress? {
        switch self {
        case .scanVertical: IPAddress(v4: 0xC633_6414)  // 198.51.100.20
        case .passwordGuessing: IPAddress(v4: 0xC633_6416)
        case .flood: IPAddress(v4: 0xC633_641E)
        case .office, .scanHorizontal, .mixed: nil
        }
    }
}
