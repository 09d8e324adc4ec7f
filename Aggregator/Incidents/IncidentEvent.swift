/// What can happen to an incident. Events are only ever added; `IncidentFold` makes the current view of them.
package import Detect

/// One entry of an incident's history.
package struct IncidentEvent: Equatable, Sendable {
    package enum Change: Equatable, Sendable {
        case opened(Finding)
        case findingAdded(Finding)
        /// The same finding, grown.
        case findingUpdated(Finding)
        case assessed(IncidentAssessment)
        case statusChanged(from: IncidentStatus, to: IncidentStatus)
        /// By a person; nil: by assessment again.
        case severityPinned(Severity?)
        case assigned(from: String?, to: String?)
        case commented(String)
        case tagged(added: [String], removed: [String])
        case verdictGiven(IncidentVerdict)
        case tasksAdded([IncidentTask])
        case taskChanged(id: String, to: IncidentTask.State)
        case clockRanOut(ServiceClock)
        case mitigationAccepted(AcceptedMitigation)
        case mitigationWithdrawn(id: String)
        /// Another incident's findings came here; there it says `mergedInto`.
        case absorbed(incident: String, findings: [Finding])
        case mergedInto(incident: String)
        /// Those findings went back; there it says `restored`.
        case released(incident: String, findings: [String])
        case restored(from: String, findings: [Finding])
        /// Findings left for an incident of their own, which opens with `splitFrom`.
        case split(into: String, findings: [String])
        case splitFrom(incident: String, findings: [Finding])
    }
    package var incident: String
    /// 1 for the first, then one more each.
    package var revision: Int
    package var change: Change
    /// `detector`, `clock`, `playbook:<name>`, or the key of who asked.
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
        case .assessed: "assessed"
        case .statusChanged: "statusChanged"
        case .severityPinned: "severityPinned"
        case .assigned: "assigned"
        case .commented: "commented"
        case .tagged: "tagged"
        case .verdictGiven: "verdictGiven"
        case .tasksAdded: "tasksAdded"
        case .taskChanged: "taskChanged"
        case .clockRanOut: "clockRanOut"
        case .mitigationAccepted: "mitigationAccepted"
        case .mitigationWithdrawn: "mitigationWithdrawn"
        case .absorbed: "absorbed"
        case .mergedInto: "mergedInto"
        case .released: "released"
        case .restored: "restored"
        case .split: "split"
        case .splitFrom: "splitFrom"
        }
    }

    /// The findings that this event brings into its incident.
    var arriving: [Finding] {
        switch self {
        case .opened(let finding), .findingAdded(let finding), .findingUpdated(let finding): [finding]
        case .absorbed(_, let findings), .restored(_, let findings), .splitFrom(_, let findings): findings
        default: []
        }
    }
}
