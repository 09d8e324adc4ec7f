internal import Detect
internal import FlowModel
internal import Identity
internal import Models

/// The promoted models of all tenants at work, and the turns from one version to the next.
///
/// Invariants: a tenant's version changes only in `use`, between two batches and, where it changes while running, right
/// behind a checkpoint. A state goes on under another version in one way only (`ModelFold.init(restoring:)`), so that
/// who turned while running and who was started again behind the same checkpoint are in the same state. A tenant
/// without a promoted version has no state.
struct ModelFolds {
    private var folds: [TenantID: ModelFold] = [:]
    /// Of tenants that had no batch yet in this life.
    private var waiting: [TenantID: [UInt8]]
    /// Tenants of which it is known that nothing scores them.
    private var without: Set<TenantID> = []
    private var changed: Set<TenantID> = []
    /// Of the register, when it was asked last.
    var generation: UInt64 = 0

    /// In the place of the state of a tenant that has none any more.
    private static let nothing: [UInt8] = [0]

    init(from snapshots: [TenantID: [UInt8]]) { waiting = snapshots.filter { $0.value != Self.nothing } }

    /// Tenants that `use` was called for.
    var known: Set<TenantID> { without.union(folds.keys) }

    mutating func observe(_ columns: FlowColumns, of tenant: TenantID) -> [Finding] {
        guard var fold = folds.removeValue(forKey: tenant) else { return [] }
        let findings = fold.observe(columns)
        folds[tenant] = fold
        changed.insert(tenant)
        return findings
    }

    /// From the tenant's next batch on.
    /// - Returns: why its windows begin anew, if what was kept of them is of no use.
    mutating func use(
        _ promoted: PromotedModel?, for tenant: TenantID, parameters: DetectorParameters
    ) -> String? {
        let kept = waiting.removeValue(forKey: tenant)
        guard let promoted else {
            if folds.removeValue(forKey: tenant) != nil || kept != nil { changed.insert(tenant) }
            without.insert(tenant)
            return nil
        }
        without.remove(tenant)
        guard folds[tenant]?.promoted.version != promoted.version else { return nil }
        let begun = ModelFold(tenant: tenant, promoted: promoted, parameters: parameters)
        guard let state = folds[tenant]?.snapshot() ?? kept else {
            folds[tenant] = begun
            return nil
        }
        do {
            folds[tenant] = try ModelFold(
                restoring: state, tenant: tenant, promoted: promoted, parameters: parameters)
            return nil
        } catch {
            folds[tenant] = begun
            return "models: \(error)"
        }
    }

    /// Snapshots that differ from those taken before.
    mutating func checkpoint() -> [TenantID: [UInt8]] {
        defer { changed = [] }
        return [TenantID: [UInt8]](
            uniqueKeysWithValues: changed.map { ($0, folds[$0]?.snapshot() ?? Self.nothing) })
    }

    /// Those at work.
    var working: some Collection<ModelFold> { folds.values }
    subscript(tenant: TenantID) -> ModelFold? { folds[tenant] }
}
