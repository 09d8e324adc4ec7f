/// One process's conversation as a value: its octets and the time go in; octets for it, events and a deadline come out.
///
/// Invariants: no octets from the program stop anything here or cost more than `ProgramLimit` allows; each batch that
/// was taken leaves in exactly one `settled`, in order; the answers of a batch come with its `done`, all or none.
/// Not here: processes, pipes, threads, restarts (`ProgramRunner`).
internal import Identity

package enum ProgramEvent: Sendable {
    case hello(ProgramHello)
    case settled(ProgramOutcome)
    case log(ProgramLog)
}

/// How a batch ended.
package struct ProgramOutcome: Sendable {
    package enum Result: Sendable {
        /// `isComplete`: of intelligence, that these replace all that was said before.
        case answered([ProgramAnswer], isComplete: Bool)
        case lost(ProgramFault)
    }
    package let mark: Int64
    /// Nothing more comes for this mark.
    package let isLast: Bool
    package let records: Int
    package let result: Result
    /// What the program is to be told when it goes on from here; nil when it has said nothing.
    package let state: String?
    package init(_ batch: ProgramBatch, _ result: Result, state: String?) {
        (mark, isLast, records) = (batch.mark, batch.isLast, batch.records)
        self.result = result
        self.state = state
    }
}

package struct ProgramSession: Sendable {
    struct OpenBatch {
        let number: UInt64
        let batch: ProgramBatch
        var answers: [ProgramAnswer] = []
    }
    private(set) var kind: ProgramKind
    private(set) var name: String
    /// Whatever the hello says it is, is right: for the conformance kit, which has no settings.
    var takesAnyProgram = false
    let tenant: TenantID
    let batchDeadline: Duration
    package internal(set) var hello: ProgramHello?
    /// Why the process must be ended, or has; nothing is taken in or said from then on.
    package internal(set) var fault: ProgramFault?
    /// What was wrong with the hello, or the process, for the log.
    package internal(set) var faultDetail = ""
    /// `end` was said.
    package private(set) var isEnding = false
    package internal(set) var refusals: [ProgramRefusal: UInt64] = [:]
    /// Refused lines, the first few, as they came: for the conformance kit.
    package internal(set) var firstRefused: [(reason: ProgramRefusal, line: String)] = []
    /// Of the last `done` that had one.
    package internal(set) var state: String?
    package private(set) var events: [ProgramEvent] = []
    var splitter = LineSplitter(octetsMax: ProgramLimit.lineOctetsMax)
    var open: [OpenBatch] = []
    var refusedInARow = 0
    var findings: MinuteBudget, logs: MinuteBudget
    private var lastNumber: UInt64 = 0
    private var output: [UInt8] = []
    private var written = 0
    /// When the oldest open batch, or the hello, or the end, must be there.
    package internal(set) var deadline: Duration?

    /// - Parameter state: what the program said before it was started again.
    package init(_ program: ProgramDescription, software: String = "weir", state: String? = nil, now: Duration) {
        (kind, name, tenant) = (program.kind, program.name, program.tenant)
        batchDeadline = program.batchDeadline
        self.state = state
        deadline = now + ProgramLimit.helloDeadline
        findings = MinuteBudget(ProgramLimit.findingsPerMinuteMax, now: now)
        logs = MinuteBudget(ProgramLimit.logsPerMinuteMax, now: now)
        output = HostLine(program, software: software, state: state).octets
    }

    // MARK: To the program

    /// Whether a batch would be taken now.
    package var hasRoom: Bool {
        hello != nil && fault == nil && !isEnding && open.count < ProgramLimit.batchesOpenMax
    }
    /// - Precondition: `hasRoom`; without it the batch is lost as `full`.
    package mutating func offer(_ batch: ProgramBatch, now: Duration) {
        guard hasRoom else { return tell(.settled(ProgramOutcome(batch, .lost(.full), state: state))) }
        lastNumber += 1
        output += Array("{\"type\":\"batch\",\"batch\":\(lastNumber),\"records\":\(batch.records)}\n".utf8)
        output += batch.octets
        if open.isEmpty { deadline = now + batchDeadline }
        var kept = batch
        kept.octets = []
        open.append(OpenBatch(number: lastNumber, batch: kept))
    }
    /// Octets as they are, for the conformance kit: what no aggregator of this version says.
    mutating func say(_ octets: [UInt8]) { output += octets }

    /// No more batches; the open ones are waited for.
    package mutating func end(now: Duration) {
        guard fault == nil, !isEnding else { return }
        isEnding = true
        output += Array("{\"type\":\"end\"}\n".utf8)
        deadline = now + ProgramLimit.endGrace
    }
    package var pendingOutput: ArraySlice<UInt8> { fault == nil ? output[written...] : [] }
    package mutating func wrote(_ count: Int) {
        written += min(max(count, 0), output.count - written)
        guard written == output.count || written > 1 << 18 else { return }
        output.removeFirst(written)
        written = 0
    }

    // MARK: From the program

    package mutating func receive(_ octets: ArraySlice<UInt8>, now: Duration) {
        var lines: [ArraySlice<UInt8>?] = []
        splitter.take(octets) { lines.append($0) }
        for line in lines where fault == nil { take(line, now: now) }
    }
    /// The process has ended, or its output has.
    package mutating func close(_ reason: ProgramFault, _ detail: String = "") { fail(reason, detail) }

    package mutating func tick(now: Duration) {
        guard fault == nil, let deadline, now >= deadline else { return }
        if isEnding { return fail(.ended, "it did not end when asked to") }
        fail(hello == nil ? .noHello : .slow)
    }

    package mutating func takeEvents() -> [ProgramEvent] {
        defer { events = [] }
        return events
    }

    mutating func adopt(_ line: HelloLine) {
        if takesAnyProgram { (kind, name) = (line.kind, line.name) }
    }
    mutating func tell(_ event: ProgramEvent) { events.append(event) }
    mutating func fail(_ reason: ProgramFault, _ detail: String = "") {
        guard fault == nil else { return }
        (fault, faultDetail, deadline) = (reason, detail, nil)
        for entry in open { tell(.settled(ProgramOutcome(entry.batch, .lost(reason), state: state))) }
        (open, output, written) = ([], [], 0)
    }
}

/// So many a minute, with a minute's worth at the beginning.
struct MinuteBudget {
    private let perMinute: Int
    private var left: Int
    private var minuteEnd: Duration

    init(_ perMinute: Int, now: Duration) {
        (self.perMinute, left, minuteEnd) = (perMinute, perMinute, now + .seconds(60))
    }
    mutating func spend(now: Duration) -> Bool {
        if now >= minuteEnd { (left, minuteEnd) = (perMinute, now + .seconds(60)) }
        guard left > 0 else { return false }
        left -= 1
        return true
    }
}
