/// The program's thread: start, serve, wait, again.
internal import Platform
internal import Synchronization

extension ProgramRunner {
    private var isStopping: Bool { shared.withLock { $0.isStopping } }

    func keepRunning() {
        var policy = RestartPolicy()
        while !isStopping {  // ends: when stopped; each turn is a process and a wait
            let began = time.monotonic()
            serve()
            if isStopping { break }
            rest(policy.wait(afterServing: time.monotonic() - began))
        }
        shared.withLock { $0.loseWaiting(.ended) }
    }
    private func rest(_ wait: Duration) {
        let end = time.monotonic() + wait
        while !isStopping {  // ends: at `end`
            let left = end - time.monotonic()
            if left <= .zero { return }
            waker.sleep(atMost: left)
            waker.clear()
        }
    }

    /// One process, from its start to its end.
    private func serve() {
        let child: ChildProcess
        do throws(SystemError) {
            child = try ChildProcess(command: plan.command, environment: plan.environment, folder: plan.folder)
        } catch {
            shared.withLock { $0.loseWaiting(.notStarted) }
            return note(.notStarted, error.description)
        }
        let state = shared.withLock { shared in
            shared.counts.starts += 1
            return shared.state
        }
        var service = ProgramService(
            child: child, session: ProgramSession(program, state: state, now: time.monotonic()),
            errors: LineSplitter(octetsMax: ProgramLimit.logOctetsMax),
            errorLines: MinuteBudget(ProgramLimit.logsPerMinuteMax, now: time.monotonic()))
        while service.session.fault == nil {  // ends: with the process, or a deadline
            // A hello is told before what waits for it is encoded.
            deliver(&service)
            feed(&service)
            turn(&service)
        }
        service.child.closeInput()
        service.child.kill(after: service.session.fault == .ended ? ProgramLimit.endGrace : .zero, time: time)
        drainErrors(&service)
        deliver(&service)
        guard let fault = service.session.fault else { return }
        // What waits outlives a process that has served, not one that never would.
        if service.session.hello == nil, !isStopping { shared.withLock { $0.loseWaiting(fault) } }
        note(fault, service.session.faultDetail)
    }
    private func note(_ fault: ProgramFault, _ detail: String) {
        let end = ProgramEnd(fault: fault, detail: detail, time: time.wallMilliseconds())
        shared.withLock { shared in
            shared.counts.faults[fault, default: 0] += 1
            (shared.isServing, shared.lastEnd) = (false, end)
        }
        if fault == .ended && detail.isEmpty { return }
        let text = detail.isEmpty ? "ended: \(fault)" : "ended: \(fault): \(detail)"
        log(ProgramLog(level: .error, message: tidied(text, max: ProgramLimit.logOctetsMax)))
    }

    private func feed(_ service: inout ProgramService) {
        let now = time.monotonic()
        if isStopping { service.session.end(now: now) }
        while service.session.hasRoom, let batch = nextBatch() {
            service.session.offer(batch, now: now)  // ends: a session has room for few
        }
    }
    /// Encodes what is next. Without the lock: only this thread takes from what waits, and others add behind it.
    private func nextBatch() -> ProgramBatch? {
        let (first, subscription) = shared.withLock { ($0.waiting.first, $0.subscription) }
        guard var rest = first, let batch = rest.next(subscription) else { return nil }
        shared.withLock { shared in
            guard !shared.waiting.isEmpty else { return }
            if batch.isLast {
                shared.waitingOctets -= shared.waiting.removeFirst().octets
            } else {
                shared.waiting[0] = rest
            }
        }
        return batch
    }

    private func deliver(_ service: inout ProgramService) {
        let events = service.session.takeEvents(), refusals = service.takeRefusals(), state = service.session.state
        shared.withLock { shared in
            shared.counts.refusals.merge(refusals) { $0 + $1 }
            for event in events {
                switch event {
                case .hello(let hello):
                    shared.hello = hello
                    shared.isServing = true
                    shared.subscription = ProgramSubscription(hello)
                case .settled(let outcome): shared.note(outcome)
                case .log: break
                }
            }
            shared.state = state
        }
        for case .log(let line) in events { log(line) }
    }

