/// Words and numbers in findings' titles, and the making of a finding from its parts.
import FlowModel
import Identity

extension Finding {
    /// A finding named by what it is about: `entity` is what the id is made of, besides tenant, rule and window.
    init(
        tenant: TenantID, rule: RuleInfo, entity: String, windowStart: Int64, title: String, severity: Severity,
        entities: [FindingEntity], ports: [UInt16], span: (start: Int64, end: Int64), evidence: Evidence, update: Int
    ) {
        id = StableHash.hex128(tenant.rawValue, rule.id, entity, String(windowStart))
        self.rule = rule.id
        self.title = title
        self.severity = severity
        tactics = rule.tactics
        techniques = rule.techniques
        self.entities = Array(entities.prefix(Self.entitiesMax))
        self.ports = Array(ports.prefix(Self.portsMax))
        start = span.start
        end = span.end
        self.windowStart = windowStart
        self.evidence = evidence
        self.update = update
    }
}

extension FindingEntity {
    init(_ address: IPAddress, _ role: Role) {
        self.init(type: address.isV4 ? "ipv4-addr" : "ipv6-addr", role: role, value: address.description)
    }
}

/// The number of the window of `width` ms that `time` lies in; times before 1970 do not occur.
func epoch(of time: Int64, width: Int64) -> Int64 { time / max(width, 1) }

/// `1,001`: thousands apart.
func counted(_ value: Int) -> String { grouped(String(value)) }
private func grouped(_ digits: String) -> String {
    var text = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
        text.append(digit)
    }
    return text
}
/// `in 4 s`, `in 2 min`, `in 1.7 h`; `at once` below a second.
func lasting(from start: Int64, to end: Int64) -> String {
    let seconds = max(end - start, 0) / 1_000
    switch seconds {
    case 0: return "at once"
    case ..<120: return "in \(seconds) s"
    case ..<7_200: return "in \(seconds / 60) min"
    default: return "in \(seconds / 3_600).\(seconds % 3_600 / 360) h"
    }
}
/// `24.0 M`, `1.2 G`: a rate, ready for its unit.
func scaled(_ value: Double) -> String {
    for (limit, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where value >= limit {
        let tenths = Int((min(value, 1e18) / limit * 10).rounded())
        return tenths >= 10_000 ? "\(counted(tenths / 10)) \(unit)" : "\(tenths / 10).\(tenths % 10) \(unit)"
    }
    return "\(Int(max(value, 0).rounded())) "
}
func transportName(_ number: UInt8) -> String {
    switch number {
    case IPProtocol.tcp: "TCP"
    case IPProtocol.udp: "UDP"
    case IPProtocol.icmp: "ICMP"
    case IPProtocol.icmpv6: "ICMPv6"
    default: "IP protocol \(number)"
    }
}
