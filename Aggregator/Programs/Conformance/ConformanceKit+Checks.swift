/// The checks, one function each.
internal import FlowModel
internal import Platform

extension ConformanceKit {
    /// Who the program is: read from its hello, as there are no settings to say so.
    func introduce() throws(ConformanceProblem) -> ProgramHello {
        let process = try ConformanceProcess(self, kind: .detector, name: "")
        process.session.takesAnyProgram = true
        try process.run { $0.session.hello != nil }
        try process.demandCleanLines()
        guard let hello = process.session.hello else { throw ConformanceProblem("no hello came") }
        return hello
    }

    private func started(_ hello: ProgramHello, state: String? = nil) throws(ConformanceProblem) -> ConformanceProcess {
        let process = try ConformanceProcess(self, kind: hello.kind, name: hello.name, state: state)
        try process.run { $0.session.hello != nil }
        return process
    }

    func answersABatch(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.offer(try ConformanceSample.batch(for: hello, records: 100))
        try process.settle(1)
    }
    func answersNothing(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.offer(ProgramBatch(mark: 1))
        try process.settle(1)
        process.offer(try ConformanceSample.batch(for: hello, records: 10))
        try process.settle(2)
    }
    func answersTwo(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        for records in [50, 5] { process.offer(try ConformanceSample.batch(for: hello, records: records)) }
        try process.settle(2)
    }
    func passesOverStrangers(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.session.say(Array("{\"type\":\"of-a-later-version\",\"batch\":1,\"records\":3}\n".utf8))
        var batch = try ConformanceSample.batch(for: hello, records: 5)
        guard hello.kind != .intelligence else {
            process.offer(batch)
            return try process.settle(1)
        }
        batch.octets += Array("{\"ofALaterVersion\":[{\"a\":\"}\"},null,1e3],\"address\":\"192.0.2.77\"}\n".utf8)
        batch.records += 1
        batch.addresses.insert(IPAddress(v4: 0xC000_024D))
        process.offer(batch)
        try process.settle(1)
    }
    func passesOverBrokenRecords(_ hello: ProgramHello) throws(ConformanceProblem) {
        guard hello.kind != .intelligence else { return }
        let process = try started(hello)
        var batch = try ConformanceSample.batch(for: hello, records: 5)
        let broken = [
            "{\"flowStart", "[]", "null", "\"text\"", "{}", "17", "{\"address\":7,\"octetDeltaCount\":\"x\"}",
        ]
        for line in broken { batch.octets += Array("\(line)\n".utf8) }
        batch.records += broken.count
        process.offer(batch)
        try process.settle(1)
        process.offer(try ConformanceSample.batch(for: hello, records: 5))
        try process.settle(2)
    }
    func answersTheLargest(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.offer(try ConformanceSample.batch(for: hello, records: hello.batchRecordsMax))
        try process.settle(1)
    }
    func understandsPieces(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.pieceMax = 7
        process.offer(try ConformanceSample.batch(for: hello, records: 20))
        try process.settle(1)
    }
    func waitsForTheReader(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.isDeaf = true
        for _ in 0..<2 { process.offer(try ConformanceSample.batch(for: hello, records: hello.batchRecordsMax)) }
        process.run(for: .milliseconds(500))
        process.isDeaf = false
        try process.settle(2)
    }
    func repeatsItself(_ hello: ProgramHello) throws(ConformanceProblem) {
        // What a provider of intelligence says depends on its source, not on what it is asked.
        guard hello.kind != .intelligence else { return }
        var said: [[ProgramAnswer]] = []
        for _ in 0..<2 {
            let process = try started(hello)
            process.offer(try ConformanceSample.batch(for: hello, records: 500))
            process.offer(try ConformanceSample.batch(for: hello, records: 500))
            try process.settle(2)
            var answers: [ProgramAnswer] = []
            for case .answered(let some, _) in process.outcomes.map(\.result) { answers += some }
            said.append(answers)
        }
        guard said[0] == said[1] else {
            throw ConformanceProblem("two processes gave \(said[0].count) and \(said[1].count) answers that differ")
        }
    }
    func goesOn(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.offer(try ConformanceSample.batch(for: hello, records: 500))
        try process.settle(1)
        guard let state = process.session.state else { return }
        let second = try started(hello, state: state)
        second.offer(try ConformanceSample.batch(for: hello, records: 10))
        try second.settle(1)
    }
    func endsWhenAsked(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.offer(try ConformanceSample.batch(for: hello, records: 5))
        process.session.end(now: time.monotonic())
        process.run(for: .milliseconds(100))
        process.child.closeInput()
        try demandEnd(of: process, status: 0)
        guard process.outcomes.count == 1, case .answered = process.outcomes[0].result else {
            throw ConformanceProblem("it ended without an answer to the batch before")
        }
    }
    func endsWithItsInput(_ hello: ProgramHello) throws(ConformanceProblem) {
        let process = try started(hello)
        process.child.closeInput()
        try demandEnd(of: process, status: nil)
    }
    private func demandEnd(of process: ConformanceProcess, status: Int32?) throws(ConformanceProblem) {
        process.run(for: ProgramLimit.endGrace)
        switch process.child.endingIfAny() {
        case nil: throw ConformanceProblem("it still runs after \(ProgramLimit.endGrace.components.seconds) s")
        case .signalled(let signal): throw ConformanceProblem("signal \(signal) ended it")
        case .exited(let found):
            if let status, found != status { throw ConformanceProblem("its status was \(found)") }
        }
    }
}
