import Detect

/// How a history becomes the current view: a pure fold. What it gives is kept as a row with `version`; rows of another
/// version are folded anew from their events when the file is opened.
enum IncidentFold {
    static let version = 2
}

extension Incident {
    /// The view that a whole history gives; nil when it does not begin with an opening.
    package init?(replaying events: [IncidentEvent]) {
        guard let first = events.first, let start = Incident(first: first) else { return nil }
        self = start
        for event in events.dropFirst() { apply(event) }
    }

    /// The view after the first event of a history; nil when that opens nothing.
    init?(first event: IncidentEvent) {
        switch event.change {
        case .opened(let finding): self.init(opening: finding)
        case .splitFrom(_, let findings):
            guard let first = findings.first else { return nil }
            self.init(opening: first)
            for finding in findings.dropFirst() { _ = insert(finding) }
            summarize()
        default: return nil
        }
        id = event.incident
        revision = 1
        work.openedAt = EventTime(event.at)
    }

    /// One more event.
    mutating func apply(_ event: IncidentEvent) {
        applyFindings(event.change)
        applyWork(event.change, at: EventTime(event.at))
        // Detection, clocks and playbooks are nobody's look at it.
        if work.acknowledgedAt == nil, !IncidentLog.isMachine(event.actor) { work.acknowledgedAt = EventTime(event.at) }
        summarize()
        revision += 1
    }

    private mutating func applyFindings(_ change: IncidentEvent.Change) {
        switch change {
        case .findingAdded(let finding), .findingUpdated(let finding): _ = insert(finding)
        case .absorbed(_, let findings): for finding in findings { _ = insert(finding) }
        case .released(_, let ids), .split(_, let ids): findings.removeAll { ids.contains($0.id) }
        case .restored(_, let back):
            findings = back
            work.mergedInto = nil
        case .mergedInto(let other): work.mergedInto = other
        default: break
        }
    }

    private mutating func applyWork(_ change: IncidentEvent.Change, at time: EventTime) {
        switch change {
        case .assessed(let assessment): work.assessment = assessment
        case .statusChanged(_, let to):
            status = to
            work.closedAt = to.isClosed ? time : nil
        case .severityPinned(let severity): work.pinnedSeverity = severity
        case .assigned(_, let to): work.assignee = to
        case .tagged(let added, let removed):
            work.tags = Set(work.tags).subtracting(removed).union(added).sorted()
        case .verdictGiven(let verdict): work.verdict = verdict
        case .tasksAdded(let tasks): work.tasks += tasks
        case .taskChanged(let id, let state):
            if let index = work.tasks.firstIndex(where: { $0.id == id }) { work.tasks[index].state = state }
        case .clockRanOut(let clock): work.breaches.append(clock)
        case .mitigationAccepted(let mitigation):
            work.mitigations.removeAll { $0.id == mitigation.id }
            work.mitigations.append(mitigation)
        case .mitigationWithdrawn(let id):
            if let index = work.mitigations.firstIndex(where: { $0.id == id }) {
                work.mitigations[index].withdrawnAt = time
            }
        default: break
        }
    }
}
