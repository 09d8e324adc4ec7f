import Detect

/// Events as JSON: `{incident, revision, kind, actor, at, …}`, with the fields that the kind has.
extension IncidentEvent: Codable {
    /// All fields of all kinds.
    private struct Fields: Codable {
        var incident: String, revision: Int, kind: String, actor: String, at: EventTime
        var finding: Finding?, findings: [Finding]?, ids: [String]?
        var from: String?, to: String?, text: String?, other: String?
        var added: [String]?, removed: [String]?
        var assessment: IncidentAssessment?, verdict: IncidentVerdict?
        var tasks: [IncidentTask]?, task: String?
        var mitigation: AcceptedMitigation?
    }
    struct Incomplete: Error {}

    package init(from decoder: any Decoder) throws {
        let fields = try Fields(from: decoder)
        (incident, revision, actor) = (fields.incident, fields.revision, fields.actor)
        at = fields.at.milliseconds
        do {
            change = try Self.change(fields)
        } catch is Incomplete {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not an event: \(fields.kind)"))
        }
    }

    private static func change(_ fields: Fields) throws -> Change {
        func need<Value>(_ value: Value?) throws -> Value {
            guard let value else { throw Incomplete() }
            return value
        }
        switch fields.kind {
        case "opened": return .opened(try need(fields.finding))
        case "findingAdded": return .findingAdded(try need(fields.finding))
        case "findingUpdated": return .findingUpdated(try need(fields.finding))
        case "assessed": return .assessed(try need(fields.assessment))
        case "statusChanged": return .statusChanged(from: try status(fields.from), to: try status(fields.to))
        case "severityPinned": return .severityPinned(try fields.to.map { try need(Severity(rawValue: $0)) })
        case "assigned": return .assigned(from: fields.from, to: fields.to)
        case "commented": return .commented(try need(fields.text))
        case "tagged": return .tagged(added: fields.added ?? [], removed: fields.removed ?? [])
        case "verdictGiven": return .verdictGiven(try need(fields.verdict))
        case "tasksAdded": return .tasksAdded(try need(fields.tasks))
        case "taskChanged":
            return .taskChanged(id: try need(fields.task), to: try need(fields.to.flatMap { .init(rawValue: $0) }))
        case "clockRanOut": return .clockRanOut(try need(fields.text.flatMap { .init(rawValue: $0) }))
        case "mitigationAccepted": return .mitigationAccepted(try need(fields.mitigation))
        case "mitigationWithdrawn": return .mitigationWithdrawn(id: try need(fields.text))
        case "absorbed": return .absorbed(incident: try need(fields.other), findings: try need(fields.findings))
        case "mergedInto": return .mergedInto(incident: try need(fields.other))
        case "released": return .released(incident: try need(fields.other), findings: try need(fields.ids))
        case "restored": return .restored(from: try need(fields.other), findings: try need(fields.findings))
        case "split": return .split(into: try need(fields.other), findings: try need(fields.ids))
        case "splitFrom": return .splitFrom(incident: try need(fields.other), findings: try need(fields.findings))
        default: throw Incomplete()
        }
    }
    /// By the name that it had in version 1, too.
    private static func status(_ text: String?) throws -> IncidentStatus {
        switch text {
        case "open": return .new
        case "acknowledged": return .triaged
        default:
            guard let status = text.flatMap({ IncidentStatus(rawValue: $0) }) else { throw Incomplete() }
            return status
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = Fields(
            incident: incident, revision: revision, kind: change.kind, actor: actor, at: EventTime(at))
        switch change {
        case .opened(let finding), .findingAdded(let finding), .findingUpdated(let finding): fields.finding = finding
        case .assessed(let assessment): fields.assessment = assessment
        case .statusChanged(let from, let to): (fields.from, fields.to) = (from.rawValue, to.rawValue)
        case .severityPinned(let severity): fields.to = severity?.rawValue
        case .assigned(let from, let to): (fields.from, fields.to) = (from, to)
        case .commented(let text): fields.text = text
        case .tagged(let added, let removed): (fields.added, fields.removed) = (added, removed)
        case .verdictGiven(let verdict): fields.verdict = verdict
        case .tasksAdded(let tasks): fields.tasks = tasks
        case .taskChanged(let id, let state): (fields.task, fields.to) = (id, state.rawValue)
        case .clockRanOut(let clock): fields.text = clock.rawValue
        case .mitigationAccepted(let mitigation): fields.mitigation = mitigation
        case .mitigationWithdrawn(let id): fields.text = id
        case .absorbed(let other, let findings), .restored(let other, let findings),
            .splitFrom(let other, let findings):
            (fields.other, fields.findings) = (other, findings)
        case .mergedInto(let other): fields.other = other
        case .released(let other, let ids), .split(let other, let ids): (fields.other, fields.ids) = (other, ids)
        }
        try fields.encode(to: encoder)
    }
}
