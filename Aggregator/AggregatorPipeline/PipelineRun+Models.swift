internal import Identity
internal import Logging
internal import ModelRegister
internal import Models
internal import Telemetry

extension AggregatorPipeline {
    /// What scores a tenant; nil, with a line in the log, when its model can't be used.
    /// - Throws: what passes by itself (`ModelRegisterError.keyUnavailable`), and faults of storage.
    func promotedModel(of tenant: TenantID, in register: ModelRegister) throws -> PromotedModel? {
        do {
            return try register.promoted(of: tenant)
        } catch {
            switch error {
            case .damaged, .keyDestroyed, .unknownVersion:
                logger.error(
                    "A promoted model can't be used: nothing scores the tenant's hosts.",
                    metadata: ["tenant": "\(tenant)", "reason": "\(error)"])
                return nil
            case .nothingToRollBack, .tooLarge, .keyUnavailable, .full, .storage: throw error
            }
        }
    }
}

extension PipelineMetrics {
    /// - Parameter folds: of all tenants.
    func note(models folds: some Collection<ModelFold>) {
        let sum = folds.reduce(ModelCounts()) { $0 + $1.counts }
        modelTenants.set(Double(folds.count))
        modelDrift.set(folds.filter { $0.drift.verdict != nil }.map(\.drift.index).max() ?? 0)
        modelWindows.follow(sum.windows)
        modelOutliers.follow(sum.outliers)
        modelDeviations.follow(sum.deviations)
        modelLate.follow(sum.late)
        modelEvicted.follow(sum.evicted)
        modelCrowded.follow(sum.crowded)
        modelForgotten.follow(sum.forgotten)
    }
}
