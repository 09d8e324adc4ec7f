/// Copies of a node's state outside of it, taken while it runs, and the way back.
///
/// Invariants: a backup is there when its manifest is, which is written last; a manifest names every piece with its
/// SHA-256; pieces are sealed and never changed; the wrapped data keys are not in pieces but beside them, once, so that
/// destroying a tenant's key reaches every backup; a restore either finishes with every hash equal or leaves a folder
/// that the service refuses to start on.
/// Not here: when backups are made (the command line, a timer), what the files mean (`FlowLog`, `FlowStore`,
/// `Incidents`, `Tenancy`), where objects lie (`ObjectStore`).
///
///     backups/20261121T113000123Z.manifest      first line: what, SHA-256 and HMAC of the rest; then JSON
///     pieces/<chain>/<2 digits>/<name>          4 MiB of a file, sealed; the name is a keyed digest of the content
///     keys/<tenant>/v<version>                  a wrapped data key; or keys/<tenant>/destroyed
package enum Backup {
    /// A file is cut into so many octets. Files only grow or change in places, so pieces stay the same from backup to
    /// backup.
    package static let pieceBytes = 4 << 20
    /// Pieces on their way at the same time.
    static let piecesAtOnce = 4
    static let manifestBytesMax = 64 << 20
    /// A folder that is being restored has this in it, until all is in its place.
    package static let restoringName = "restoring"
}

/// Why a backup was not made, or not restored.
package enum BackupError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The target has no backup, or none as old as asked for.
    case noBackup(String)
    /// The manifest is damaged or of a later version.
    case badManifest(name: String, String)
    /// A piece is missing or not what the manifest says.
    case damagedPiece(name: String, file: String, String)
    /// A restored file is not what the manifest says.
    case damagedFile(String)
    /// The folder to restore into has data, or is not this node's alone.
    case folder(String)
    /// Another backup was written to the target at the same time.
    case concurrent(String)
    case storage(String)

    package var description: String {
        switch self {
        case .noBackup(let text): text
        case .badManifest(let name, let reason): "\(name): \(reason)"
        case .damagedPiece(let name, let file, let reason): "piece \(name) of \(file): \(reason)"
        case .damagedFile(let file): "\(file): the restored file is not what was backed up"
        case .folder(let text): text
        case .concurrent(let name): "\(name) was written by another backup meanwhile"
        case .storage(let text): text
        }
    }
}
