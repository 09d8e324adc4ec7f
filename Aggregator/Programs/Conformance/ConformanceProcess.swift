internal import Identity
internal import Platform

/// One process of the program that is tested, and one conversation with it.
final class ConformanceProcess {
    let child: ChildProcess
    var session: ProgramSession
    private(set) var outcomes: [ProgramOutcome] = []
    /// Octets that one write may have.
    var pieceMax = 65_536
    /// While it is true, nothing the program says is taken.
    var isDeaf = false
    private let time: any TimeSource
    private var errors: [UInt8] = []
    private var errorsAreOpen = true

    init(_ kit: ConformanceKit, kind: ProgramKind, name: String, state: String? = nil) throws(ConformanceProblem) {
        guard let tenant = TenantID("conformance") else { throw ConformanceProblem("no tenant to test for") }
        var program = ProgramDescription(name: name, kind: kind, tenant: tenant, command: kit.command)
        program.batchDeadline = kit.batchDeadline
        time = kit.time
        do throws(SystemError) {
            child = try ChildProcess(command: kit.command, environment: kit.environment, folder: kit.folder)
        } catch {
            throw ConformanceProblem("it can't be started: \(error)")
        }
        session = ProgramSession(program, software: "weir-program-test", state: state, now: kit.time.monotonic())
    }
    deinit { child.kill(after: .zero, time: time) }

    func offer(_ batch: ProgramBatch) { session.offer(batch, now: time.monotonic()) }

    /// Speaks and listens until `isDone`, or the conversation's end.
    func run(until isDone: (ConformanceProcess) -> Bool) throws(ConformanceProblem) {
        while true {  // ends: each session has a deadline while something is awaited
            if let fault = session.fault { throw problem(fault) }
            if isDone(self) { return }
            turn(atMost: (session.deadline ?? time.monotonic()) - time.monotonic())
        }
    }
    /// For a time, whatever happens.
    func run(for span: Duration) {
        let end = time.monotonic() + span
        while session.fault == nil, time.monotonic() < end {
            turn(atMost: min(end - time.monotonic(), .milliseconds(50)))
        }
    }
    /// Until so many batches are done, none of them lost and no line refused.
    func settle(_ count: Int) throws(ConformanceProblem) {
        try run { $0.outcomes.count >= count }
        try demandCleanLines()
    }
    func demandCleanLines() throws(ConformanceProblem) {
        guard let first = session.firstRefused.first else { return }
        throw ConformanceProblem("a line is refused, \(first.reason): \(first.line)")
    }

    private func turn(atMost limit: Duration) {
        let pending = session.pendingOutput
        let ready = ChildProcess.wait(
            reading: [isDeaf ? -1 : child.output, errorsAreOpen ? child.errors : -1],
            writing: pending.isEmpty ? -1 : child.input, atMost: limit)
        if ready.isWritable {
            let piece = pending.prefix(pieceMax)
            session.wrote(child.write(piece) ?? piece.count)
        }
        if ready.readable[1] { readErrors() }
        if ready.readable[0] { read() }
        for case .settled(let outcome) in session.takeEvents() { outcomes.append(outcome) }
        session.tick(now: time.monotonic())
    }
    private func read() {
        switch child.read(child.output) {
        case .nothing: break
        case .octets(let octets): session.receive(octets[...], now: time.monotonic())
        case .end:
            switch child.wait(atMost: .milliseconds(500), time: time) {
            case .exited(let status): session.close(status == 0 ? .closed : .failed, "status \(status)")
            case .signalled(let signal): session.close(.killed, "signal \(signal)")
            case nil: session.close(.closed)
            }
        }
    }
    private func readErrors() {
        switch child.read(child.errors) {
        case .nothing: break
        case .octets(let octets): errors = Array((errors + octets).suffix(2_000))
        case .end: errorsAreOpen = false
        }
    }

    private func problem(_ fault: ProgramFault) -> ConformanceProblem {
        if errorsAreOpen { readErrors() }
        var text =
            switch fault {
            case .noHello: "no hello came"
            case .badHello: "its hello is refused"
            case .slow: "a batch was not done within its deadline"
            case .unreadable: "\(ProgramLimit.refusedInARowMax) of its lines in a row were refused"
            case .closed: "it closed its output, or exited, too early"
            case .failed: "it failed"
            case .killed: "a signal ended it"
            case .notStarted, .full, .ended: "\(fault)"
            }
        if !session.faultDetail.isEmpty { text += " (\(session.faultDetail))" }
        if let first = session.firstRefused.first { text += "; refused, \(first.reason): \(first.line)" }
        let last = String(decoding: errors, as: UTF8.self).split(separator: "\n").last
        if let last { text += "; its last line of errors: \(tidied(String(last), max: 300))" }
        return ConformanceProblem(text)
    }
}
