/// Where an incident stands.
package enum IncidentStatus: String, Sendable, Codable, CaseIterable {
    case new, triaged
    case inProgress = "in-progress"
    case contained, resolved
    case falsePositive = "false-positive"

    /// Nothing more joins it.
    package var isClosed: Bool { self == .resolved || self == .falsePositive }
    package static let open = allCases.filter { !$0.isClosed }

    /// Files of version 1 said `open` and `acknowledged`.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer(), text = try container.decode(String.self)
        switch text {
        case "open": self = .new
        case "acknowledged": self = .triaged
        default:
            guard let status = IncidentStatus(rawValue: text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a status")
            }
            self = status
        }
    }
}
