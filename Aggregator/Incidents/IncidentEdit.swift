/// What a person may ask for, and which events that gives: a pure rule.
package import Detect

package enum IncidentEdit: Equatable, Sendable {
    case status(IncidentStatus)
    /// Nil: nobody any more.
    case assignee(String?)
    /// Nil: as assessed.
    case severity(Severity?)
    case tags(add: [String], remove: [String])
    case comment(String)
    case verdict(IncidentVerdict)
    case task(title: String)
    case taskState(id: String, IncidentTask.State)
    /// The name of one in the policy.
    case playbook(String)
    case accept(AcceptedMitigation)
    case withdraw(mitigation: String)

    package static let assigneeOctetsMax = 200, tagOctetsMax = 64, noteOctetsMax = 2_000

    /// The events that bring `incident` there: none when it is there.
    /// - Parameter playbooks: those of the incident's tenant.
    func changes(of incident: Incident, playbooks: [Playbook]) throws(IncidentError) -> [IncidentEvent.Change] {
        switch self {
        case .status(let status):
            guard incident.status != status else { return [] }
            var changes = [IncidentEvent.Change.statusChanged(from: incident.status, to: status)]
            if status == .falsePositive, incident.work.verdict == nil {
                changes.append(.verdictGiven(IncidentVerdict(kind: .falsePositive)))
            }
            return changes
        case .assignee(let name):
            try Self.check(name ?? "-", "assignee", octetsMax: Self.assigneeOctetsMax)
            return incident.work.assignee == name ? [] : [.assigned(from: incident.work.assignee, to: name)]
        case .severity(let severity):
            return incident.work.pinnedSeverity == severity ? [] : [.severityPinned(severity)]
        case .tags(let add, let remove): return try Self.tags(add, remove, of: incident.work)
        case .comment(let text):
            guard (1...IncidentLog.commentOctetsMax).contains(text.utf8.count) else { throw .badComment }
            return [.commented(text)]
        case .verdict(let verdict):
            if let note = verdict.note { try Self.check(note, "note", octetsMax: Self.noteOctetsMax) }
            return incident.work.verdict == verdict ? [] : [.verdictGiven(verdict)]
        case .accept, .withdraw: return try mitigation(of: incident.work)
        case .task, .taskState, .playbook: return try tasks(of: incident.work, playbooks)
        }
    }

    private func tasks(
        of work: IncidentWork, _ playbooks: [Playbook]
    ) throws(IncidentError) -> [IncidentEvent.Change] {
        switch self {
        case .task(let title):
            try Self.check(title, "title", octetsMax: IncidentTask.titleOctetsMax)
            guard work.tasks.count < IncidentWork.tasksMax else { throw .badEdit("there are too many tasks") }
            return [.tasksAdded([IncidentTask(id: "t\(work.tasks.count + 1)", title: title)])]
        case .taskState(let id, let state):
            guard let task = work.tasks.first(where: { $0.id == id }) else { throw .badEdit("there is no task \(id)") }
            guard task.state != state else { return [] }
            guard task.mayBecome(state) else {
                throw .badEdit("a task that is \(task.state.rawValue) can't become \(state.rawValue)")
            }
            return [.taskChanged(id: id, to: state)]
        case .playbook(let name):
            guard let playbook = playbooks.first(where: { $0.name == name }) else {
                throw .badEdit("there is no playbook \(name)")
            }
            return playbook.start(on: work).map { [$0] } ?? []
        default: return []
        }
    }

    private func mitigation(of work: IncidentWork) throws(IncidentError) -> [IncidentEvent.Change] {
        switch self {
        case .accept(let accepted):
            guard work.mitigations.count < IncidentWork.mitigationsMax else {
                throw .badEdit("there are too many mitigations")
            }
            // Accepted again it would last longer than it was said to.
            let isKnown = work.mitigations.contains {
                $0.id == accepted.id && $0.isInForce(at: accepted.acceptedAt.milliseconds)
            }
            return isKnown ? [] : [.mitigationAccepted(accepted)]
        case .withdraw(let id):
            guard let known = work.mitigations.first(where: { $0.id == id }) else {
                throw .badEdit("there is no accepted mitigation \(id)")
            }
            return known.withdrawnAt == nil ? [.mitigationWithdrawn(id: id)] : []
        default: return []
        }
    }

    private static func tags(
        _ add: [String], _ remove: [String], of work: IncidentWork
    ) throws(IncidentError) -> [IncidentEvent.Change] {
        for tag in add + remove {
            let isSound = tag.utf8.allSatisfy { octet in
                (0x61...0x7A).contains(octet) || (0x30...0x39).contains(octet) || "-._:".utf8.contains(octet)
            }
            guard isSound, (1...tagOctetsMax).contains(tag.utf8.count) else {
                throw .badEdit("a tag is 1 to \(tagOctetsMax) of a-z 0-9 - . _ :")
            }
        }
        let has = Set(work.tags), new = Set(add).subtracting(has), gone = Set(remove).intersection(has).subtracting(add)
        guard has.subtracting(gone).union(new).count <= IncidentWork.tagsMax else {
            throw .badEdit("an incident has at most \(IncidentWork.tagsMax) tags")
        }
        return new.isEmpty && gone.isEmpty ? [] : [.tagged(added: new.sorted(), removed: gone.sorted())]
    }

    private static func check(_ text: String, _ name: String, octetsMax: Int) throws(IncidentError) {
        let hasControls = text.unicodeScalars.contains { $0.properties.generalCategory == .control && $0 != "\n" }
        guard (1...octetsMax).contains(text.utf8.count), !hasControls else {
            throw .badEdit("\(name) has 1 to \(octetsMax) octets and no control characters")
        }
    }
}
