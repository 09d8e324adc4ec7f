internal import Foundation
package import Notify
internal import Platform

/// Entries of an outbox in a folder, a file each: `<id>.json`, there whole or not at all.
///
/// Invariant: a file that is no entry is renamed to `<name>.damaged` and never read again.
package struct FolderOutboxStore: OutboxStore {
    private let folder: String
    package static let bytesMax = 4 << 20

    /// Makes the folder if there is none.
    package init(folder: String) throws {
        self.folder = folder
        try makeFolders(folder)
    }

    package func load() throws -> (entries: [Outbox.Entry], damaged: Int) {
        var entries: [Outbox.Entry] = [], damaged = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
            let path = "\(folder)/\(name)"
            // What a crash left of a file that was being written: its entry is not there, or whole under its name.
            if name.hasSuffix(".part") { try deleteFile(path) }
            guard name.hasSuffix(".json") else { continue }
            if let octets = try? readFile(path, bytesMax: Self.bytesMax),
                let entry = try? JSONDecoder().decode(Outbox.Entry.self, from: Data(octets)),
                self.path(entry.id) == path
            {
                entries.append(entry)
            } else {
                damaged += 1
                try FileManager.default.moveItem(atPath: path, toPath: "\(path).damaged")
            }
        }
        return (entries, damaged)
    }

    package func save(_ entry: Outbox.Entry) throws {
        let path = try checked(entry.id)
        let octets = Array(try JSONEncoder().encode(entry))
        try placeFile(path, with: octets, draft: "\(path).part", replacing: true)
    }

    package func remove(id: String) throws { try deleteFile(try checked(id)) }

    struct BadID: Error {}
    /// Ids are ours, letters and digits; a path is not made of anything else.
    private func checked(_ id: String) throws -> String {
        guard let path = path(id) else { throw BadID() }
        return path
    }
    private func path(_ id: String) -> String? {
        let isName =
            (1...100).contains(id.utf8.count)
            && id.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "_")
            }
        return isName ? "\(folder)/\(id).json" : nil
    }
}
