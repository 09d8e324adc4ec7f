internal import Detect
internal import FlowModel
internal import Identity
internal import Sigma

/// The Sigma rules of all tenants, as folds, and the turns from one set of rules to the next.
///
/// Invariants: a tenant's set changes only in `turn`, between two batches and right behind a checkpoint. A snapshot
/// goes on under other rules in one way only (`SigmaFold.init(restoring:)`), so that who turned while running and who
/// was started again behind the same checkpoint are in the same state.
struct RuleFolds {
    private var folds: [TenantID: SigmaFold] = [:]
    /// Of tenants that had no batch yet in this life.
    private var waiting: [TenantID: [UInt8]]
    /// Tenants of which it is known that they have no rules.
    private var without: Set<TenantID> = []
    private var changed: Set<TenantID> = []
    private(set) var generation: UInt64 = 0

    init(from snapshots: [TenantID: [UInt8]]) { waiting = snapshots }

    mutating func observe(_ columns: FlowColumns, of tenant: TenantID) -> [Finding] {
        guard var fold = folds.removeValue(forKey: tenant) else { return [] }
        let findings = fold.observe(columns)
        folds[tenant] = fold
        changed.insert(tenant)
        return findings
    }

    mutating func turn(to register: SigmaRegister) throws {
        let next = register.generation
        var turned: [TenantID: SigmaFold] = [:]
        for (tenant, fold) in folds {
            let set = try register.plan(of: tenant).set
            guard set.fingerprint != fold.rules.fingerprint else { continue }
            // Its own snapshot is never refused; were it, the rules would begin anew.
            turned[tenant] =
                (try? SigmaFold(restoring: fold.snapshot(), tenant: tenant, rules: set))
                ?? SigmaFold(tenant: tenant, rules: set)
        }
        folds.merge(turned) { $1 }
        changed.formUnion(turned.keys)
        without = []
        generation = next
    }

    /// - Returns: why the tenant's rules begin anew, if its snapshot is of no use.
    mutating func prepare(_ tenant: TenantID, _ register: SigmaRegister) throws -> String? {
        guard folds[tenant] == nil, !without.contains(tenant) else { return nil }
        let set = try register.plan(of: tenant).set
        if let snapshot = waiting.removeValue(forKey: tenant) {
            do {
                folds[tenant] = try SigmaFold(restoring: snapshot, tenant: tenant, rules: set)
                return nil
            } catch {
                folds[tenant] = SigmaFold(tenant: tenant, rules: set)
                return "rules: \(error)"
            }
        }
        if set.rules.isEmpty {
            without.insert(tenant)
        } else {
            folds[tenant] = SigmaFold(tenant: tenant, rules: set)
        }
        return nil
    }

    /// Snapshots that differ from those taken before.
    mutating func checkpoint() -> [TenantID: [UInt8]] {
        defer { changed = [] }
        return folds.filter { changed.contains($0.key) }.mapValues { $0.snapshot() }
    }
    func note(in register: SigmaRegister, _ tenants: some Sequence<TenantID>) {
        for tenant in tenants { if let fold = folds[tenant] { register.note(fold) } }
    }
}
