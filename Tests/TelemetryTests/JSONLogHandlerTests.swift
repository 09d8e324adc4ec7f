import Foundation
import Logging
import Telemetry
import TestKit
import Testing

@Suite("Log lines")
struct JSONLogHandlerTests {
    private func lines(level: Logger.Level = .trace, _ body: (inout Logger) -> Void) -> [String] {
        let written = Locked<[String]>([])
        let time = ManualTime(wallMilliseconds: 1_767_323_045_678)
        var logger = Logger(label: "sensor") { label in
            JSONLogHandler(label: label, level: level, time: time) { line in
                written.with { $0.append(String(decoding: line, as: UTF8.self)) }
            }
        }
        body(&logger)
        return written.with { $0 }
    }

    @Test("one JSON object a line: fixed keys first, then the metadata sorted") func shape() {
        let written = lines { logger in
            logger[metadataKey: "site"] = "north"
            logger.warning(
                "Datagrams dropped.", metadata: ["reason": "malformed", "count": .stringConvertible(3), "time": "mine"])
        }
        #expect(
            written == [
                #"{"time":"2026-01-02T03:04:05.678Z","level":"warning","logger":"sensor","#
                    + #""message":"Datagrams dropped.","count":3,"reason":"malformed","site":"north","_time":"mine"}"#
                    + "\n"
            ])
    }

    @Test("any text survives, as JSON that another reader understands, on one line") func escaping() throws {
        let nasty = "a\"b\\c\nd\re\tf\u{0}g\u{1B}h\u{7F}é\u{2028}🦆"
        let written = lines { logger in
            logger.info("\(nasty)", metadata: [nasty: ["list", .dictionary([nasty: .string(nasty)])]])
        }
        let line = try #require(written.first)
        #expect(line.utf8.count { $0 == 0x0A } == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["message"] as? String == nasty)
        let list = try #require(object[nasty] as? [Any])
        #expect(list.first as? String == "list")
        #expect(list.last as? [String: String] == [nasty: nasty])
    }

    @Test("a shared level changes for all loggers at once, but for those with one of their own") func sharedLevel() {
        let written = Locked<[String]>([]), level = LogLevel(.warning), time = ManualTime(wallMilliseconds: 0)
        func logger() -> Logger {
            Logger(label: "x") { label in
                JSONLogHandler(label: label, level: level, time: time) { line in
                    written.with { $0.append(String(decoding: line, as: UTF8.self)) }
                }
            }
        }
        let first = logger()
        var own = logger()
        own.logLevel = .error
        first.info("no")
        level.value = .debug
        first.debug("yes")
        own.info("never")
        #expect(written.with { $0.count } == 1)
        #expect(written.with { $0[0].contains("yes") })
    }

    @Test("lines below the level are not written") func level() {
        #expect(lines(level: .notice) { $0.info("no") } == [])
    }

    @Test("RFC 3339 times, leap days and years before 1970 included")
    func times() {
        let cases: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (.max, "9999-12-31T23:59:59.999Z"), (.min, "0000-01-01T00:00:00.000Z"),
        ]
        for (milliseconds, text) in cases { #expect(rfc3339(milliseconds: milliseconds) == text) }
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        forAll(runs: 200) { generator, seed in
            let milliseconds = Int64.random(in: 0...4_000_000_000_000, using: &generator)
            let text = rfc3339(milliseconds: milliseconds)
            let date = formatter.date(from: text)
            #expect(date.map { Int64(($0.timeIntervalSince1970 * 1_000).rounded()) } == milliseconds, "SEED=\(seed)")
        }
    }
}
