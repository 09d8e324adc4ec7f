import NIOCore
import TestKit
import Testing

@testable import JetStream

@Suite("What a NATS server sends")
struct NATSParserTests {
    private func frames(_ text: String) throws -> [NATSFrame] {
        var buffer = ByteBuffer(string: text), found: [NATSFrame] = []
        while let frame = try NATSParser.next(&buffer) { found.append(frame) }
        return found
    }

    @Test("a stream of frames is cut at the same places, whatever its pieces") func pieces() throws {
        let text =
            "INFO {\"version\":\"2.15.1\",\"max_payload\":8,\"headers\":true} \r\nPING\r\n+OK\r\n"
            + "MSG a.b 1 4\r\nx\r\ny\r\nMSG a.b 12 back.1 0\r\n\r\n"
            + "HMSG a 1 r 22 24\r\nNATS/1.0\r\nName: va\r\n\r\nhi\r\nHMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
            + "-ERR 'Stale Connection'\r\nPONG\r\n"
        let all = try frames(text)
        #expect(all.count == 9)
        #expect(all[3] == .message(NATSMessage(subject: "a.b", payload: Array("x\r\ny".utf8)), subscription: 1))
        #expect(all[4] == .message(NATSMessage(subject: "a.b", reply: "back.1"), subscription: 12))
        #expect(
            all[5]
                == .message(
                    NATSMessage(subject: "a", reply: "r", headers: ["Name": "va"], payload: Array("hi".utf8)),
                    subscription: 1))
        #expect(all[6] == .message(NATSMessage(subject: "a", status: 503), subscription: 1))
        #expect(all[7] == .error("Stale Connection"))
        var buffer = ByteBuffer(), found: [NATSFrame] = []
        for octet in text.utf8 {
            buffer.writeInteger(octet)
            while let frame = try NATSParser.next(&buffer) { found.append(frame) }
        }
        #expect(found == all)
    }

    @Test(
        "what the protocol does not have ends the connection, by name and without a trap",
        arguments: [
            "HELLO\r\n", "MSG a 1\r\n", "MSG a 1 -1\r\n", "MSG a 1 99999999999999999999\r\n", "MSG a 1 1 1 1 1\r\n",
            "MSG a x 0\r\n\r\n",
            "HMSG a 1 9 4\r\n", "HMSG a 1 x 4\r\n", "MSG a 1 1\r\nabc\r\n", "INFO {\r\n", "HMSG a 1 4 4\r\nNATS\r\n",
            "HMSG a 1 20 20\r\nNATS/1.0\r\nno colon\r\n\r\n", "HMSG a 1 17 17\r\nNATS/1.0 many\r\n\r\n\r\n", "\r\n",
            "MSG a 1 100000000\r\n",
        ])
    func hostile(_ text: String) {
        #expect(throws: NATSError.self) { try frames(text) }
    }

    @Test("any octets at all are frames, a fault, or not whole yet") func noise() {
        forAll(runs: 300) { rng, seed in
            let starts = ["MSG a 1 ", "HMSG a 1 ", "INFO ", "-ERR ", "P"]
            var octets = Array((starts.randomElement(using: &rng) ?? "").utf8)
            for _ in 0..<Int.random(in: 0..<60, using: &rng) {
                octets.append(Bool.random(using: &rng) ? UInt8.random(in: 0...255, using: &rng) : 48 + 13)
            }
            octets += [13, 10]
            var buffer = ByteBuffer(bytes: octets), count = 0
            do { while try NATSParser.next(&buffer) != nil { count += 1 } } catch {}
            #expect(count <= octets.count, "SEED=\(seed)")
        }
    }

    @Test("a line that never ends is given up") func endlessLine() {
        let text = String(repeating: "x", count: NATSParser.lineBytesMax + 1)
        #expect(throws: NATSError.malformed("a line")) { try frames(text) }
    }

    @Test("no field, subject or size can break out of its line") func injection() {
        var headers = NATSHeaders()
        headers["Weir-Site"] = "a\r\nNats-Rollup: all"
        let broken = headers
        #expect(throws: NATSError.invalid("the header field Weir-Site")) { try broken.encoded() }
        for subject in ["", "a b", "a\r\nPUB", "a\u{00e9}"] {
            #expect(throws: NATSError.self) {
                try NATSLines.publish(NATSMessage(subject: subject), payloadMax: 100)
            }
        }
        #expect(throws: NATSError.invalid("a message of 101 octets")) {
            try NATSLines.publish(
                NATSMessage(subject: "a", payload: [UInt8](repeating: 0, count: 101)), payloadMax: 100)
        }
    }

    @Test("versions are compared by number, and what comes before a release is older than it") func versions() throws {
        let least = NATSVersion.least
        let read = try ["2.15.1", "2.14.6", "2.14.6-RC.2", "2.9.10"].map { try #require(NATSVersion($0)) }
        #expect(read[0] > least && read[1] == least && read[2] < least && read[3] < read[2])
        #expect(NATSVersion("2.15") == nil)
    }

    @Test("addresses of servers, with and without a port, of both families") func addresses() {
        #expect(NATSOptions.Server("nats1.example") == .init(host: "nats1.example", port: 4_222))
        #expect(NATSOptions.Server("127.0.0.1:14221") == .init(host: "127.0.0.1", port: 14_221))
        #expect(NATSOptions.Server("[2001:db8::1]:9") == .init(host: "2001:db8::1", port: 9))
        #expect(NATSOptions.Server("[2001:db8::1]") == .init(host: "2001:db8::1", port: 4_222))
        #expect(NATSOptions.Server("a:0") == nil)
        #expect(NATSOptions.Server(":1") == nil)
        #expect(NATSOptions.Server("nats://a:1") == nil)
    }
}
