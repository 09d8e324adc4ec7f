internal import Platform

/// The dead letters of a spool as an operator sees them, also while a sensor has the spool open: nothing is locked, and
/// nothing but names is changed.
package struct DeadLetterFolder: Sendable {
    private let folder: String, disk: any SpoolDisk

    /// - Parameter spool: the spool's folder.
    package init(of spool: String, disk: any SpoolDisk = SystemDisk()) {
        (folder, self.disk) = (spool + "/dead-letter", disk)
    }

    /// One that waits in the folder.
    package struct Entry: Sendable {
        /// `<epoch>-<sequence>`.
        package let name: String
        package let letter: DeadLetter
    }

    /// By name. What has no readable note is left out.
    /// - Throws: `.directory` when the folder can't be read.
    package func list() throws(SpoolError) -> [Entry] {
        do throws(SystemError) {
            var entries: [Entry] = []
            for name in try disk.names(in: folder) where name.hasSuffix(".weir") {
                let own = String(name.dropLast(".weir".count)), path = "\(folder)/\(own).json"
                guard disk.exists(path) else { continue }
                let file = try disk.open(path, making: false)
                let note = try file.read(min(try file.byteCount(), 64 << 10), at: 0)
                if let letter = DeadLetter(json: note) { entries.append(Entry(name: own, letter: letter)) }
            }
            return entries
        } catch {
            throw .directory("\(folder): \(error)")
        }
    }

    /// Has a batch sent again by the sensor that uses the spool, within seconds or at its next start.
    /// - Returns: false when there is no such dead letter.
    package func resend(_ name: String) throws(SpoolError) -> Bool {
        let path = "\(folder)/\(name)"
        guard !name.contains("/"), disk.exists(path + ".weir") else { return false }
        do throws(SystemError) {
            try disk.rename(path + ".weir", to: path + ".again")
            try disk.syncFolder(folder)
            return true
        } catch {
            throw .directory("\(path): \(error)")
        }
    }
}
