import DataKeys
import FlowStore
import Identity
import Platform
import ServiceLifecycle

/// The node's data keys as its store wants them.
struct StoreKeys: StoreSealer {
    let keys: DataKeys

    func seal(_ bytes: [UInt8], tenant: TenantID, context: String) throws(SealError) -> [UInt8] {
        do throws(DataKeyError) {
            return try keys.seal(bytes, owner: .tenant(tenant), context: context)
        } catch {
            throw Self.wrapped(error)
        }
    }
    func open(_ sealed: [UInt8], tenant: TenantID, context: String) throws(SealError) -> [UInt8] {
        do throws(DataKeyError) {
            return try keys.open(sealed, owner: .tenant(tenant), context: context)
        } catch {
            throw Self.wrapped(error)
        }
    }

    private static func wrapped(_ error: DataKeyError) -> SealError {
        switch error {
        case .destroyed: .keyDestroyed
        case .damaged, .notSealed: .damaged
        case .unknownVersion, .wrappingKey, .keyServer, .storage: .unavailable("\(error)")
        }
    }
}

/// Forgets keys that another process destroyed.
struct KeyUpkeep: Service {
    let keys: DataKeys

    func run() async throws {
        while !Task.isShuttingDownGracefully {
            // What can't be read now is tried again; the keys' next use says so too.
            try? keys.refresh()
            do {
                try await cancelWhenGracefulShutdown { try await Task.sleep(for: DataKeys.refreshInterval) }
            } catch is CancellationError where !Task.isCancelled {
                // Only the end of the wait; when another part has failed this one must end too.
            }
        }
    }
}
