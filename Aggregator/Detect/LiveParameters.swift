/// Which parameters hold at the moment: the operator's settings, and before them what tenants' own people have set.
///
/// Invariants: a tenant's people change what is said of what detectors hold and nothing else, so what was learned goes
/// on and memory stays what the operator gave; what the operator has switched off stays off. Not here: where their word
/// is kept (`Tenancy`), who may give it (`API`), when the fold takes it up (`AggregatorPipeline`).
package import Identity
internal import Synchronization

package final class LiveParameters: Sendable {
    private struct State {
        var own: [TenantID: DetectorTuning]
        var generation: UInt64 = 0
    }
    private let settings: TenantParameters
    private let state: Mutex<State>

    /// - Parameter own: what tenants' people had set before.
    package init(_ settings: TenantParameters = TenantParameters(), own: [TenantID: DetectorTuning] = [:]) {
        self.settings = settings
        state = Mutex(State(own: own))
    }

    /// Changes whenever some tenant's parameters may have.
    package var generation: UInt64 { state.withLock { $0.generation } }
    package subscript(tenant: TenantID) -> DetectorParameters {
        Self.applied(state.withLock { $0.own[tenant] }, to: settings[tenant])
    }
    /// What the operator's settings alone give.
    package func settled(_ tenant: TenantID) -> DetectorParameters { settings[tenant] }

    /// All, as they are in one generation.
    package var current: (generation: UInt64, parameters: TenantParameters) {
        let state = state.withLock { $0 }
        var all = settings
        for (tenant, tuning) in state.own { all.own[tenant] = Self.applied(tuning, to: settings[tenant]) }
        return (state.generation, all)
    }

    /// - Parameter tuning: of `forTenants` limits only; empty: the operator's settings alone.
    package func set(_ tuning: DetectorTuning, of tenant: TenantID) {
        state.withLock { state in
            state.own[tenant] = tuning.isEmpty ? nil : tuning
            state.generation &+= 1
        }
    }

    private static func applied(_ tuning: DetectorTuning?, to settled: DetectorParameters) -> DetectorParameters {
        guard let tuning else { return settled }
        var parameters = tuning.applied(to: settled)
        parameters.off = Set(settled.off).union(parameters.off).sorted()
        return parameters
    }
}

extension DetectorTuning {
    /// The same as `set`, for what a tenant's own people may.
    package mutating func setForTenant(_ name: String, _ value: Double) -> String? {
        guard DetectorLimit.named(name)?.isShape != true else {
            return "only the operator sets it, as the detectors begin anew with another value"
        }
        return set(name, value)
    }
}