    /// Waits for something to do, and does it.
    private func turn(_ service: inout ProgramService) {
        let child = service.child, pending = !service.session.pendingOutput.isEmpty
        if service.session.isEnding, !pending { child.closeInput() }
        let limit = (service.session.deadline ?? .seconds(3_600) + time.monotonic()) - time.monotonic()
        let ready = ChildProcess.wait(
            reading: [waker.descriptor, child.output, service.errorsAreOpen ? child.errors : -1],
            writing: pending ? child.input : -1, atMost: limit)
        if ready.readable[0] { waker.clear() }
        if ready.isWritable { write(&service) }
        if ready.readable[2] { drainErrors(&service) }
        if ready.readable[1] { read(&service) }
        service.session.tick(now: time.monotonic())
    }
    private func write(_ service: inout ProgramService) {
        let piece = service.session.pendingOutput.prefix(65_536)
        // Whoever doesn't read any more has ended or will; its output tells.
        service.session.wrote(service.child.write(piece) ?? piece.count)
    }
    private func read(_ service: inout ProgramService) {
        switch service.child.read(service.child.output) {
        case .nothing: break
        case .octets(let octets): service.session.receive(octets[...], now: time.monotonic())
        case .end: close(&service)
        }
    }
    /// Its output has ended: most likely it has too, and then its status tells why.
    private func close(_ service: inout ProgramService) {
        switch service.child.wait(atMost: .milliseconds(500), time: time) {
        case .exited(let status) where service.session.isEnding:
            service.session.close(.ended, status == 0 ? "" : "status \(status)")
        case .exited(status: 0): service.session.close(.closed, "it exited before it was asked to")
        case .exited(let status): service.session.close(.failed, "status \(status)")
        case .signalled(let signal): service.session.close(.killed, "signal \(signal)")
        case nil: service.session.close(service.session.isEnding ? .ended : .closed)
        }
    }

    private func drainErrors(_ service: inout ProgramService) {
        // Ends: 64 KiB a turn, 16 turns: who writes faster than that waits for the next turn.
        for _ in 0..<16 where service.errorsAreOpen {
            let piece = service.child.read(service.child.errors)
            guard case .octets(let octets) = piece else {
                service.errorsAreOpen = piece != .end
                return
            }
            let now = time.monotonic()
            var lines: [ProgramLog] = [], dropped: UInt64 = 0, budget = service.errorLines
            service.errors.take(octets[...]) { line in
                guard budget.spend(now: now) else {
                    dropped += 1
                    return
                }
                let text = line.map { String(decoding: $0, as: UTF8.self) } ?? "a line that is too long"
                lines.append(ProgramLog(level: .warning, message: tidied(text, max: ProgramLimit.logOctetsMax)))
            }
            service.errorLines = budget
            if dropped > 0 { shared.withLock { $0.counts.logsDropped += dropped } }
            for line in lines { log(line) }
        }
    }
}

/// One process and its conversation.
struct ProgramService {
    let child: ChildProcess
    var session: ProgramSession
    var errors: LineSplitter
    var errorLines: MinuteBudget
    var errorsAreOpen = true
    private var told: [ProgramRefusal: UInt64] = [:]

    init(child: ChildProcess, session: ProgramSession, errors: LineSplitter, errorLines: MinuteBudget) {
        (self.child, self.session, self.errors, self.errorLines) = (child, session, errors, errorLines)
    }

    /// Refused since the last time.
    mutating func takeRefusals() -> [ProgramRefusal: UInt64] {
        defer { told = session.refusals }
        return session.refusals.reduce(into: [:]) { new, entry in
            let more = entry.value - (told[entry.key] ?? 0)
            if more > 0 { new[entry.key] = more }
        }
    }
}
