internal import Detect
package import Identity
internal import Programs
internal import Synchronization

/// How a program does, for people.
package struct ProgramStatus: Equatable, Sendable, Codable {
    package struct End: Equatable, Sendable, Codable {
        package var reason: String, detail: String
        /// ms since 1970 UTC.
        package var time: Int64
    }
    package var name: String, kind: String
    /// A process runs that has said hello.
    package var running: Bool
    /// Why it is not started here at all.
    package var problem: String?
    /// Of its latest hello.
    package var version: String?, rules: [String]?
    package var starts: UInt64, batchesAnswered: UInt64, recordsSent: UInt64, answers: UInt64
    /// Batches, by why they have no answer; ends of processes; lines that were passed over.
    package var lost: [String: UInt64], ends: [String: UInt64], refused: [String: UInt64]
    package var logsDropped: UInt64
    package var lastEnd: End?

    init(_ member: ProgramDesk.Member) {
        let description = member.program.description, runner = member.runner, counts = runner?.counts ?? ProgramCounts()
        (name, kind, problem) = (description.name, description.kind.rawValue, member.problem)
        running = runner?.isServing ?? false
        let hello = runner?.hello
        version = hello?.version
        rules = hello.flatMap { $0.kind == .detector ? $0.rules.values.map(\.id).sorted() : nil }
        (starts, batchesAnswered) = (counts.starts, counts.batchesAnswered)
        (recordsSent, answers, logsDropped) = (counts.recordsSent, counts.answers, counts.logsDropped)
        lost = named(counts.batchesLost)
        ends = named(counts.faults)
        refused = named(counts.refusals)
        lastEnd = runner?.lastEnd.map { End(reason: $0.fault.rawValue, detail: $0.detail, time: $0.time) }
    }
}

private func named<Reason: RawRepresentable<String> & Hashable>(_ counts: [Reason: UInt64]) -> [String: UInt64] {
    Dictionary(counts.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: &+)
}

extension ProgramDesk {
    /// A tenant's programs, by name.
    package func statuses(of tenant: TenantID) -> [ProgramStatus] {
        members(of: tenant).map { ProgramStatus($0) }.sorted { $0.name < $1.name }
    }
    func members(of tenant: TenantID? = nil) -> [Member] {
        state.withLock { state in tenant.map { own in state.members.filter { $0.key.tenant == own } } ?? state.members }
    }
}
