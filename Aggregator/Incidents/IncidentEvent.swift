/// What can happen to an incident, and how a history of it becomes the current view.
package import Detect

/// One entry of an incident's history. Events are only ever added.
package struct IncidentEvent: Equatable, Sendable, Codable {
    package enum Change: Equatable, Sendable {
        case opened(Finding)
        case findingAdded(Finding)
        /// The same finding, grown.
        case findingUpdated(Finding)
        case statusChanged(from: IncidentStatus, to: IncidentStatus)
        case commented(String)
    }
    package var incident: String
    /// 1 for `opened`, then one more each.
    package var revision: Int
    package var change: Change
    /// `detector`, or who it was that asked.
    package var actor: String
    /// In ms since 1970 UTC.
    package var at: Int64

    package init(incident: String, revision: Int, change: Change, actor: String, at: Int64) {
        self.incident = incident
        self.revision = revision
        self.change = change
        self.actor = actor
        self.at = at
    }
}

extension IncidentEvent.Change {
    /// The name in JSON and in the table.
    package var kind: String {
        switch self {
        case .opened: "opened"
        case .findingAdded: "findingAdded"
        case .findingUpdated: "findingUpdated"
        case .statusChanged: "statusChanged"
        case .commented: "commented"
        }
    }
}

extension IncidentEvent {
    enum CodingKeys: String, CodingKey { case incident, revision, kind, actor, at, finding, from, to, text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        incident = try container.decode(String.self, forKey: .incident)
        revision = try container.decode(Int.self, forKey: .revision)
        actor = try container.decode(String.self, forKey: .actor)
        at = try container.decode(EventTime.self, forKey: .at).milliseconds
        switch try container.decode(String.self, forKey: .kind) {
        case "opened": change = .opened(try container.decode(Finding.self, forKey: .finding))
        case "findingAdded": change = .findingAdded(try container.decode(Finding.self, forKey: .finding))
        case "findingUpdated": change = .findingUpdated(try container.decode(Finding.self, forKey: .finding))
        case "statusChanged":
            change = .statusChanged(
                from: try container.decode(IncidentStatus.self, forKey: .from),
                to: try container.decode(IncidentStatus.self, forKey: .to))
        case "commented": change = .commented(try container.decode(String.self, forKey: .text))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: container, debugDescription: "not a kind of event")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(incident, forKey: .incident)
        try container.encode(revision, forKey: .revision)
        try container.encode(change.kind, forKey: .kind)
        try container.encode(actor, forKey: .actor)
        try container.encode(EventTime(at), forKey: .at)
        switch change {
        case .opened(let finding), .findingAdded(let finding), .findingUpdated(let finding):
            try container.encode(finding, forKey: .finding)
        case .statusChanged(let from, let to):
            try container.encode(from, forKey: .from)
            try container.encode(to, forKey: .to)
        case .commented(let text): try container.encode(text, forKey: .text)
        }
    }
}

extension Incident {
    /// The view that a whole history gives; nil when it does not begin with `opened`.
    package init?(replaying events: [IncidentEvent]) {
        guard case .opened(let first)? = events.first?.change else { return nil }
        self.init(opening: first)
        for event in events.dropFirst() { apply(event.change) }
    }

    /// One more event; the revision rises by one whatever it was.
    mutating func apply(_ change: IncidentEvent.Change) {
        switch change {
        case .opened: break
        case .findingAdded(let finding), .findingUpdated(let finding):
            if add(finding) { return }
        case .statusChanged(_, let to): status = to
        case .commented: break
        }
        revision += 1
    }
}
