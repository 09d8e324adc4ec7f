import DataKeys
import FlowStore
import Identity
import Incidents
import Logging
import NotifyChannels
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

/// Forgets keys that another process destroyed, and the incidents of their tenants: detectors may have found some more
/// in what they still had in memory.
struct KeyUpkeep: Service {
    let keys: DataKeys, incidents: IncidentLog, notify: NotifyService, logger: Logger

    func run() async throws {
        while !Task.isShuttingDownGracefully {
            // What can't be read now is tried again; the keys' next use says so too.
            try? keys.refresh()
            await forgetDestroyed()
            do {
                try await cancelWhenGracefulShutdown { try await Task.sleep(for: DataKeys.refreshInterval) }
            } catch is CancellationError where !Task.isCancelled {
                // Only the end of the wait; when another part has failed this one must end too.
            }
        }
    }

    private func forgetDestroyed() async {
        do {
            for tenant in try keys.file.destroyed().keys.compactMap({ TenantID($0) }) {
                // Another process may have erased the incidents; what waits to be told of them is in this one's memory.
                await notify.forget(tenant)
                guard try incidents.hasAny(of: tenant) else { continue }
                let count = try incidents.forget(tenant)
                logger.notice(
                    "Incidents went with their tenant's key.", metadata: ["tenant": "\(tenant)", "count": "\(count)"])
            }
        } catch {
            logger.warning("Incidents of a tenant without a key are not erased.", metadata: ["error": "\(error)"])
        }
    }
}
