internal import Platform
internal import WireBytes

/// Whose batches a spool holds, in a file of its own beside them: `acme/hq 5f3a2b1c`, a name and its CRC-32C.
///
/// An aggregator takes the tenant from the certificate alone. So a spool that came to another tenant's certificate
/// would deliver to that tenant what it has of the first one.
struct SpoolOwner {
    private let path: String, folder: String, disk: any SpoolDisk

    init(folder: String, on disk: any SpoolDisk) {
        (self.folder, self.disk, path) = (folder, disk, folder + "/owner")
    }

    /// Nil when nothing is noted, or the note is damaged.
    var name: String? {
        guard disk.exists(path), let file = try? disk.open(path, making: false),
            let bytes = try? file.read(Self.bytesMax, at: 0)
        else { return nil }
        let line = String(decoding: bytes, as: UTF8.self)
        guard let end = line.lastIndex(of: " "), line == Self.line(String(line[..<end])) else { return nil }
        return String(line[..<end])
    }
    func note(_ name: String) throws(SystemError) {
        try disk.writeWhole(Array(Self.line(name).utf8), to: path)
        try disk.syncFolder(folder)
    }

    private static let bytesMax = 4_096
    private static func line(_ name: String) -> String {
        "\(name) \(String(Array(name.utf8).withBytes { CRC32C.checksum($0) }, radix: 16))\n"
    }
}

extension SpoolState {
    func claim(for name: String) -> String {
        let owner = SpoolOwner(folder: directory, on: disk)
        if let known = owner.name { return known }
        try? owner.note(name)
        return name
    }
}
