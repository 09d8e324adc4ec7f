/// An incident told in plain language, as a line of time, and as the question that finds its flows: pure functions of
/// it and its history.
package import Detect
internal import FlowModel

package struct IncidentStory: Equatable, Sendable, Codable {
    /// A few sentences.
    package var summary: String
    /// In the order of time.
    package var timeline: [Moment]
    package var evidence: Question

    package struct Moment: Equatable, Sendable, Codable {
        package var at: EventTime
        /// `traffic` for what flows show, else the kind of the event.
        package var kind: String
        package var actor: String?
        package var text: String
    }

    /// For `GET /v1/flows` and the questions below it.
    package struct Question: Equatable, Sendable, Codable {
        package var filter: String
        package var from: EventTime, to: EventTime
        package static let addressesMax = 64
    }

    package static let momentsMax = 1_000

    package init(of incident: Incident, events: [IncidentEvent]) {
        summary = Self.summary(of: incident)
        evidence = Self.evidence(of: incident)
        let traffic = incident.findings.map { finding in
            Moment(at: EventTime(finding.start), kind: "traffic", text: finding.title)
        }
        let told = events.compactMap { event in
            Self.text(of: event).map {
                Moment(at: EventTime(event.at), kind: event.change.kind, actor: event.actor, text: $0)
            }
        }
        let all = traffic + told
        let ordered = all.indices.sorted { (all[$0].at.milliseconds, $0) < (all[$1].at.milliseconds, $1) }
        timeline = ordered.prefix(Self.momentsMax).map { all[$0] }
    }

    // MARK: Summary

    static func summary(of incident: Incident) -> String {
        func names(_ role: FindingEntity.Role) -> String? {
            let values = incident.entities.filter { $0.role == role }.map(\.value)
            guard let first = values.first else { return nil }
            return switch values.count {
            case 1: first
            case 2: "\(first) and \(values[1])"
            default: "\(first) and \(values.count - 1) more"
            }
        }
        var sentences = ["\(incident.title)."]
        switch (names(.attacker), names(.victim)) {
        case (let attacker?, let victim?): sentences.append("It comes from \(attacker) and is aimed at \(victim).")
        case (let attacker?, nil): sentences.append("It comes from \(attacker).")
        case (nil, let victim?): sentences.append("It is aimed at \(victim).")
        case (nil, nil): break
        }
        let flows = incident.findings.reduce(0) { $0 &+ $1.evidence.flows }
        let octets = incident.findings.reduce(0) { $0 &+ $1.evidence.octets }
        let rules = Set(incident.findings.map(\.rule)).sorted()
        sentences.append(
            "Seen from \(EventTime(incident.start)) to \(EventTime(incident.end)) in \(flows) flows with \(octets) "
                + "octets, by \(rules.count == 1 ? "the rule" : "the rules") \(rules.joined(separator: ", ")).")
        if let late = incident.findings.compactMap(\.evidence.lateMilliseconds).max() {
            sentences.append(
                "It is told late, \(Self.text(of: late)) after the last flow that shows it: "
                    + "the flows had waited somewhere."
            )
        }
        sentences += certainty(of: incident)
        if let assessment = incident.work.assessment, incident.work.pinnedSeverity == nil {
            let asset = assessment.asset.map { ", an address of \($0.rawValue) criticality" } ?? ""
            sentences.append(
                "Its severity is \(incident.severity.rawValue): \(assessment.rule.rawValue) by the rule\(asset), "
                    + "confidence \(assessment.confidence).")
        }
        let holder = incident.work.assignee.map { ", with \($0)" } ?? ""
        sentences.append("It is \(incident.status.rawValue)\(holder).")
        return sentences.joined(separator: " ")
    }

    /// What is known of who began, and of what sampling hid.
    private static func certainty(of incident: Incident) -> [String] {
        let evidence = incident.findings.map(\.evidence)
        var sentences: [String] = []
        if let surest = evidence.compactMap(\.initiator).max(by: { $0.confidence < $1.confidence }) {
            sentences.append(
                "Who began is told by \(surest.mostly), with a confidence of \(surest.confidence).")
        }
        if let interval = evidence.compactMap(\.samplingInterval).max() {
            let sure = evidence.compactMap(\.confidence).max().map { ", with a confidence of \($0)" } ?? ""
            sentences.append("It is told from one packet in \(UInt64(min(interval, 1e15)))\(sure).")
        }
        return sentences
    }

    /// In minutes below two hours, in hours below two days.
    private static func text(of milliseconds: Int64) -> String {
        let minutes = milliseconds / 60_000
        if minutes < 120 { return "\(minutes) min" }
        return minutes < 2_880 ? "\(minutes / 60) h" : "\(minutes / 1_440) days"
    }

    // MARK: Timeline

    /// Nil for what the findings themselves tell.
    private static func text(of event: IncidentEvent) -> String? {
        switch event.change {
        case .opened: "recorded"
        case .findingAdded, .findingUpdated: nil
        case .assessed(let assessment): "assessed as \(assessment.severity.rawValue)"
        case .statusChanged(let from, let to): "\(from.rawValue) → \(to.rawValue)"
        case .severityPinned(let severity): severity.map { "severity set to \($0.rawValue)" } ?? "severity as assessed"
        case .assigned(_, let to): to.map { "assigned to \($0)" } ?? "assigned to nobody"
        case .commented(let text): text
        case .tagged(let added, let removed):
            (added.map { "+\($0)" } + removed.map { "-\($0)" }).joined(separator: " ")
        case .verdictGiven(let verdict):
            [verdict.kind.rawValue, verdict.note].compactMap { $0 }.joined(separator: ": ")
        case .tasksAdded(let tasks): tasks.map { "\($0.id) \($0.title)" }.joined(separator: "; ")
        case .taskChanged(let id, let state): "\(id) \(state.rawValue)"
        case .clockRanOut(let clock): "the time to \(clock.rawValue) ran out"
        case .mitigationAccepted(let accepted): "accepted until \(accepted.expiresAt): \(accepted.kind) \(accepted.id)"
        case .mitigationWithdrawn(let id): "withdrew \(id)"
        case .absorbed(let other, let findings): "took in \(findings.count) findings of \(other)"
        case .mergedInto(let other): "merged into \(other)"
        case .released(let other, let ids): "gave \(ids.count) findings back to \(other)"
        case .restored(let other, _): "came back out of \(other)"
        case .split(let other, let ids): "\(ids.count) findings split off as \(other)"
        case .splitFrom(let other, _): "split off from \(other)"
        }
    }

    // MARK: Evidence

    /// The flows between attackers and victims, in either direction; of one side where the other has no address.
    static func evidence(of incident: Incident) -> Question {
        func addresses(_ role: FindingEntity.Role) -> String? {
            let values = incident.entities.filter { $0.role == role }.compactMap { IPAddress($0.value)?.description }
            guard !values.isEmpty else { return nil }
            return "[" + values.prefix(Question.addressesMax).joined(separator: " ") + "]"
        }
        let filter: String =
            switch (addresses(.attacker), addresses(.victim)) {
            // A victim list that is full may leave some out: then the attackers alone say which flows.
            case (let attackers?, let victims?) where incident.entities.count < Incident.entitiesMax:
                "(src ip \(attackers) and dst ip \(victims)) or (src ip \(victims) and dst ip \(attackers))"
            case (let attackers?, _): "ip \(attackers)"
            case (nil, let victims?): "ip \(victims)"
            case (nil, nil): "any"
            }
        return Question(filter: filter, from: EventTime(incident.start), to: EventTime(incident.end &+ 1))
    }
}
