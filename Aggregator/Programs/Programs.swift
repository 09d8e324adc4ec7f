/// Own detectors, enrichers and providers of intelligence: programs in any language, started in a sandbox, spoken with
/// in lines of JSON. Handbook, "Programs", is the protocol for those who write them.
///
/// Invariants: a program costs its own answers and nothing else: who offers a batch never waits; every batch comes to
/// one end, answered whole or lost for a named reason; every refused line is counted by its reason; lines, answers,
/// batches under way, logs and restarts all have a cap. One process serves one tenant.
/// Not here: which programs there are (settings), what is done with their answers, checkpoints.
package import Identity

package enum ProgramKind: String, Sendable, Codable, CaseIterable { case detector, enricher, intelligence }

/// The protocol's numbers. Those of the sandbox are in `ProgramDescription`.
package enum ProgramLimit {
    package static let protocolVersion = 1
    /// Without the line feed.
    package static let lineOctetsMax = 65_536
    package static let stateOctetsMax = 49_152
    package static let fieldsMax = 64, rulesMax = 64, filterOctetsMax = 4_096
    package static let batchRecordsMax = 10_000, batchRecordsDefault = 1_000
    /// Written but not done.
    package static let batchesOpenMax = 2
    /// Offered but not written.
    package static let batchesWaitingMax = 8
    package static let refusedInARowMax = 100
    package static let findingsPerMinuteMax = 600, logsPerMinuteMax = 60
    package static let logOctetsMax = 1_024
    package static let titleCharactersMax = 300
    package static let helloDeadline = Duration.seconds(10), batchDeadline = Duration.seconds(10)
    /// From `end` to SIGTERM, and from there to SIGKILL.
    package static let endGrace = Duration.seconds(5)
    /// In ms since 1970 UTC: the year 2100.
    package static let timeMax: Int64 = 4_102_444_800_000

    package static func answersPerBatchMax(_ kind: ProgramKind) -> Int {
        switch kind {
        case .detector: 1_000
        case .enricher: batchRecordsMax
        case .intelligence: 100_000
        }
    }
}

/// A program as the settings have it.
package struct ProgramDescription: Equatable, Sendable {
    /// Which sandbox is good enough.
    package enum Isolation: String, Sendable, CaseIterable {
        /// Bubblewrap, or it isn't started.
        case sandbox
        /// Limits, an empty environment and no more privileges: files and network are the user's. Must be asked for.
        case limitsOnly = "limits-only"
    }
    /// As `hello` must have it.
    package var name: String
    package var kind: ProgramKind
    package var tenant: TenantID
    /// The program by its absolute path, and its arguments.
    package var command: [String]
    /// Shown to the program read-only; its working directory.
    package var folder: String?
    package var isolation = Isolation.sandbox
    package var hasNetwork = false
    /// A user, and a group, of its own: only an aggregator that runs as root can give it.
    package var user: String?
    package var group: String?
    package var memoryOctetsMax = 512 << 20
    package var processorSecondsMax = 3_600
    package var openFilesMax = 64
    package var fileOctetsMax = 16 << 20
    package var processesMax = 16
    package var batchDeadline = ProgramLimit.batchDeadline

    package init(name: String, kind: ProgramKind, tenant: TenantID, command: [String], folder: String? = nil) {
        self.name = name
        self.kind = kind
        self.tenant = tenant
        self.command = command
        self.folder = folder
    }
}

/// Why a line of a program was passed over.
package enum ProgramRefusal: String, Error, Sendable, CaseIterable {
    case lineTooLong, notJSON, unknownType, badMember, outOfOrder, undeclaredRule, notAsked, tooManyAnswers,
        tooManyFindings, tooManyLogs
}

/// Why a process was ended, or a batch got no answer.
package enum ProgramFault: String, Error, Sendable, CaseIterable {
    case noHello, badHello, slow, unreadable, closed, failed, killed, notStarted
    /// Only of a batch that was not offered to a process.
    case full
    /// The aggregator itself ended it.
    case ended
}
