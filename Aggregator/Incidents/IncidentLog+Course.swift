/// Incidents put together and taken apart, each with its way back, and the feed that tells of every event.
internal import Detect
internal import GRDB
package import Identity

/// One event of any tenant, with its incident as it was right after it.
package struct FeedEntry: Equatable, Sendable {
    /// Rises with every event; not without gaps.
    package var position: Int64
    package var tenant: TenantID
    package var event: IncidentEvent
    package var incident: Incident
}

/// A stretch of the feed.
package struct FeedPage: Equatable, Sendable {
    package var entries: [FeedEntry]
    /// The position of the last event looked at; nil when there was none.
    package var through: Int64?
}

/// An incident, and the revision of it that the caller saw.
package struct SeenIncident: Equatable, Sendable {
    package var id: String, revision: Int
    package init(id: String, revision: Int) { (self.id, self.revision) = (id, revision) }
}

extension IncidentLog {
    /// Moves all findings of `other` into `target`; `other` stays, points there, and comes back with `undo`.
    package func merge(
        _ other: SeenIncident, into target: SeenIncident, tenant: TenantID, by actor: String, at now: Int64
    ) throws(IncidentError) -> Incident {
        guard other.id != target.id else { throw .badEdit("an incident can't be merged into itself") }
        return try change { db in
            var rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            var source = try rows.unmerged(other.id, expecting: other.revision)
            var into = try rows.unmerged(target.id, expecting: target.revision)
            return try rows.merge(&source, into: &into, by: actor, at: now)
        }
    }

    /// Moves some findings of an incident, not all, into one of their own.
    /// - Returns: the incident and the new one.
    package func split(
        _ seen: SeenIncident, findings ids: Set<String>, tenant: TenantID, by actor: String, at now: Int64
    ) throws(IncidentError) -> (rest: Incident, made: Incident) {
        try change { db in
            var rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            var incident = try rows.unmerged(seen.id, expecting: seen.revision)
            let leaving = incident.findings.filter { ids.contains($0.id) }
            guard !leaving.isEmpty, leaving.count == ids.count, leaving.count < incident.findings.count else {
                throw IncidentError.badEdit("a split names some findings of the incident, and not all")
            }
            let id = Digest128.hex("split", incident.id, String(incident.revision))
            try rows.record(.split(into: id, findings: leaving.map(\.id)), in: &incident, by: actor, at: now)
            let opening = IncidentEvent.Change.splitFrom(incident: incident.id, findings: leaving)
            guard var made = try rows.open(id, with: opening, by: actor, at: now) else {
                throw IncidentError.storage("a split opened nothing")
            }
            try rows.assess(&incident, at: now)
            try rows.assess(&made, at: now)
            return (incident, made)
        }
    }

    /// Takes a merge or a split back, as new events: what has changed since is kept.
    /// - Parameter target: the revision of the event, in the history of this incident.
    package func undo(
        _ target: Int, of seen: SeenIncident, tenant: TenantID, by actor: String, at now: Int64
    ) throws(IncidentError) -> Incident {
        try change { db in
            var rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard var incident = try rows.incident(seen.id) else { throw IncidentError.unknown }
            guard incident.revision == seen.revision else {
                throw IncidentError.conflict(current: incident.revision)
            }
            switch try rows.events(seen.id).first(where: { $0.revision == target })?.change {
            case .absorbed(let other, let findings):
                guard var source = try rows.incident(other) else { throw IncidentError.notUndoable }
                try rows.release(&source, findings.map(\.id), from: &incident, by: actor, at: now)
            case .mergedInto(let home):
                guard var whole = try rows.incident(home), incident.work.mergedInto == home else {
                    throw IncidentError.notUndoable
                }
                try rows.release(&incident, incident.findings.map(\.id), from: &whole, by: actor, at: now)
            case .split(let other, _):
                guard var source = try rows.incident(other), source.work.mergedInto == nil,
                    incident.work.mergedInto == nil
                else { throw IncidentError.notUndoable }
                return try rows.merge(&source, into: &incident, by: actor, at: now)
            default: throw IncidentError.notUndoable
            }
            return incident
        }
    }

    // MARK: The feed

