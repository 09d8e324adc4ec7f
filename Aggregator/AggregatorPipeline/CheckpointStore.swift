package import Detect
package import Identity
package import Incidents

/// How far the pipeline is, and its detectors' states at that point.
package struct PipelineCheckpoint: Equatable, Sendable {
    /// 0: nothing was taken in yet.
    package var offset: Int64 = 0
    /// `DetectorSet.snapshot()` of each tenant.
    package var snapshots: [TenantID: [UInt8]] = [:]
    /// `SigmaFold.snapshot()` of each tenant that has rules.
    package var sigma: [TenantID: [UInt8]] = [:]
    /// `ModelFold.snapshot()` of each tenant that has a promoted model.
    package var models: [TenantID: [UInt8]] = [:]
    /// `ProgramDesk.checkpoint()`: of each tenant that has detectors of its own.
    package var programs: [TenantID: [UInt8]] = [:]
    /// `KeyIndex.snapshot()`, where the store keeps it; empty: no key was taken in yet.
    package var keys: [UInt8] = []

    package init(
        offset: Int64 = 0, snapshots: [TenantID: [UInt8]] = [:], sigma: [TenantID: [UInt8]] = [:],
        models: [TenantID: [UInt8]] = [:], programs: [TenantID: [UInt8]] = [:], keys: [UInt8] = []
    ) {
        (self.offset, self.snapshots, self.sigma) = (offset, snapshots, sigma)
        (self.models, self.programs, self.keys) = (models, programs, keys)
    }
}

/// Where a pipeline's checkpoints are: a file of the node, or where any node of a cluster can take them up.
///
/// Invariant: what is loaded is the state after exactly the batches up to its offset. Durable when `save` returns, so
/// that the log may be trimmed.
package protocol CheckpointStore: Sendable {
    /// Whether a damaged checkpoint was found and set aside.
    var wasDamaged: Bool { get }
    /// Whether the index of keys is saved here, since the log forgets keys.
    var keepsKeys: Bool { get }
    func load() async throws -> PipelineCheckpoint
    /// - Parameter checkpoint: with the snapshots of those tenants only whose states have changed.
    /// - Throws: `OwnershipLost` when another node has taken over: nothing was saved, and whoever holds this stops.
    func save(_ checkpoint: PipelineCheckpoint) async throws
}

/// Another node works on this group now.
package struct OwnershipLost: Error, Equatable, Sendable {
    package init() {}
}

/// Where findings become incidents: this node's log of them, or a stream that every node of a cluster follows.
package protocol FindingSink: Sendable {
    /// Durable on return; a finding that is there already changes nothing.
    /// - Parameter now: when they were found, in ms since 1970 UTC.
    /// - Returns: how many incidents were opened, as far as is known here.
    func file(_ findings: [Finding], tenant: TenantID, at now: Int64) async throws -> Int
}
extension IncidentLog: FindingSink {
    package func file(_ findings: [Finding], tenant: TenantID, at now: Int64) async throws -> Int {
        try record(findings, tenant: tenant, at: now).count { $0.isNew }
    }
}
