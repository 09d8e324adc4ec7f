internal import Foundation
package import Identity
internal import Incidents
internal import NotifyChannels
internal import Platform

/// What a node keeps of a tenant beside what is sealed: its incidents, messages of them that wait, and batches that
/// were set aside as evidence. Where a tenant's key is destroyed they go, too.
package enum PlainTraces {
    /// Erases them in a data folder, which may be in use. Repeating it changes nothing.
    /// - Throws: `BackupError.storage`: some may be left; repeat it.
    package static func erase(_ tenant: TenantID, in folder: String) throws(BackupError) {
        let aside = "\(folder)/quarantine/\(tenant)"
        do {
            if fileStatus(aside) != nil { try FileManager.default.removeItem(atPath: aside) }
            try NotifyTraces.erase(tenant, in: folder)
            guard fileStatus("\(folder)/incidents.sqlite") != nil else { return }
            let incidents = try IncidentLog(directory: folder)
            try incidents.forget(tenant)
            try incidents.close()
        } catch {
            throw .storage("the incidents of \(tenant) are not all erased: \(error)")
        }
    }
}