    /// Events of all tenants after a position, in the order of recording. An event whose incident is not there any
    /// more is left out.
    package func feed(after position: Int64, limit: Int = 256) throws(IncidentError) -> FeedPage {
        try read { db in
            let keys = try Row.fetchAll(
                db,
                sql: """
                    SELECT position, tenant, incident, revision FROM feed WHERE position > ?
                    ORDER BY position LIMIT ?
                    """, arguments: [position, limit])
            var entries: [FeedEntry] = [], views: [String: Incident] = [:]
            for key in keys {
                guard let place = Int64.fromDatabaseValue(key["position"]),
                    let name = String.fromDatabaseValue(key["tenant"]), let tenant = TenantID(name),
                    let id = String.fromDatabaseValue(key["incident"]),
                    let revision = Int.fromDatabaseValue(key["revision"])
                else { continue }
                let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
                guard let event = try rows.event(id, revision) else { continue }
                let told = try rows.told(event), key = "\(name) \(id)"
                // Many events of one incident in a row are folded once.
                var view = views[key].flatMap { $0.revision == revision - 1 && told == revision ? $0 : nil }
                if view != nil { view?.apply(event) } else { view = try rows.incident(id, at: told) }
                guard let incident = view else { continue }
                views[key] = incident
                entries.append(FeedEntry(position: place, tenant: tenant, event: event, incident: incident))
            }
            let last = keys.last.flatMap { Int64.fromDatabaseValue($0["position"]) }
            return FeedPage(entries: entries, through: last)
        }
    }

    /// The largest position ever given; 0 before the first event.
    package func feedHead() throws(IncidentError) -> Int64 {
        try read { try Int64.fetchOne($0, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'feed'") ?? 0 }
    }

    /// Forgets the feed up to a position; the events themselves stay.
    package func trimFeed(through position: Int64) throws(IncidentError) {
        try write { try $0.execute(sql: "DELETE FROM feed WHERE position <= ?", arguments: [position]) }
    }
}

extension IncidentRows {
    /// One that a person may change.
    func unmerged(_ id: String, expecting revision: Int) throws -> Incident {
        guard let incident = try incident(id) else { throw IncidentError.unknown }
        guard incident.revision == revision else { throw IncidentError.conflict(current: incident.revision) }
        if let home = incident.work.mergedInto { throw IncidentError.badEdit("it is merged into \(home)") }
        return incident
    }

    func event(_ id: String, _ revision: Int) throws -> IncidentEvent? {
        try String.fetchOne(
            db, sql: "SELECT payload FROM event WHERE tenant = ? AND incident = ? AND revision = ?",
            arguments: [tenant.rawValue, id, revision]
        ).map { try decoded(IncidentEvent.self, $0) }
    }

    /// The revision that an event is told with: what is assessed of a new incident was known when it was opened.
    func told(_ event: IncidentEvent) throws -> Int {
        guard event.revision == 1, let next = try self.event(event.incident, 2), next.at == event.at,
            case .assessed = next.change
        else { return event.revision }
        return next.revision
    }

    mutating func merge(
        _ source: inout Incident, into target: inout Incident, by actor: String, at now: Int64
    ) throws -> Incident {
        guard source.findings.count + target.findings.count <= Incident.findingsMax else {
            throw IncidentError.badEdit("together they have more than \(Incident.findingsMax) findings")
        }
        try record(.mergedInto(incident: target.id), in: &source, by: actor, at: now)
        try record(.absorbed(incident: source.id, findings: source.findings), in: &target, by: actor, at: now)
        try assess(&target, at: now)
        return target
    }

    /// Gives findings back to the incident that they came from, as they are now.
    mutating func release(
        _ source: inout Incident, _ ids: [String], from whole: inout Incident, by actor: String, at now: Int64
    ) throws {
        let going = whole.findings.filter { ids.contains($0.id) }
        guard source.work.mergedInto == whole.id, !going.isEmpty, going.count < whole.findings.count else {
            throw IncidentError.notUndoable
        }
        try record(
            .released(incident: source.id, findings: going.map(\.id)), in: &whole, by: actor, at: now)
        try record(.restored(from: whole.id, findings: going), in: &source, by: actor, at: now)
        try assess(&whole, at: now)
        try assess(&source, at: now)
    }
}
