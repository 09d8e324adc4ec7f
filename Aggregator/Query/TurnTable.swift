package import Identity

/// Whose question works next: the decisions alone, without a clock, threads or waiting.
///
/// Fair to tenants by how long their questions have worked, not by how many they ask (start-time fair queueing, Goyal
/// et al. 1996): the tenant with the least is next, who has asked nothing for a while begins where the least of the
/// others is, and nobody saves up. Whoever works stops at each `mayGoOn`, some milliseconds apart, and gives its place
/// to a tenant that had less. Within a tenant questions take turns of `turn`, so that a short one does not wait for a
/// long one's end.
///
/// Invariants: at most `atOnce` work, at most `ofTenant` of one tenant; at most `begunMax` have begun and not ended, as
/// each holds memory; what has begun is never refused.
package struct TurnTable {
    package struct Limits: Sendable {
        package var atOnce: Int, ofTenant: Int, waitingMax: Int
        /// Begun questions: those at work, and those that gave up their places. Beyond, the others wait for an end.
        package var begunMax: Int { 3 * atOnce }
        /// The same for tenants that have some begun: one that asks all the time leaves room for others to begin.
        package var begunMoreMax: Int { 2 * atOnce }
        /// Of one tenant.
        package var begunOfTenantMax: Int { atOnce + 1 }
        /// How long a question works before others of its tenant get a turn.
        package var turn = Duration.milliseconds(200)
        /// How much more than another's a tenant's work must be before it stops for it: less would be changing alone.
        package var slack = Duration.milliseconds(2)
        /// What a turn counts at least: a clock that stands still, or many that take no time, are fair too.
        package var turnMin = Duration.microseconds(500)

        package init(atOnce: Int, ofTenant: Int, waitingMax: Int) {
            (self.atOnce, self.ofTenant, self.waitingMax) = (atOnce, ofTenant, waitingMax)
        }
    }
    package enum Admission: Equatable { case now, later, never }

    private struct Worker {
        let tenant: TenantID
        var since: Duration, turnBegan: Duration
    }
    private struct Waiter {
        let id: UInt64, tenant: TenantID, hasBegun: Bool
    }
    private let limits: Limits
    private var working: [UInt64: Worker] = [:]
    /// In order of arrival.
    private var waiting: [Waiter] = []
    /// How long tenants' questions have worked, on a common scale: of those who work or wait, and of who has left and
    /// is still ahead of the others.
    private var served: [TenantID: Duration] = [:]
    /// What the one that has had least of all who are here has had; never falls while somebody is.
    private var floor = Duration.zero

    package init(_ limits: Limits) { self.limits = limits }

    package var waitingCount: Int { waiting.count }
    package var workingCount: Int { working.count }

    /// A question comes. `.later`: it waits; whoever leaves says when it may begin.
    package mutating func arrive(_ id: UInt64, of tenant: TenantID, at now: Duration) -> Admission {
        let own = waiting.count { $0.tenant == tenant }
        let isGreedy = own < waiting.count && own >= limits.waitingMax / 2
        let isNext = !waiting.contains { isReady($0) }
        if isNext, hasPlace(for: tenant), mayBegin(tenant) {
            enter(tenant)
            work(id, tenant, now)
            return .now
        }
        guard waiting.count < limits.waitingMax, !isGreedy else { return .never }
        enter(tenant)
        waiting.append(Waiter(id: id, tenant: tenant, hasBegun: false))
        return .later
    }

    /// A second place for who has one, if nobody waits.
    package mutating func help(_ id: UInt64, of tenant: TenantID, at now: Duration) -> Bool {
        guard waiting.isEmpty, hasPlace(for: tenant) else { return false }
        work(id, tenant, now)
        return true
    }

    /// Whether one that works keeps its place; if not, it waits already, and `next` works instead.
    package mutating func mayGoOn(_ id: UInt64, at now: Duration) -> (goesOn: Bool, next: UInt64?) {
        charge(id, at: now)
        guard let worker = working[id], !waiting.isEmpty, shouldStop(worker, at: now) else { return (true, nil) }
        working[id] = nil
        waiting.append(Waiter(id: id, tenant: worker.tenant, hasBegun: true))
        let next = admitNext(at: now)
        return next == id ? (true, nil) : (false, next)
    }

    /// One that works has ended. Returns who works instead.
    package mutating func leave(_ id: UInt64, at now: Duration) -> UInt64? {
        charge(id, at: now, least: limits.turnMin)
        working[id] = nil
        defer { forget() }
        return admitNext(at: now)
    }

    /// One that waits is called off. False: it works already.
    package mutating func giveUp(_ id: UInt64) -> Bool {
        guard let place = waiting.firstIndex(where: { $0.id == id }) else { return false }
        waiting.remove(at: place)
        forget()
        return true
    }

    // MARK: Decisions

    /// Holding memory: at work, or between two turns.
    package var begun: Int { working.count + waiting.count { $0.hasBegun } }
    private func working(of tenant: TenantID) -> Int { working.values.count { $0.tenant == tenant } }
    private func hasPlace(for tenant: TenantID) -> Bool {
        working.count < limits.atOnce && working(of: tenant) < limits.ofTenant
    }
    private func mayBegin(_ tenant: TenantID) -> Bool {
        let own = working(of: tenant) + waiting.count { $0.hasBegun && $0.tenant == tenant }
        if own == 0 { return begun < limits.begunMax }
        return own < limits.begunOfTenantMax && begun < limits.begunMoreMax
    }
    private func isReady(_ waiter: Waiter) -> Bool {
        hasPlace(for: waiter.tenant) && (waiter.hasBegun || mayBegin(waiter.tenant))
    }

    private func shouldStop(_ worker: Worker, at now: Duration) -> Bool {
        // As it would be without this one.
        let had = served[worker.tenant] ?? .zero, ofOwn = working(of: worker.tenant)
        let isFull = working.count >= limits.atOnce
        let hasHadTurn = now - worker.turnBegan >= limits.turn
        return waiting.contains { one in
            guard one.hasBegun || mayBegin(one.tenant) else { return false }
            if one.tenant == worker.tenant { return hasHadTurn }
            guard isFull, working(of: one.tenant) < limits.ofTenant else { return false }
            let theirs = served[one.tenant] ?? .zero
            return theirs + limits.slack < had || (hasHadTurn && theirs < had && ofOwn > 1)
        }
    }
    private mutating func admitNext(at now: Duration) -> UInt64? {
        let ready = waiting.indices.filter { isReady(waiting[$0]) }
        // `min` takes the first of equal ones: the one that has waited longest.
        let next = ready.min { a, b in
            let (first, second) = (waiting[a].tenant, waiting[b].tenant)
            return (served[first] ?? .zero, working(of: first)) < (served[second] ?? .zero, working(of: second))
        }
        guard let next else { return nil }
        let waiter = waiting.remove(at: next)
        work(waiter.id, waiter.tenant, now)
        return waiter.id
    }

    // MARK: Accounts

    private mutating func work(_ id: UInt64, _ tenant: TenantID, _ now: Duration) {
        working[id] = Worker(tenant: tenant, since: now, turnBegan: now)
    }
    private mutating func charge(_ id: UInt64, at now: Duration, least: Duration = .zero) {
        guard let worker = working[id] else { return }
        served[worker.tenant, default: floor] += max(now - worker.since, least)
        working[id]?.since = now
        raiseFloor()
    }
    /// Who was away begins where the least of the others is.
    private mutating func enter(_ tenant: TenantID) {
        raiseFloor()
        served[tenant] = max(served[tenant] ?? floor, floor)
    }
    private mutating func raiseFloor() {
        let here = Set(working.values.map(\.tenant)).union(waiting.map(\.tenant))
        guard let least = here.map({ served[$0] ?? floor }).min() else { return }
        floor = max(floor, least)
    }
    private mutating func forget() {
        guard !working.isEmpty || !waiting.isEmpty else {
            (served, floor) = ([:], .zero)
            return
        }
        let here = Set(working.values.map(\.tenant)).union(waiting.map(\.tenant))
        served = served.filter { here.contains($0.key) || $0.value > floor }
    }
}
