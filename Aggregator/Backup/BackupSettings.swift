package import DataKeys
package import ObjectStore
package import Platform
package import Settings

/// What backing up a node needs of its settings file: `dataDirectory`, `keys` (see `KeySettings`) and `backup` (see
/// `ObjectStoreSettings`). Other keys are left to who runs the node.
package struct BackupSettings: Equatable, Sendable {
    package let dataDirectory: String
    package let keys: KeySettings
    /// Nil: no `backup.to`.
    package let target: ObjectStoreSettings?

    package init(_ reader: SettingsReader) throws(SettingError) {
        dataDirectory = try reader.path(of: "dataDirectory")
        keys = try KeySettings(reader, dataDirectory: dataDirectory)
        target = try ObjectStoreSettings(reader.scoped(to: "backup"))
    }

    /// - Throws: `BackupError.noBackup` when there is no target.
    package func open(
        time: any TimeSource, random: some RandomNumberGenerator & Sendable
    ) throws -> BackupTarget {
        guard let target else { throw BackupError.noBackup("backup.to is not set: folder:PATH or s3:BUCKET[/PREFIX]") }
        return BackupTarget(try target.open(time: time, random: random))
    }

    /// Destroys the tenant's key here and at the backup target, and erases what is kept of it unsealed. Needs no
    /// wrapping key.
    /// - Returns: how many versions there were here.
    package func destroyKey(of tenant: KeyOwner, time: any TimeSource, random: some RandomNumberGenerator & Sendable)
        async throws -> Int
    {
        let file = try KeyFile(directory: dataDirectory)
        defer { file.close() }
        let count = try file.destroy(tenant, at: time.wallMilliseconds())
        guard case .tenant(let tenant) = tenant else { return count }
        try PlainTraces.erase(tenant, in: dataDirectory)
        if let target {
            try await KeyEscrow(target.open(time: time, random: random)).destroy(tenant)
        }
        return count
    }
}
