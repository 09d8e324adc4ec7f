import FlowModel
import PacketHeader
import Platform
import TestKit
import Testing
import WireBytes

/// Frames of real captures: whole, cut at every octet, and damaged.
@Suite("Real frames") struct FixtureTests {
    /// The first frames of a classic capture file, told apart by its own lengths only.
    static func frames(_ file: [UInt8], atMost: Int) -> (link: PacketLink, frames: [[UInt8]])? {
        file.withBytes { bytes in
            guard bytes.byteCount >= 24 else { return nil }
            let isLittle = bytes.le32(at: 0) == 0xA1B2_C3D4 || bytes.le32(at: 0) == 0xA1B2_3C4D
            guard isLittle || bytes.be32(at: 0) == 0xA1B2_C3D4 else { return nil }
            func word(_ at: Int) -> Int { Int(isLittle ? bytes.le32(at: at) : bytes.be32(at: at)) }
            let links: [Int: PacketLink] = [
                1: .ethernet, 101: .internet, 113: .linuxCooked, 276: .linuxCooked2, 9: .ppp,
            ]
            guard let link = links[word(20) & 0xFFFF] else { return nil }
            var frames: [[UInt8]] = [], offset = 24
            while bytes.byteCount - offset >= 16, frames.count < atMost {
                let length = word(offset + 8)
                guard length <= bytes.byteCount - offset - 16 else { break }
                frames.append(bytes.extracting((offset + 16)..<(offset + 16 + length)).copied())
                offset += 16 + length
            }
            return (link, frames)
        }
    }
    static let captures =
        Fixtures.files(in: "attacks/curated", suffix: ".pcap") + Fixtures.files(in: "wire", suffix: ".pcap")

    /// What must hold of any octets: nothing is said of a prefix that isn't said of the whole.
    static func check(_ part: PacketSummary, of whole: PacketSummary, _ comment: Comment) {
        #expect(part.outer.source == .absent || part.outer.source == whole.outer.source, comment)
        #expect(part.outer.destination == .absent || part.outer.destination == whole.outer.destination, comment)
        #expect(part.outer.sourcePort == 0 || part.outer.sourcePort == whole.outer.sourcePort, comment)
        #expect(part.outer.destinationPort == 0 || part.outer.destinationPort == whole.outer.destinationPort, comment)
        #expect(part.vlan == 0 || part.vlan == whole.vlan, comment)
        #expect(part.labelCount <= whole.labelCount, comment)
        #expect(part.inner.version == 0 || whole.inner.version != 0, comment)
    }

    @Test(
        "each prefix of a real frame says nothing that the frame does not",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"))
    func prefixes() throws {
        var addressed = 0, checked = 0
        for file in Self.captures {
            guard let (link, frames) = Self.frames(try Fixtures.bytes(file), atMost: 12) else { continue }
            for frame in frames {
                let start = Array(frame.prefix(160)), whole = read(start, link)
                for length in stride(from: 0, through: start.count, by: 1) {
                    let part = read(Array(start.prefix(length)), link)
                    if part.outer.version != 0 || length == start.count {
                        Self.check(part, of: whole, "\(file) \(length)")
                    }
                }
                checked += 1
                if whole.outer.source != .absent { addressed += 1 }
            }
        }
        #expect(checked > 300 && addressed * 10 > checked * 8)
    }

    @Test("a real frame with random changes is read to some end", .enabled(if: Fixtures.present, "\(Fixtures.why)"))
    func mutations() throws {
        var seeds: [(PacketLink, [UInt8])] = TunnelTests.all.map { (.ethernet, $0.packet) }
        for file in Self.captures.prefix(60) {
            guard let (link, frames) = Self.frames(try Fixtures.bytes(file), atMost: 4) else { continue }
            seeds += frames.map { (link, Array($0.prefix(160))) }
        }
        forAll(runs: 20_000) { generator, seed in
            guard var (link, bytes) = seeds.randomElement(using: &generator), !bytes.isEmpty else { return }
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                default: bytes = Array(bytes.prefix(max(at, 1)))
                }
            }
            if Int.random(in: 0..<4, using: &generator) == 0 {
                link = PacketLink.allCases.randomElement(using: &generator) ?? link
            }
            Self.checkInvariants(read(bytes, link), bytes, "SEED=\(seed)")
        }
    }

    static func checkInvariants(_ packet: PacketSummary, _ bytes: [UInt8], _ comment: Comment) {
        #expect(packet.labelCount == 0 || Int(packet.labelsAt) + 4 * Int(packet.labelCount) <= bytes.count, comment)
        #expect(packet.hasInner == (packet.inner.source != .absent || packet.inner.version != 0), comment)
        #expect(!packet.hasInner || packet.tunnel != .none, comment)
        #expect(
            packet.outer.fragment != .later || packet.outer.sourcePort == 0 && packet.outer.destinationPort == 0,
            comment)
        #expect(packet.vlan < 4_096 && packet.innerVLAN < 4_096 && packet.segment < 1 << 24, comment)
        let sections = bytes.withBytes { wire in (0..<12).map { packet.labelStackSection($0, of: wire) } }
        #expect(sections.allSatisfy { $0 < 1 << 24 }, comment)
    }

    @Test("noise of any length is read to some end") func noise() {
        forAll(runs: 5_000) { generator, seed in
            let bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            for link in PacketLink.allCases { Self.checkInvariants(read(bytes, link), bytes, "SEED=\(seed)") }
        }
    }
}
