import TestKit
import Testing
import WireBytes

@Suite("Integers in and out of bytes")
struct WireBytesTests {
    private let bytes: [UInt8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFF]

    @Test("each width in both orders, at any offset") func reads() {
        bytes.withBytes { span in
            #expect(span.u8(at: 8) == 0xFF)
            #expect(span.be16(at: 1) == 0x2345 && span.le16(at: 1) == 0x4523)
            #expect(span.be32(at: 1) == 0x2345_6789 && span.le32(at: 1) == 0x8967_4523)
            #expect(span.be64(at: 0) == 0x0123_4567_89AB_CDEF && span.le64(at: 0) == 0xEFCD_AB89_6745_2301)
            #expect(span.be64(at: 1) == 0x2345_6789_ABCD_EFFF)
        }
    }

    //= RFC 7011 §6.2
    @Test("an integer of reduced size is its low octets, most significant first") func reducedSize() {
        bytes.withBytes { span in
            let want: [UInt64] = [
                0x01, 0x0123, 0x01_2345, 0x0123_4567, 0x01_2345_6789, 0x0123_4567_89AB, 0x01_2345_6789_ABCD,
                0x0123_4567_89AB_CDEF,
            ]
            #expect((1...8).map { span.beInteger(at: 0, width: $0) } == want)
        }
    }

    @Test("what is written reads back") func roundTrip() {
        forAll(runs: 50) { generator, seed in
            let a: UInt16 = generator.next(), b: UInt32 = generator.next(), c: UInt64 = generator.next()
            var big: [UInt8] = [], little: [UInt8] = []
            big.appendBE(a)
            big.appendBE(b)
            big.appendBE(c)
            little.appendLE(a)
            little.appendLE(b)
            little.appendLE(c)
            #expect(big.count == 14 && little.count == 14)
            let bigBack = big.withBytes { ($0.be16(at: 0), $0.be32(at: 2), $0.be64(at: 6)) }
            let littleBack = little.withBytes { ($0.le16(at: 0), $0.le32(at: 2), $0.le64(at: 6)) }
            #expect(bigBack == (a, b, c) && littleBack == (a, b, c), "SEED=\(seed)")
            #expect(big[0..<2].reversed().elementsEqual(little[0..<2]))
        }
    }

    @Test("copies and comparisons look at every byte and at nothing else") func copies() {
        let copy = bytes.withBytes { $0.extracting(2..<5).copied() }
        #expect(copy == [0x45, 0x67, 0x89])
        func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.withBytes { a in b.withBytes { a.isEqual(to: $0) } } }
        #expect(areEqual(bytes, bytes) && areEqual([], []))
        #expect(!areEqual(bytes, bytes.dropLast()))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x80
            #expect(!areEqual(bytes, other))
        }
    }

    @Test("times are ordered as told one by one, at the ends of their range too") func ordered() {
        let latest: Int64 = 1_700_000_000_000, span: Int64 = 604_800_000
        let edges = [Int64.min, -latest, -1, 0, 1, latest - span, latest, latest + 1, Int64.max]
        let moments = Set(edges.flatMap { edge in (-2...2).map { edge &+ $0 } })
        for start in moments {
            for end in moments {
                let (length, wraps) = end.subtractingReportingOverflow(start)
                let isSound = start > 0 && end <= latest && !wraps && (0...span).contains(length)
                let starts: [Int64] = [latest - 1, start, latest - 2], ends: [Int64] = [latest, end, latest]
                let all = areOrdered(starts.span, ends.span, 0..<3, latest: latest, span: span)
                let last = areOrdered(starts.span, ends.span, 2..<3, latest: latest, span: span)
                #expect(all == isSound && last, "\(start) \(end)")
            }
        }
    }

    private struct Refused: Error, Equatable { let count: Int }
    @Test("withBytes passes on the result and the error") func passesOn() {
        func refuse(_ bytes: [UInt8]) throws(Refused) -> Int {
            try bytes.withBytes { span throws(Refused) in
                if span.byteCount > 3 { throw Refused(count: span.byteCount) }
                return span.byteCount
            }
        }
        let short = try? refuse([1, 2])
        #expect(short == 2)
        #expect(throws: Refused(count: 9)) { try refuse(bytes) }
    }
}
