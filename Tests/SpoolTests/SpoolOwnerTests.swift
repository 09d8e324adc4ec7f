import Foundation
import Spool
import TestKit
import Testing

@Suite("A spool stays with those whose batches it holds")
struct SpoolOwnerTests {
    private let folder: TemporaryFolder
    private let epochs = Epochs()
    init() throws { folder = try TemporaryFolder("weir-spool") }
    private func open() throws(SpoolError) -> Spool {
        try Spool(directory: folder.path, bytesMax: 1 << 20, epoch: epochs.make)
    }

    @Test("the first to ask owns it, for every start after that") func first() throws {
        #expect(try open().claim(for: "acme/hq") == "acme/hq")
        #expect(try open().claim(for: "globex/hq") == "acme/hq")
        #expect(try open().claim(for: "acme/branch") == "acme/hq")
        #expect(try open().claim(for: "acme/hq") == "acme/hq")
    }

    @Test("a note that is damaged is no note: whoever comes next is noted", arguments: ["flip", "cut", "empty"])
    func damaged(damage: String) throws {
        #expect(try open().claim(for: "acme/hq") == "acme/hq")
        var note = try Data(contentsOf: folder.file("owner"))
        switch damage {
        case "flip": note[0] ^= 2
        case "cut": note.removeLast(3)
        default: note = Data()
        }
        try note.write(to: folder.file("owner"))
        #expect(try open().claim(for: "globex/hq") == "globex/hq")
        #expect(try open().claim(for: "acme/hq") == "globex/hq")
    }

    @Test("a disk that takes no note ships all the same, and is asked again") func full() throws {
        let spool = try open()
        // A folder that is in the way of the note, as a full disk would be.
        try FileManager.default.createDirectory(at: folder.file("owner.part"), withIntermediateDirectories: true)
        try Data().write(to: folder.file("owner.part/stone"))
        #expect(spool.claim(for: "acme/hq") == "acme/hq")
        #expect(!FileManager.default.fileExists(atPath: folder.file("owner").path))
        try FileManager.default.removeItem(at: folder.file("owner.part"))
        #expect(spool.claim(for: "acme/hq") == "acme/hq")
        #expect(try String(contentsOf: folder.file("owner"), encoding: .utf8).hasPrefix("acme/hq "))
    }
}
