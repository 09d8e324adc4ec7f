import Detect
import Identity
import Incidents

/// Syslog messages as RFC 5424 draws them:
///     <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID [SD-ID NAME="VALUE" …] MSG
/// MSG is text, CEF or JSON. A gathering is one message an incident.
package struct SyslogRendering: Equatable, Sendable {
    package enum Payload: String, Sendable, CaseIterable { case text, cef, ecs, ocsf }

    package var rendering: Rendering
    package var payload: Payload
    /// 0 to 23; 13 is "log audit".
    package var facility: UInt8
    /// In the SD-ID `weir@<number>`. 32473 is the one for examples (RFC 5612): whoever has one puts theirs.
    package var enterprise: UInt32
    /// Of one message, without framing: RFC 5425 §4.3.1 wants receivers to take 8192. Longer ones are cut.
    package var octetsMax: Int

    package init(
        _ rendering: Rendering, payload: Payload = .text, facility: UInt8 = 13, enterprise: UInt32 = 32_473,
        octetsMax: Int = 8_192
    ) {
        self.rendering = rendering
        self.payload = payload
        self.facility = min(facility, 23)
        self.enterprise = enterprise
        self.octetsMax = max(octetsMax, 480)
    }

    /// One datagram's contents each; RFC 5426 sends them as they are.
    package func messages(_ message: Message) -> [[UInt8]] {
        switch message.body {
        case .single(let brief, let change):
            let values = [
                ("tenant", message.tenant.rawValue), ("incident", brief.id), ("revision", String(brief.revision)),
                ("rule", brief.rule), ("severity", brief.severity.rawValue), ("status", brief.status.rawValue),
                ("change", change.rawValue),
            ]
            return [compose(message, id: change.rawValue, brief.severity, values, single(message))]
        case .gathered(let gathering):
            let cef = rendering.cef(message)
            return gathering.members.enumerated().map { index, member in
                let values = [
                    ("tenant", message.tenant.rawValue), ("incident", member.id),
                    ("revision", String(member.revision)), ("rule", member.rule),
                    ("severity", member.severity.rawValue), ("status", member.status.rawValue),
                    ("changes", String(member.changes)), ("gathering", message.id),
                ]
                let text = payload == .cef ? cef[index] : rendering.memberLine(member)
                return compose(message, id: gathering.reason.rawValue, member.severity, values, text)
            }
        }
    }
    private func single(_ message: Message) -> String {
        switch payload {
        case .text: rendering.subject(message)
        case .cef: rendering.cef(message).joined()
        case .ecs: rendering.ecs(message).text
        case .ocsf: rendering.ocsf(message).text
        }
    }

    /// The same with its length before it, for a stream.
    //= RFC 6587 §3.4.1
    //= RFC 5425 §4.3
    package static func framed(_ message: [UInt8]) -> [UInt8] { Array("\(message.count) ".utf8) + message }

    //= RFC 5424 §6
    private func compose(
        _ message: Message, id: String, _ severity: Severity, _ values: [(String, String)], _ text: String
    ) -> [UInt8] {
        let priority = Int(facility) * 8 + Self.level(severity)
        let data = values.map { " \($0.0)=\"\(Self.escaped($0.1))\"" }.joined()
        let header =
            "<\(priority)>1 \(EventTime(message.at)) \(Self.name(rendering.host, max: 255)) weir - "
            + "\(Self.name(id, max: 32)) [weir@\(enterprise)\(data)] "
        var out = Array(header.utf8)
        let body = text.utf8
        // MSG-UTF8 begins with a byte order mark (§6.4); what is ASCII only does without, and so does a payload with a
        // syntax of its own, whose readers stumble over it.
        if payload == .text, !body.allSatisfy({ $0 < 0x80 }) { out += [0xEF, 0xBB, 0xBF] }
        out += body
        return Self.cut(out, to: octetsMax)
    }

    /// The severities of RFC 5424 §6.2.1.
    static func level(_ severity: Severity) -> Int {
        switch severity {
        case .critical: 2
        case .high: 3
        case .medium: 4
        case .low: 5
        }
    }
    //= RFC 5424 §6.3.3
    static func escaped(_ value: String) -> String {
        var out = ""
        for scalar in value.unicodeScalars {
            if ["\"", "\\", "]"].contains(scalar) { out += "\\" }
            if scalar.properties.generalCategory != .control { out.unicodeScalars.append(scalar) }
        }
        return out
    }
    /// PRINTUSASCII without spaces, or `-`.
    static func name(_ text: String, max: Int) -> String {
        let octets = text.utf8.filter { (33...126).contains($0) }.prefix(max)
        return octets.isEmpty ? "-" : String(decoding: octets, as: UTF8.self)
    }
    /// Not within a character.
    static func cut(_ octets: [UInt8], to count: Int) -> [UInt8] {
        guard octets.count > count else { return octets }
        var end = count
        while end > 0, octets[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(octets[..<end])
    }
}
