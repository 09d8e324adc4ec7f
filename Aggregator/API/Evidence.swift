internal import Detect
package import Identity
internal import Incidents
internal import Ingest
internal import Notify
internal import Platform
internal import Tenancy

/// One thing that a running system shows about itself: it holds, or it does not.
struct Evidence: Encodable, Equatable {
    /// Stable; what controls name.
    let id: String
    /// What would hold.
    let claim: String
    let holds: Bool
    /// What was seen, with figures.
    let seen: String
}

/// What a report needs to know of the node and can't ask a store for.
package struct NodeFacts: Sendable {
    /// How long records, and sums of them, are kept.
    package var recordDays: Int?, sumDays: Int?
    /// Where backups go; nil: nowhere.
    package var backupTarget: String?
    /// Versions of the tenant's data key that there are; nil: it was destroyed, or can't be asked.
    package var dataKeys: @Sendable (TenantID) -> Int? = { _ in nil }
    package init() {}
}

/// Looks at the running system, for one tenant. Each item is a question that is asked now.
struct EvidenceReader {
    let sources: APISources, tenant: TenantID

    private static let day: Int64 = 86_400_000
    private var now: Int64 { sources.time.wallMilliseconds() }

    func all() async throws -> [Evidence] {
        let channels = await sources.notify.channels(tenant)
        var all = [chain(), try factors()]
        all += try keys()
        all += try people()
        all += node()
        all += sensors()
        all.append(
            Evidence(
                id: "notification", claim: "Somebody is told of incidents", holds: !channels.isEmpty,
                seen: "\(channels.count) channels"))
        all.append(try incidents())
        return all
    }

    /// The whole chain, from the first event to the last.
    private func chain() -> Evidence {
        let claim = "The audit log is whole: nothing in it was changed or cut out"
        do {
            let head = try sources.control.verifyAudit()
            return Evidence(id: "audit-chain", claim: claim, holds: true, seen: "head \(head)")
        } catch {
            return Evidence(id: "audit-chain", claim: claim, holds: false, seen: "\(error)")
        }
    }

    private func factors() throws -> Evidence {
        let directory = try sources.control.directory(), with = try sources.control.peopleWithFactors()
        let strong = (directory.members[tenant] ?? [:]).filter { person, standing in
            directory.people[person]?.isDisabled == false
                && !(directory.scopes(of: standing.role, in: tenant) ?? []).isDisjoint(with: Scope.administration)
        }
        let without = strong.keys.filter { !with.contains($0) }
        return Evidence(
            id: "second-factor", claim: "Whoever administers the tenant signs in with a second factor",
            holds: without.isEmpty && !strong.isEmpty,
            seen: "\(strong.count - without.count) of \(strong.count) administrators")
    }

    private func keys() throws -> [Evidence] {
        let valid = try sources.control.keys(of: tenant).filter {
            $0.revokedMilliseconds == nil && ($0.expiresMilliseconds ?? .max) > now
        }
        let endless = valid.filter { $0.expiresMilliseconds == nil }
        let idle = valid.filter { now - ($0.usedMilliseconds ?? $0.createdMilliseconds) > 90 * Self.day }
        return [
            Evidence(
                id: "keys-expire", claim: "Every API key ends some day", holds: endless.isEmpty,
                seen: "\(endless.count) of \(valid.count) valid keys have no end"),
            Evidence(
                id: "keys-used", claim: "No API key lies about unused for 90 days", holds: idle.isEmpty,
                seen: "\(idle.count) of \(valid.count) valid keys"),
        ]
    }

    private func people() throws -> [Evidence] {
        let directory = try sources.control.directory()
        let members = (directory.members[tenant] ?? [:]).filter { directory.people[$0.key]?.isDisabled == false }
        let owners = members.values.filter { $0.role == Role.owner.rawValue }.count
        return [
            Evidence(
                id: "owners", claim: "Somebody answers for the tenant, and not more than three",
                holds: (1...3).contains(owners),
                seen: "\(owners) owners of \(members.count) members"),
            Evidence(
                id: "breach-list", claim: "New passwords are looked up among breached ones",
                holds: sources.signIn.breaches != nil, seen: sources.signIn.breaches == nil ? "no list" : "a list"),
            Evidence(
                id: "pseudonyms", claim: "Addresses can be shown as pseudonyms",
                holds: sources.pseudonymSecret != nil, seen: sources.pseudonymSecret == nil ? "no secret" : "a secret"),
        ]
    }

    private func node() -> [Evidence] {
        let facts = sources.facts, versions = facts.dataKeys(tenant)
        let days = [facts.recordDays, facts.sumDays].compactMap { $0 }
        return [
            Evidence(
                id: "sealed",
                claim: "What is kept of the tenant is sealed with a key of its own, which can be destroyed",
                holds: (versions ?? 0) > 0, seen: versions.map { "\($0) versions of the key" } ?? "no key"),
            Evidence(
                id: "retention", claim: "What is kept ends: records within 400 days, sums within 800",
                holds: (facts.recordDays ?? .max) <= 400 && (facts.sumDays ?? .max) <= 800,
                seen: days.isEmpty ? "unknown" : "\(days.map(String.init).joined(separator: " and ")) days"),
            Evidence(
                id: "backup", claim: "Backups have a place to go to", holds: facts.backupTarget != nil,
                seen: facts.backupTarget ?? "none"),
        ]
    }

    private func sensors() -> [Evidence] {
        let states = sources.sensors.sensors(of: tenant)
        let silent = states.filter { now - ($0.lastHeartbeatMilliseconds ?? 0) > 120_000 }
        let long = states.filter { ($0.certificateExpiryMilliseconds ?? 0) - now > 90 * Self.day }
        return [
            Evidence(
                id: "sensors-heard", claim: "Every sensor was heard of in the last two minutes",
                holds: silent.isEmpty && !states.isEmpty, seen: "\(states.count - silent.count) of \(states.count)"),
            Evidence(
                id: "short-certificates", claim: "No sensor's certificate lives longer than 90 days from now",
                holds: long.isEmpty && !states.isEmpty, seen: "\(long.count) of \(states.count) do"),
        ]
    }

    /// Nobody's work for a day.
    private func incidents() throws -> Evidence {
        var filter = IncidentFilter()
        filter.statuses = [.new]
        filter.severities = [.high, .critical]
        filter.to = now - Self.day
        let page = try sources.incidents.list(tenant: tenant, filter: filter, limit: IncidentLog.pageMax)
        return Evidence(
            id: "incidents-worked", claim: "No incident of high severity lies untouched for a day",
            holds: page.incidents.isEmpty, seen: "\(page.incidents.count) do")
    }
}
