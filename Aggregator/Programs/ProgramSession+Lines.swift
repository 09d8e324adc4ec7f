/// What one line of the program does to its session.
internal import Detect
internal import FlowModel

extension ProgramSession {
    mutating func take(_ line: ArraySlice<UInt8>?, now: Duration) {
        do throws(ProgramRefusal) {
            guard let line else { throw .lineTooLong }
            // An empty line says nothing, and does no harm.
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) { return }
            try obey(ProgramMessage.read(line), now: now)
        } catch {
            refuse(error, line)
        }
    }

    private mutating func refuse(_ reason: ProgramRefusal, _ line: ArraySlice<UInt8>?) {
        refusals[reason, default: 0] += 1
        if firstRefused.count < 8 {
            let text = line.map { String(decoding: $0.prefix(200), as: UTF8.self) } ?? ""
            firstRefused.append((reason, tidied(text, max: 200)))
        }
        refusedInARow += 1
        if refusedInARow >= ProgramLimit.refusedInARowMax { fail(.unreadable, "\(reason)") }
    }

    private mutating func obey(_ message: ProgramMessage, now: Duration) throws(ProgramRefusal) {
        switch message {
        case .log(let log):
            guard logs.spend(now: now) else { throw .tooManyLogs }
            tell(.log(log))
        case .hello(let line): try greet(line)
        case .done(let line): try settle(line, now: now)
        case .finding(let line):
            let hello = try answering(line.batch, as: .detector)
            let finding = try line.finding(hello, tenant: tenant)
            guard findings.spend(now: now) else { throw .tooManyFindings }
            open[0].answers.append(.finding(finding))
        case .annotation(let line):
            _ = try answering(line.batch, as: .enricher)
            let annotation = try line.annotation(asked: open[0].batch.addresses)
            open[0].answers.append(.annotation(annotation))
        case .indicator(let line):
            _ = try answering(line.batch, as: .intelligence)
            let indicator = try line.indicator()
            open[0].answers.append(.indicator(indicator))
        case .retraction(let line):
            _ = try answering(line.batch, as: .intelligence)
            let subject = try line.subject()
            open[0].answers.append(.retraction(subject))
        }
    }

    private mutating func greet(_ line: HelloLine) throws(ProgramRefusal) {
        guard hello == nil else { throw .outOfOrder }
        adopt(line)
        switch line.hello(as: kind) {
        case .failure(let problem): fail(.badHello, problem.text)
        case .success(let hello) where hello.name != name:
            fail(.badHello, "it calls itself \(hello.name), the settings \(name)")
        case .success(let hello):
            self.hello = hello
            refusedInARow = 0
            if !isEnding { deadline = nil }
            tell(.hello(hello))
        }
    }

    /// Whether an answer to this batch may be taken now.
    private func answering(_ batch: UInt64, as wanted: ProgramKind) throws(ProgramRefusal) -> ProgramHello {
        guard kind == wanted else { throw .unknownType }
        guard let hello, let oldest = open.first, oldest.number == batch else { throw .outOfOrder }
        guard oldest.answers.count < ProgramLimit.answersPerBatchMax(kind) else { throw .tooManyAnswers }
        return hello
    }

    private mutating func settle(_ line: DoneLine, now: Duration) throws(ProgramRefusal) {
        guard let oldest = open.first, oldest.number == line.batch else { throw .outOfOrder }
        if let state = line.state {
            guard state.utf8.count <= ProgramLimit.stateOctetsMax else { throw .badMember }
            self.state = state
        }
        open.removeFirst()
        refusedInARow = 0
        if !isEnding { deadline = open.isEmpty ? nil : now + batchDeadline }
        let isComplete = kind == .intelligence && line.isComplete == true
        let result = ProgramOutcome.Result.answered(oldest.answers, isComplete: isComplete)
        tell(.settled(ProgramOutcome(oldest.batch, result, state: state)))
    }
}
