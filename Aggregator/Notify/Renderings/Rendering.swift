/// The shapes a message can be sent in.
package enum Format: String, Sendable, Codable, CaseIterable {
    case text, ecs, ocsf, cef, slack, teams
}

/// What is the same in every shape: how Weir names itself, and where people find the incident.
package struct Rendering: Equatable, Sendable {
    /// Before an incident's id, such as `https://weir.example/incidents/`; nil: no links.
    package var incidentURLPrefix: String?
    /// The sender's name in syslog and ECS: a host name.
    package var host: String
    package static let vendor = "Weir", product = "Weir", version = "1"

    package init(host: String, incidentURLPrefix: String? = nil) {
        self.host = host
        self.incidentURLPrefix = incidentURLPrefix
    }

    func url(_ incident: String) -> String? { incidentURLPrefix.map { $0 + incident } }

    /// A body for HTTP.
    package func body(_ message: Message, as format: Format) -> (contentType: String, octets: [UInt8]) {
        let json = "application/json"
        switch format {
        case .text: return ("text/plain; charset=utf-8", Array(text(message).utf8))
        case .ecs: return (json, Array(ecs(message).text.utf8))
        case .ocsf: return (json, Array(ocsf(message).text.utf8))
        case .cef: return ("text/plain; charset=utf-8", Array(cef(message).joined(separator: "\n").utf8))
        case .slack: return (json, Array(slack(message).text.utf8))
        case .teams: return (json, Array(teams(message).text.utf8))
        }
    }
}
