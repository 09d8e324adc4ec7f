import Testing

@testable import API

@Suite("Frames of a WebSocket's client") struct WebSocketReaderTests {
    private func frame(_ first: UInt8, _ payload: [UInt8], mask: [UInt8] = [1, 2, 3, 4]) -> [UInt8] {
        [first, 0x80 | UInt8(payload.count)] + mask + payload.indices.map { payload[$0] ^ mask[$0 % 4] }
    }
    private func read(_ octets: [UInt8]) -> Result<[WebSocketWord], WebSocketFault> {
        Result { () throws(WebSocketFault) in
            var reader = WebSocketReader()
            return try reader.take(octets)
        }
    }

    @Test("pings, pongs and the end are read, wherever octets are cut") func words() throws {
        let all = frame(0x89, [7, 8]) + frame(0x8A, []) + frame(0x88, []) + frame(0x88, [3, 0xE8] + Array("ok".utf8))
        let words: [WebSocketWord] = [.ping([7, 8]), .pong, .close(nil), .close(1_000)]
        #expect(try read(all).get() == words)
        for cut in 1...7 {
            var reader = WebSocketReader(), found: [WebSocketWord] = []
            for start in stride(from: 0, to: all.count, by: cut) {
                found += try reader.take(all[start..<min(start + cut, all.count)])
            }
            #expect(found == words, "\(cut)")
        }
        #expect(
            try read(frame(0x89, [UInt8](repeating: 1, count: 125))).get() == [.ping(.init(repeating: 1, count: 125))])
    }

    @Test(
        "what no client may send is refused at its first octets",
        arguments: [
            ([0x81, 0x80], WebSocketFault.unsupported), ([0x82, 0xFE], .unsupported), ([0x00, 0x80], .unsupported),
            ([0x89, 0x00], .protocolError), ([0xC9, 0x80], .protocolError), ([0x09, 0x80], .protocolError),
            ([0x89, 0xFE], .protocolError), ([0x8B, 0x80], .protocolError), ([0x83, 0x80], .protocolError),
            ([0x88, 0x81, 0, 0, 0, 0, 3], .protocolError), ([0x88, 0x82, 0, 0, 0, 0, 3, 0xEC], .protocolError),
            ([0x88, 0x82, 0, 0, 0, 0, 0, 1], .protocolError),
            ([0x88, 0x83, 0, 0, 0, 0, 3, 0xE8, 0xFF], .protocolError),
        ] as [([UInt8], WebSocketFault)])
    func wrong(_ octets: [UInt8], _ fault: WebSocketFault) { #expect(read(octets) == .failure(fault)) }

    @Test("any octets are read or refused") func noise() {
        var chance = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let octets = (0..<Int.random(in: 0...300, using: &chance)).map { _ in UInt8.random(in: 0...255) }
            var reader = WebSocketReader()
            // A frame has six octets or more.
            #expect((try? reader.take(octets))?.count ?? 0 <= octets.count / 6)
        }
    }

    @Test("lengths of frames are written in one, three or nine octets") func lengths() {
        #expect(WebSocketFrame.text(String(repeating: "a", count: 125)).prefix(2) == [0x81, 125])
        #expect(WebSocketFrame.text(String(repeating: "a", count: 126)).prefix(4) == [0x81, 126, 0, 126])
        #expect(
            WebSocketFrame.text(String(repeating: "a", count: 70_000)).prefix(10)
                == [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70])
        #expect(WebSocketFrame.close(1_008) == [0x88, 2, 3, 0xF0])
    }
}
