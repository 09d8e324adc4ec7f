internal import Logging
package import Platform
package import Settings
internal import Synchronization

/// Whether errors are told elsewhere, in scope `errors`.
/// - `to` (`http://KEY@HOST[:PORT]/PROJECT`, none): a server that takes Sentry's envelopes, on or near this host:
///   what is logged as error or critical goes there, with its fields, which may name tenants and addresses.
package struct ErrorReportSettings: Equatable, Sendable {
    package let place: PlainHTTP?, key: String

    package init(_ reader: SettingsReader) throws(SettingError) {
        guard let text = try reader.optionalString("to") else {
            (place, key) = (nil, "")
            return
        }
        guard let (place, key) = Self.read(text) else {
            throw reader.error("to", "it is not http://KEY@HOST[:PORT]/PROJECT")
        }
        (self.place, self.key) = (place, key)
    }
    private static func read(_ text: String) -> (PlainHTTP, String)? {
        let scheme = "http://"
        guard text.hasPrefix(scheme), let at = text.firstIndex(of: "@") else { return nil }
        let key = text[text.index(text.startIndex, offsetBy: scheme.count)..<at]
        guard !key.isEmpty, key.utf8.allSatisfy({ isWord($0) }),
            let server = PlainHTTP(url: scheme + text[text.index(after: at)...]),
            server.path.utf8.count > 1, server.path.utf8.dropFirst().allSatisfy({ isWord($0) })
        else { return nil }
        return (PlainHTTP(host: server.host, port: server.port, path: "/api\(server.path)/envelope/"), String(key))
    }
    private static func isWord(_ octet: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet | 0x20)
    }
}

/// Sends what is logged as an error to a tracker of errors, from a thread of its own. Never in the way, and no flood:
/// a message once a minute, so many messages a minute; what is more is counted.
package final class ErrorReports: Sendable {
    fileprivate static let queueMax = 64, perMinuteMax = 60, messagesMax = 256

    fileprivate struct State {
        var queue: [[UInt8]] = []
        /// When each message was last told of, ms since 1970 UTC.
        var told: [String: Int64] = [:]
        var minute: Int64 = 0, inMinute = 0
        var isStopping = false
        var sent: UInt64 = 0, dropped: UInt64 = 0
    }
    private let settings: ErrorReportSettings, release: String, time: any TimeSource
    private let state = Mutex(State()), thread = Mutex<SystemThread?>(nil)

    /// Nil where `settings` names no place.
    /// - Parameter release: program and version, such as `weir-sensor@0.1.0`.
    package init?(_ settings: ErrorReportSettings, release: String, time: any TimeSource) {
        guard settings.place != nil else { return nil }
        (self.settings, self.release, self.time) = (settings, release, time)
    }

    /// Puts its counters on a page.
    package func show(in registry: MetricRegistry) {
        let sent = registry.counter("weir_error_reports_sent_total", help: "Errors that the tracker of errors took.")
        let dropped = registry.counter(
            "weir_error_reports_dropped_total", help: "Errors not told to the tracker: too many alike, or it was away.")
        registry.beforeEachPage { [self] in
            let now = state.withLock { ($0.sent, $0.dropped) }
            sent.follow(now.0)
            dropped.follow(now.1)
        }
    }

    /// Takes what was logged; from any thread.
    func take(_ level: Logger.Level, logger: String, message: String, fields: Logger.Metadata) {
        let now = time.wallMilliseconds()
        state.withLock { state in
            guard state.isDue(message, at: now), state.queue.count < Self.queueMax else {
                state.dropped += 1
                return
            }
            state.queue.append(envelope(level, logger, message, fields, at: now))
        }
    }
    private func envelope(
        _ level: Logger.Level, _ logger: String, _ message: String, _ fields: Logger.Metadata, at now: Int64
    ) -> [UInt8] {
        let id = TraceContext.hexadecimal(.random(in: 0 ... .max)) + TraceContext.hexadecimal(.random(in: 0 ... .max))
        var text = #"{"event_id":"\#(id)"}"# + "\n" + #"{"type":"event"}"# + "\n"
        text += #"{"event_id":"\#(id)","timestamp":"\#(rfc3339(milliseconds: now))","platform":"other","level":""#
        text += level == .critical ? "fatal" : "error"
        text += #"","logger":"#
        JSONText.append(logger, to: &text)
        text += #","release":"#
        JSONText.append(release, to: &text)
        text += #","logentry":{"formatted":"#
        JSONText.append(message, to: &text)
        text += #"},"extra":"#
        JSONText.append(.dictionary(fields), to: &text)
        return [UInt8]((text + "}\n").utf8)
    }

    /// Starts the thread. Where the system has none, nothing is told.
    package func start() {
        guard let started = try? SystemThread({ self.run() }) else { return }
        thread.withLock { $0 = started }
    }
    /// Tells what there is, and ends the thread.
    package func stop() {
        state.withLock { $0.isStopping = true }
        thread.withLock { $0.take() }?.join()
    }
    private func run() {
        while true {  // ends: with `stop`
            let (isLast, reports) = state.withLock { state in
                let all = state.queue
                state.queue = []
                return (state.isStopping, all)
            }
            for report in reports { send(report) }
            if isLast { return }
            SystemThread.pause(for: .milliseconds(500))
        }
    }
    private func send(_ report: [UInt8]) {
        let access = "X-Sentry-Auth: Sentry sentry_version=7, sentry_client=weir/1, sentry_key=\(settings.key)"
        let answer = try? settings.place?.ask(
            ("application/x-sentry-envelope", report), headers: [access], within: .seconds(5))
        let isTaken = answer.map { $0.status / 100 == 2 } == true
        state.withLock { if isTaken { $0.sent += 1 } else { $0.dropped += 1 } }
    }
}

extension ErrorReports.State {
    fileprivate mutating func isDue(_ message: String, at now: Int64) -> Bool {
        if now / 60_000 != minute { (minute, inMinute) = (now / 60_000, 0) }
        guard inMinute < ErrorReports.perMinuteMax, now - (told[message] ?? .min / 2) >= 60_000 else { return false }
        if told.count >= ErrorReports.messagesMax { told = [:] }
        told[message] = now
        inMinute += 1
        return true
    }
}
