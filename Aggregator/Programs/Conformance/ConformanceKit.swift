/// Runs a program through the protocol, as an aggregator would and as one would not, and says what it does wrong.
///
/// Invariants: each check has a process of its own, which is gone when the check is; a check says nothing, or one
/// sentence to the program's author. Not here: how the report is shown (`weir-program-test`).
package import Platform

package struct ConformanceResult: Equatable, Sendable {
    /// What was asked of the program, as a sentence.
    package let demand: String
    /// Nil when it does that.
    package let problem: String?
}

package struct ConformanceKit {
    /// How the program is started: through a sandbox, or as it is.
    let command: [String], environment: [String], folder: String?
    let time: any TimeSource
    let batchDeadline: Duration

    package init(
        command: [String], environment: [String], folder: String? = nil,
        batchDeadline: Duration = ProgramLimit.batchDeadline, time: any TimeSource
    ) {
        (self.command, self.environment, self.folder) = (command, environment, folder)
        (self.batchDeadline, self.time) = (batchDeadline, time)
    }

    /// All checks, in order; the first alone when the program doesn't say hello.
    package func run() -> [ConformanceResult] {
        let greeting = "says hello within 10 s, and rightly"
        let hello: ProgramHello
        do throws(ConformanceProblem) {
            hello = try introduce()
        } catch {
            return [ConformanceResult(demand: greeting, problem: error.text)]
        }
        return [ConformanceResult(demand: greeting, problem: nil)]
            + Self.checks.map { demand, check in
                do throws(ConformanceProblem) {
                    try check(self, hello)
                    return ConformanceResult(demand: demand, problem: nil)
                } catch {
                    return ConformanceResult(demand: demand, problem: error.text)
                }
            }
    }

    private typealias Check = @Sendable (ConformanceKit, ProgramHello) throws(ConformanceProblem) -> Void
    private static let checks: [(String, Check)] = [
        ("answers a batch", { kit, hello throws(ConformanceProblem) in try kit.answersABatch(hello) }),
        ("answers a batch without records", { kit, hello throws(ConformanceProblem) in try kit.answersNothing(hello) }),
        ("answers two batches in their order", { kit, hello throws(ConformanceProblem) in try kit.answersTwo(hello) }),
        (
            "passes over messages and members that it doesn't know",
            { kit, hello throws(ConformanceProblem) in try kit.passesOverStrangers(hello) }
        ),
        (
            "passes over records that it can't read",
            { kit, hello throws(ConformanceProblem) in try kit.passesOverBrokenRecords(hello) }
        ),
        ("answers its largest batch", { kit, hello throws(ConformanceProblem) in try kit.answersTheLargest(hello) }),
        (
            "understands input that comes in small pieces",
            { kit, hello throws(ConformanceProblem) in try kit.understandsPieces(hello) }
        ),
        (
            "waits for a reader that is slow",
            { kit, hello throws(ConformanceProblem) in try kit.waitsForTheReader(hello) }
        ),
        (
            "says the same when it hears the same",
            { kit, hello throws(ConformanceProblem) in try kit.repeatsItself(hello) }
        ),
        ("goes on from its own state", { kit, hello throws(ConformanceProblem) in try kit.goesOn(hello) }),
        ("ends with status 0 when asked to", { kit, hello throws(ConformanceProblem) in try kit.endsWhenAsked(hello) }),
        (
            "ends when its input ends without a word",
            { kit, hello throws(ConformanceProblem) in try kit.endsWithItsInput(hello) }
        ),
    ]
}

/// What a program does wrong, for its author.
struct ConformanceProblem: Error, Equatable {
    let text: String
    init(_ text: String) { self.text = text }
}
