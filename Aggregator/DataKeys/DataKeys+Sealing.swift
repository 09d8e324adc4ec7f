package import Identity

extension DataKeys {
    /// For files that hold several tenants' data: the log and the detectors' checkpoint.
    package var sealing: TenantSealing {
        TenantSealing(
            seal: { [self] plain, tenant, context throws(TenantSealing.Fault) in
                do throws(DataKeyError) {
                    return try seal(plain, owner: .tenant(tenant), context: context)
                } catch {
                    throw Self.fault(error)
                }
            },
            open: { [self] sealed, tenant, context throws(TenantSealing.Fault) in
                guard DataKey.version(of: sealed) != nil else { return sealed }
                do throws(DataKeyError) {
                    return try open(sealed, owner: .tenant(tenant), context: context)
                } catch {
                    throw Self.fault(error)
                }
            })
    }
    private static func fault(_ error: DataKeyError) -> TenantSealing.Fault {
        switch error {
        case .destroyed: .keyDestroyed
        case .damaged, .notSealed: .damaged
        case .unknownVersion, .wrappingKey, .keyServer, .storage: .unavailable("\(error)")
        }
    }
}
