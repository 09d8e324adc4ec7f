import Foundation
import Platform
import Spool
import TestKit
import Testing

@Suite("The spool's files on the real file system")
struct SystemDiskTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-disk") }

    @Test("appends of every size are where they belong, whether they go past the page cache or not") func appends()
        throws
    {
        let file = try SystemDisk().open(folder.path + "/a", making: true)
        var random = SeededGenerator(seed: 7), expected: [UInt8] = []
        for turn in 0..<60 {
            let pieces = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                let count = [0, 1, 127, 4_096, 65_536, 300_001, 1 << 20].randomElement(using: &random) ?? 0
                return [UInt8](repeating: UInt8.random(in: 1...255, using: &random), count: count)
            }
            try file.write(pieces, at: expected.count)
            expected += pieces.joined()
            if turn % 3 == 0 { try file.sync() }
            if turn % 5 == 0 { file.forget(0..<expected.count) }
            // As a mark is: a few bytes of what was written before.
            let at = Int.random(in: 0..<max(expected.count - 16, 1), using: &random)
            let mark = [UInt8](repeating: UInt8(turn), count: min(16, expected.count - at))
            try file.write([mark], at: at)
            expected.replaceSubrange(at..<(at + mark.count), with: mark)
        }
        let found = try file.read(expected.count + 1, at: 0), size = try file.byteCount()
        #expect(found == expected && size == expected.count)
    }

    @Test("what was cut off is written anew") func cut() throws {
        let file = try SystemDisk().open(folder.path + "/a", making: true)
        let first = [UInt8](repeating: 1, count: 200_000), second = [UInt8](repeating: 2, count: 333_333)
        try file.write([first, second], at: 0)
        try file.cut(to: 150_001)
        try file.write([second], at: 150_001)
        let found = try file.read(1 << 20, at: 0)
        #expect(found == first.prefix(150_001) + second)
    }

    @Test("large writes to a file that was renamed reach that file and no other of its old name") func renamed() throws
    {
        let disk = SystemDisk(), bytes = [UInt8](repeating: 3, count: 100_000)
        let file = try disk.open(folder.path + "/a", making: true)
        try disk.rename(folder.path + "/a", to: folder.path + "/b")
        let other = try disk.open(folder.path + "/a", making: true)
        try file.write([bytes], at: 0)
        let found = try file.read(1 << 20, at: 0), size = try other.byteCount()
        #expect(found == bytes && size == 0)
    }
}
