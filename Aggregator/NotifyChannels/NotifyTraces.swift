internal import Foundation
package import Identity
internal import Notify
internal import Platform

/// What notification keeps of a tenant in a data folder: messages that wait, and what was gathered for one.
package enum NotifyTraces {
    /// Erases them. A running service forgets what it has in memory by itself (`NotifyService.forget`).
    package static func erase(_ tenant: TenantID, in folder: String) throws {
        let outbox = "\(folder)/notify/outbox"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: outbox)) ?? [] {
            let path = "\(outbox)/\(name)"
            // What can't be read may be anybody's: it was told to nobody, and is not kept either.
            if isOf(tenant, path) ?? true { try deleteFile(path) }
        }
        let path = "\(folder)/notify/state.json"
        try deleteFile(path + ".damaged")
        let states = FileNotifierState(path: path)
        guard let state = try states.load() else { return }
        var router = NewsRouter(routes: [], owners: [:], state: state.router)
        if router.forget(tenant) { try states.save(NotifierState(position: state.position, router: router.state)) }
    }

    private static func isOf(_ tenant: TenantID, _ path: String) -> Bool? {
        guard let octets = try? readFile(path, bytesMax: FolderOutboxStore.bytesMax) else { return nil }
        return (try? JSONDecoder().decode(Outbox.Entry.self, from: Data(octets))).map {
            $0.delivery.message.tenant == tenant
        }
    }
}
