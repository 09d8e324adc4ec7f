/// The programs of a node: started for their tenants, offered what they want, and asked for what they have said.
///
/// Invariants: nobody who calls here waits for a program; what a program is not given in time is lost under a name and
/// counted; a mark that was offered stays `open` until it is settled, so that the log behind it is kept; a program that
/// can't be started is shown with its reason, and everything else goes on.
/// Not here: processes and the protocol (`Programs`), the log (`AggregatorPipeline`), feeds (`Knowledge`).
package import Detect
package import FlowModel
package import Identity
package import Logging
package import Platform
package import Programs
internal import Synchronization
package import Telemetry

package final class ProgramDesk: Sendable {
    struct Key: Hashable, Sendable {
        let tenant: TenantID, name: String
    }
    /// One program of one tenant.
    struct Member: Sendable {
        let program: ProgramSettings.Program
        /// Nil when it can't be started here: `problem` says why.
        var runner: ProgramRunner?
        var problem: String?
        /// Offered and not settled, oldest first.
        var open: [Int64] = []
        /// What it said with the last mark that was settled.
        var state: String?
        /// Of a checkpoint: marks from here on may not have been answered.
        var missedFrom: Int64?
        /// Marks of questions to enrichers and providers, which are no places in the log.
        var asked: Int64 = 0, settled: Int64 = 0
        /// By the monotonic clock: when a provider of intelligence is to be asked.
        var due = Duration.zero

        init(_ program: ProgramSettings.Program) { self.program = program }
        var key: Key { Key(tenant: program.description.tenant, name: program.description.name) }
        var kind: ProgramKind { program.description.kind }
    }
    struct State {
        var members: [Member] = []
        var isStarted = false
        var annotations = AnnotationCache()
        /// What enrichers were asked about, by mark.
        var questions: [Key: [Int64: [IPAddress]]] = [:]
        var indicators: [Key: IndicatorBook] = [:]
    }
    let settings: ProgramSettings
    let time: any TimeSource
    let logger: Logger
    let state: Mutex<State>
    private let tools: @Sendable () -> SandboxTools

    /// - Parameter tools: what sandboxes are made with; asked once, at the start.
    package init(
        _ settings: ProgramSettings, time: any TimeSource, registry: MetricRegistry, logger: Logger,
        tools: @escaping @Sendable () -> SandboxTools = { .ofThisMachine() }
    ) {
        (self.settings, self.time, self.logger, self.tools) = (settings, time, logger, tools)
        var first = State()
        first.members = settings.programs.map { Member($0) }
        state = Mutex(first)
        guard !settings.programs.isEmpty else { return }
        let metrics = ProgramMetrics(registry)
        registry.beforeEachPage { [weak self] in if let self { metrics.note(self) } }
    }

    /// Starts all programs; those that run already go on.
    /// - Parameter saved: of a checkpoint: what each tenant's were doing.
    package func start(from saved: [TenantID: [UInt8]] = [:]) {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst, !settings.programs.isEmpty else { return }
        let tools = tools(), marks = saved.mapValues { ProgramMarks(octets: $0) }
        var members = state.withLock { $0.members }
        for index in members.indices {
            let known = marks[members[index].key.tenant]?.programs[members[index].key.name]
            (members[index].open, members[index].settled) = ([], members[index].asked)
            if members[index].kind == .detector {
                (members[index].state, members[index].missedFrom) = (known?.state, known?.openFrom)
            }
            begin(&members[index], tools)
        }
        let begun = members
        state.withLock { $0.members = begun }
    }
    private func begin(_ member: inout Member, _ tools: SandboxTools) {
        let description = member.program.description
        var logger = logger
        logger[metadataKey: "program"] = "\(description.name)"
        logger[metadataKey: "tenant"] = "\(description.tenant)"
        let log = logger
        do {
            let plan = try SandboxPlan(for: description, with: tools)
            let runner = try ProgramRunner(description, plan: plan, state: member.state, time: time) { line in
                log.log(level: Logger.Level(line.level), "\(line.message)")
            }
            try runner.start()
            member.runner = runner
        } catch {
            member.problem = "\(error)"
            log.error("A program can't be started.", metadata: ["reason": "\(error)"])
        }
    }

    /// Ends all programs, at the latest after the grace of `ProgramLimit`, and waits for that: not from a task.
    package func stop() {
        let runners = state.withLock { state in
            state.isStarted = false
            return state.members.compactMap(\.runner)
        }
        // Each is asked before the first is waited for; one for which there is no thread ends on this one.
        var threads: [SystemThread] = [], rest: [ProgramRunner] = []
        for runner in runners {
            do throws(SystemThread.Unavailable) {
                threads.append(try SystemThread { runner.stop() })
            } catch {
                rest.append(runner)
            }
        }
        for runner in rest { runner.stop() }
        for thread in threads { thread.join() }
    }

    /// As `stop`, for tasks: their threads are few, and others wait for them.
    package func end() async {
        let started = Mutex<SystemThread?>(nil)
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            do throws(SystemThread.Unavailable) {
                let thread = try SystemThread {
                    self.stop()
                    continuation.resume()
                }
                started.withLock { $0 = thread }
            } catch {
                stop()
                continuation.resume()
            }
        }
        started.withLock { $0 }?.join()
    }

    // MARK: Detectors

    /// Offers a batch's records to the tenant's detectors.
    /// - Parameter mark: the batch's place in the log; larger than the one before.
    /// - Returns: whether one took it, and so shares the columns' memory.
    package func offer(_ columns: FlowColumns, of tenant: TenantID, mark: Int64) -> Bool {
        state.withLock { state in
            var isTaken = false
            for index in state.members.indices where state.members[index].isDetector(of: tenant) {
                guard state.members[index].runner?.offer(columns, mark: mark) == true else { continue }
                state.members[index].open.append(mark)
                isTaken = true
            }
            return isTaken
        }
    }
    /// What detectors have found since the last time, by tenant. Whoever takes it files it before the next checkpoint.
    package func takeFindings() -> [TenantID: [Finding]] {
        state.withLock { state in
            var found: [TenantID: [Finding]] = [:]
            for index in state.members.indices where state.members[index].kind == .detector {
                let findings = state.members[index].takeFindings()
                if !findings.isEmpty { found[state.members[index].key.tenant, default: []] += findings }
            }
            return found
        }
    }
    /// The oldest place in the log that a detector was offered and has not settled.
    package var oldestOpen: Int64? {
        state.withLock { $0.members.compactMap { $0.kind == .detector ? $0.open.first : nil }.min() }
    }

    // MARK: Checkpoints

    /// What a start from this checkpoint needs, by tenant.
    package func checkpoint() -> [TenantID: [UInt8]] {
        state.withLock { state in
            var marks: [TenantID: ProgramMarks] = [:]
            for member in state.members where member.kind == .detector {
                marks[member.key.tenant, default: ProgramMarks()].programs[member.key.name] = ProgramMarks.Entry(
                    openFrom: member.open.first ?? member.missedFrom, state: member.state)
            }
            return marks.mapValues(\.octets)
        }
    }
    /// The oldest place in the log that a start has to offer again; nil for none.
    package var missedFrom: Int64? {
        state.withLock { $0.members.compactMap { $0.runner == nil ? nil : $0.missedFrom }.min() }
    }
    /// Offers again, to those that may have missed it.
    /// - Parameter isLastTry: what finds no room is lost, and counted.
    /// - Returns: false when one of them has no room now: again, later.
    package func offerMissed(
        _ columns: FlowColumns, of tenant: TenantID, mark: Int64, isLastTry: Bool = false
    ) -> Bool {
        state.withLock { state in
            var isDone = true
            for index in state.members.indices where state.members[index].isDetector(of: tenant) {
                let member = state.members[index]
                guard let from = member.missedFrom, from <= mark, let runner = member.runner else { continue }
                guard runner.hasRoom || isLastTry else {
                    isDone = false
                    continue
                }
                if runner.offer(columns, mark: mark) { state.members[index].open.append(mark) }
                state.members[index].missedFrom = mark + 1
            }
            return isDone
        }
    }
    /// No more is offered again.
    package func forgetMissed() {
        state.withLock { state in
            for index in state.members.indices { state.members[index].missedFrom = nil }
        }
    }
}

extension ProgramDesk.Member {
    func isDetector(of tenant: TenantID) -> Bool { kind == .detector && key.tenant == tenant }

    fileprivate mutating func takeFindings() -> [Finding] {
        var found: [Finding] = []
        for outcome in runner?.takeOutcomes() ?? [] {
            if case .answered(let answers, _) = outcome.result {
                for case .finding(let finding) in answers { found.append(finding) }
            }
            // What its end on request cost is for the next start.
            if case .lost(.ended) = outcome.result { continue }
            guard outcome.isLast else { continue }
            state = outcome.state
            if let place = open.firstIndex(of: outcome.mark) { open.removeSubrange(...place) }
        }
        return found
    }
}

extension Logger.Level {
    fileprivate init(_ level: ProgramLog.Level) {
        switch level {
        case .info: self = .info
        case .warning: self = .warning
        case .error: self = .error
        }
    }
}
