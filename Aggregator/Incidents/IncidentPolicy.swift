/// What the operator's settings say of incidents: which addresses matter, how fast people promise to be, what is done
/// step by step. Values; read by `IncidentPolicy.init(_:)`.
package import Detect
package import FlowModel
package import Identity

package struct IncidentPolicy: Equatable, Sendable {
    /// Addresses whose criticality differs from the rest.
    package struct Assets: Equatable, Sendable {
        package var networks: [IPNetwork]
        package var criticality: Criticality
        /// Empty: every tenant's.
        package var tenants: Set<TenantID> = []
        package init(networks: [IPNetwork], criticality: Criticality, tenants: Set<TenantID> = []) {
            (self.networks, self.criticality, self.tenants) = (networks, criticality, tenants)
        }
    }
    /// How long each clock runs, in ms, from when the incident was recorded.
    package struct ServiceLevel: Equatable, Sendable {
        package var acknowledge: Int64, resolve: Int64
        package init(acknowledge: Int64, resolve: Int64) { (self.acknowledge, self.resolve) = (acknowledge, resolve) }

        package func length(of clock: ServiceClock) -> Int64 { clock == .acknowledge ? acknowledge : resolve }
    }

    package var assets: [Assets] = []
    package var serviceLevels: [Severity: ServiceLevel] = [:]
    package var playbooks: [Playbook] = []
    /// Of each tenant's events, for who follows them live and was away; all are kept for ever elsewhere.
    package var liveKept: Int64 = 10_000
    package init() {}
}

/// Steps for incidents of some rules.
package struct Playbook: Equatable, Sendable {
    package struct Step: Equatable, Sendable {
        package var title: String
        /// The channel that is told, once a person approves.
        package var channel: String?
        package init(title: String, channel: String? = nil) { (self.title, self.channel) = (title, channel) }
    }
    package var name: String
    /// Rule ids; one that ends in `*` stands for all that begin so. Empty: started by people only.
    package var rules: [String] = []
    package var severityMin: Severity = .low
    package var tenants: Set<TenantID> = []
    package var steps: [Step] = []
    package init(name: String) { self.name = name }

    package func isOf(_ tenant: TenantID) -> Bool { tenants.isEmpty || tenants.contains(tenant) }

    func fits(_ incident: Incident, of tenant: TenantID) -> Bool {
        incident.severity >= severityMin && isOf(tenant)
            && rules.contains { RulePattern.matches($0, incident.rule) }
    }

    /// Nil when it was started before, or there is no room.
    func start(on work: IncidentWork) -> IncidentEvent.Change? {
        guard !work.tasks.contains(where: { $0.playbook == name }),
            work.tasks.count + steps.count <= IncidentWork.tasksMax
        else { return nil }
        let tasks = steps.enumerated().map { index, step in
            IncidentTask(
                id: "t\(work.tasks.count + index + 1)", title: step.title,
                state: step.channel == nil ? .open : .awaitingApproval, playbook: name, channel: step.channel)
        }
        return .tasksAdded(tasks)
    }
}

/// A rule's id, or the beginning of ids with a `*` behind it.
enum RulePattern {
    static func matches(_ pattern: String, _ rule: String) -> Bool {
        pattern.hasSuffix("*") ? rule.hasPrefix(pattern.dropLast()) : rule == pattern
    }
}

/// How often people said what a rule's incidents were.
package struct RuleFeedback: Equatable, Sendable, Codable {
    package var rule: String
    package var incidents = 0, truePositive = 0, falsePositive = 0, benign = 0
    /// The share of verdicts that confirm the rule, drawn to the middle while there are few (Laplace's rule of
    /// succession).
    package var confirmed: Double { Double(truePositive + 1) / Double(truePositive + falsePositive + benign + 2) }
    package var verdicts: Int { truePositive + falsePositive + benign }
    /// Fewer say nothing.
    package static let verdictsMin = 5

    package init(rule: String) { self.rule = rule }
}

extension IncidentPolicy {
    /// The severity of the gravest finding, a step higher when an address that takes part is critical or highly so, a
    /// step lower when the most critical one is of low criticality, and a step lower when confidence is below a third.
    /// - Parameter feedback: on the incident's rule, in its tenant.
    package func assess(_ incident: Incident, of tenant: TenantID, feedback: RuleFeedback) -> IncidentAssessment {
        let asset = criticality(of: incident, tenant), confidence = confidence(in: incident, feedback)
        var step = 0
        switch asset {
        case .critical, .high: step += 1
        case .low: step -= 1
        case .normal, nil: break
        }
        if confidence < 1.0 / 3 { step -= 1 }
        let rule = incident.ruleSeverity, rank = min(max(rule.rank + step, 1), Severity.allCases.count)
        let severity = Severity.allCases.first { $0.rank == rank } ?? rule
        return IncidentAssessment(rule: rule, asset: asset, confidence: confidence, severity: severity)
    }

    private func criticality(of incident: Incident, _ tenant: TenantID) -> Criticality? {
        let own = assets.filter { $0.tenants.isEmpty || $0.tenants.contains(tenant) }
        guard !own.isEmpty else { return nil }
        let addresses = incident.entities.compactMap { IPAddress($0.value) }
        return own.filter { group in addresses.contains { address in group.networks.contains { $0.contains(address) } }
        }
        .map(\.criticality).max()
    }

    /// 1, less what sampling, a limit that was hardly passed, and people's verdicts take off.
    private func confidence(in incident: Incident, _ feedback: RuleFeedback) -> Double {
        var confidence = 1.0
        let evidence = incident.findings.map(\.evidence)
        // As sure as the surest finding; where none says how sure it is, sampling of 1 in 100 takes a fifth off.
        let isSampled = !evidence.isEmpty && evidence.allSatisfy { ($0.samplingInterval ?? 1) > 1 }
        if isSampled, let surest = evidence.compactMap(\.confidence).max() {
            confidence *= surest
        } else if isSampled, evidence.allSatisfy({ ($0.samplingInterval ?? 1) >= 100 }) {
            confidence *= 0.8
        }
        if !evidence.isEmpty, evidence.allSatisfy({ $0.observed < $0.threshold * 1.1 }) { confidence *= 0.8 }
        if feedback.verdicts >= RuleFeedback.verdictsMin { confidence *= min(1, feedback.confirmed * 2) }
        return (confidence * 1_000).rounded() / 1_000
    }

    // MARK: Clocks

    /// When a clock of `incident` is due, in ms since 1970 UTC; nil when there is none.
    package func due(_ clock: ServiceClock, of incident: Incident) -> Int64? {
        guard let level = serviceLevels[incident.severity], let opened = incident.work.openedAt else { return nil }
        return opened.milliseconds &+ level.length(of: clock)
    }
    /// When a clock was stopped; nil while it runs.
    package func stopped(_ clock: ServiceClock, of incident: Incident) -> EventTime? {
        switch clock {
        case .acknowledge: incident.work.acknowledgedAt ?? incident.work.closedAt
        case .resolve: incident.work.closedAt
        }
    }
    /// The next clock to run out.
    func nextDue(of incident: Incident) -> (clock: ServiceClock, at: Int64)? {
        guard incident.work.mergedInto == nil else { return nil }
        return ServiceClock.allCases.filter { clock in
            stopped(clock, of: incident) == nil && !incident.work.breaches.contains(clock)
        }.compactMap { clock in due(clock, of: incident).map { (clock, $0) } }.min { $0.1 < $1.1 }
    }
}
