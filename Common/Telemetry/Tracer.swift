package import Platform
package import Settings
internal import Synchronization

/// Where traces go, in scope `traces`.
/// - `to` (URL, none): a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`.
/// - `every` (number, 100, 1…1000000): of so many batches or requests, one is traced.
package struct TraceSettings: Equatable, Sendable {
    package var collector: PlainHTTP?
    package var every = 100

    package init() {}
    package init(_ reader: SettingsReader) throws(SettingError) {
        every = try reader.int("every", default: every, in: 1...1_000_000)
        guard let url = try reader.optionalString("to") else { return }
        guard let place = PlainHTTP(url: url) else {
            throw reader.error("to", "\"\(url)\" is not a URL such as http://127.0.0.1:4318/v1/traces")
        }
        collector = place
    }
}

/// One step of work: when it was, what of, what came of it. Times are ms since 1970 UTC.
package struct Span: Sendable {
    package var name: String
    package var context: TraceContext
    /// Nil at the top.
    package var parent: TraceContext?
    package var begin: Int64, end: Int64
    package var attributes: [(name: String, value: String)] = []
    package var failure: String?

    package init(
        _ name: String, _ context: TraceContext, parent: TraceContext? = nil, begin: Int64, end: Int64,
        attributes: [(name: String, value: String)] = [], failure: String? = nil
    ) {
        (self.name, self.context, self.parent, self.begin, self.end) = (name, context, parent, begin, end)
        (self.attributes, self.failure) = (attributes, failure)
    }
}

/// Takes spans from any thread and sends them to a collector from one of its own, as OTLP's JSON (OTLP/HTTP).
/// Never in the way: what does not fit the queue, or the collector does not take at once, is dropped and counted.
package final class Tracer: Sendable {
    /// Traces nothing.
    package static let off = Tracer(service: "", TraceSettings(), time: SystemTime(), metrics: MetricRegistry())
    private static let queueMax = 4_096, sendMax = 512, openMax = 4_096

    private struct State {
        var queue: [Span] = []
        /// Begun and not ended, by context.
        var open: [TraceContext: Int64] = [:]
        var isStopping = false
    }
    private let service: String, settings: TraceSettings, time: any TimeSource
    private let state = Mutex(State()), thread = Mutex<SystemThread?>(nil)
    private let sent: Counter?, dropped: Counter?

    package init(service: String, _ settings: TraceSettings, time: any TimeSource, metrics: MetricRegistry) {
        (self.service, self.settings, self.time) = (service, settings, time)
        sent = settings.collector.map { _ in
            metrics.counter("weir_trace_spans_sent_total", help: "Spans that the collector took.")
        }
        dropped = settings.collector.map { _ in
            metrics.counter(
                "weir_trace_spans_dropped_total", help: "Spans dropped: the collector was away, or too slow.")
        }
    }

    package var isOn: Bool { settings.collector != nil }
    /// Whether this trace is one of those that are sent: by its id, so that all programs choose the same.
    package func wants(_ context: TraceContext) -> Bool { isOn && context.low % UInt64(settings.every) == 0 }

    package func record(_ span: @autoclosure () -> Span) {
        guard isOn else { return }
        let isKept = state.withLock { state in
            guard state.queue.count < Self.queueMax else { return false }
            state.queue.append(span())
            return true
        }
        if !isKept { dropped?.add() }
    }
    /// Notes when a step began that `end` will tell of; a second beginning counts.
    package func begin(_ context: TraceContext) {
        guard isOn, wants(context) else { return }
        let now = time.wallMilliseconds()
        state.withLock { if $0.open.count < Self.openMax || $0.open[context] != nil { $0.open[context] = now } }
    }
    package func end(_ name: String, _ context: TraceContext, parent: TraceContext?, failure: String? = nil) {
        guard isOn, let begin = state.withLock({ $0.open.removeValue(forKey: context) }) else { return }
        record(Span(name, context, parent: parent, begin: begin, end: time.wallMilliseconds(), failure: failure))
    }

    // MARK: Sending

    /// Starts the thread, where there is a collector. Without one nothing is sent, which is no fault of the program.
    package func start() {
        guard isOn, let started = try? SystemThread({ self.run() }) else { return }
        thread.withLock { $0 = started }
    }
    /// Sends what there is, and ends the thread.
    package func stop() {
        state.withLock { $0.isStopping = true }
        thread.withLock { $0.take() }?.join()
    }
    private func run() {
        while true {  // ends: with `stop`
            let isLast = state.withLock { $0.isStopping }
            flush()
            if isLast { return }
            SystemThread.pause(for: .milliseconds(500))
        }
    }
    private func flush() {
        guard let collector = settings.collector else { return }
        while true {  // ends: the queue is bounded, and shrinks here
            let spans = state.withLock { state in
                let some = Array(state.queue.prefix(Self.sendMax))
                state.queue.removeFirst(some.count)
                return some
            }
            guard !spans.isEmpty else { return }
            let body = [UInt8](OTLP.text(spans, service: service).utf8)
            let answer = try? collector.ask(("application/json", body), within: .seconds(3))
            (answer.map { $0.status / 100 == 2 } == true ? sent : dropped)?.add(spans.count)
        }
    }
}

/// OTLP's `ExportTraceServiceRequest` in protobuf's JSON.
enum OTLP {
    static func text(_ spans: [Span], service: String) -> String {
        var text = #"{"resourceSpans":[{"resource":{"attributes":["#
        append(("service.name", service), to: &text)
        text += #"]},"scopeSpans":[{"scope":{"name":"weir"},"spans":["#
        for (index, span) in spans.enumerated() {
            if index > 0 { text += "," }
            append(span, to: &text)
        }
        return text + "]}]}]}"
    }
    private static func append(_ span: Span, to text: inout String) {
        text += #"{"traceId":"\#(span.context.traceID)","spanId":"\#(span.context.spanID)","#
        if let parent = span.parent { text += #""parentSpanId":"\#(parent.spanID)","# }
        text += #""name":"#
        JSONText.append(span.name, to: &text)
        text += #","kind":1,"startTimeUnixNano":"\#(span.begin)000000","endTimeUnixNano":"\#(span.end)000000","#
        text += #""attributes":["#
        for (index, attribute) in span.attributes.enumerated() {
            if index > 0 { text += "," }
            append(attribute, to: &text)
        }
        text += "]"
        if let failure = span.failure {
            text += #","status":{"code":2,"message":"#
            JSONText.append(failure, to: &text)
            text += "}"
        }
        text += "}"
    }
    private static func append(_ attribute: (name: String, value: String), to text: inout String) {
        text += #"{"key":"#
        JSONText.append(attribute.name, to: &text)
        text += #","value":{"stringValue":"#
        JSONText.append(attribute.value, to: &text)
        text += "}}"
    }
}
