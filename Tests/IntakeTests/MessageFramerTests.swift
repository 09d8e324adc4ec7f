import Intake
import TestKit
import Testing
import WireBytes

@Suite("A stream is cut into IPFIX messages")
struct MessageFramerTests {
    private func feed(_ framer: inout MessageFramer, _ bytes: ArraySlice<UInt8>) throws -> [[UInt8]] {
        var messages: [[UInt8]] = []
        try Array(bytes).withBytes { span throws(MessageFramer.Fault) in
            try framer.feed(span) { messages.append($0.copied()) }
        }
        return messages
    }

    //= RFC 7011 §10.4
    @Test("messages come out whole and in order however the stream is cut into reads") func anyCut() throws {
        try forAll(runs: 300) { random, seed in
            let messages = (0..<Int.random(in: 1...20, using: &random)).map { index in
                message(
                    fill: Bool.random(using: &random)
                        ? Int.random(in: 0...40, using: &random)
                        : Int.random(in: 0...9_000, using: &random), value: UInt8(index))
            }
            let stream = messages.flatMap { $0 }
            var framer = MessageFramer(), got: [[UInt8]] = [], offset = 0
            while offset < stream.count {  // ends: each turn adds at least one
                let most = Bool.random(using: &random) ? 5 : 20_000
                let end = min(offset + Int.random(in: 1...most, using: &random), stream.count)
                got += try feed(&framer, stream[offset..<end])
                offset = end
            }
            #expect(got == messages, "SEED=\(seed)")
            #expect(!framer.isWithinMessage, "SEED=\(seed)")
        }
    }

    @Test("the shortest and the longest message pass, also one byte at a time") func bounds() throws {
        for fill in [0, 65_535 - 16] {
            let whole = message(fill: fill)
            var framer = MessageFramer(), got: [[UInt8]] = []
            for index in whole.indices { got += try feed(&framer, whole[index...index]) }
            #expect(got == [whole])
            got = try feed(&framer, whole[...])
            #expect(got == [whole])
        }
    }

    @Test("what is not IPFIX ends the stream at its first octets, and says what it is") func others() throws {
        let cases: [([UInt8], MessageFramer.Fault, String)] = [
            ([0, 9], .version(9), "NetFlow v9 over TCP"), ([0, 5, 0, 1], .version(5), "NetFlow over TCP"),
            ([0, 0, 0, 5], .version(0), "sFlow over TCP"),
            ([0x16, 3, 1, 2], .version(0x1603), "TLS on a port without"),
            ([0x47, 0x45], .version(0x4745), "its version is 18245"),
            ([0, 10, 0, 15], .length(15), "shorter than its header"),
            ([0, 10, 0, 0, 0, 0], .length(0), "shorter than its header"),
        ]
        for (bytes, fault, words) in cases {
            var framer = MessageFramer()
            #expect(throws: fault) { try feed(&framer, bytes[...]) }
            #expect(fault.description.contains(words))
            var later = MessageFramer()
            let first = try feed(&later, (message(fill: 3) + bytes.prefix(1))[...])
            #expect(first.count == 1)
            #expect(throws: fault) { try feed(&later, bytes.dropFirst()) }
        }
    }

    @Test("no bytes trap it, and it never holds as much as the longest message") func hostile() {
        forAll(runs: 50) { random, seed in
            var framer = MessageFramer()
            let starts: [[UInt8]] = [[0, 10], [0, 10, 0xFF, 0xFF], [0, 10, 0, 16], []]
            for _ in 0..<50 {
                let start = starts[Int.random(in: 0..<starts.count, using: &random)]
                let noise = (0..<Int.random(in: 0...3_000, using: &random)).map { _ in
                    UInt8.random(in: .min ... .max, using: &random)
                }
                do {
                    let got = try feed(&framer, (start + noise)[...])
                    #expect(got.allSatisfy { $0.count >= 16 && $0.starts(with: [0, 10]) }, "SEED=\(seed)")
                } catch {
                    framer = MessageFramer()
                }
            }
            #expect(framer.takePart().count < MessageFramer.messageBytesMax, "SEED=\(seed)")
            #expect(!framer.isWithinMessage)
        }
    }
}
