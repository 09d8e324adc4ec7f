internal import Dedupe
package import FlowModel

/// What dedupe across observers has found since the start: `DedupeReport`s added up.
package struct DedupeTotals: Sendable, Equatable {
    package private(set) var rows: UInt64 = 0
    package private(set) var savings = Tally()
    package private(set) var disputed: UInt64 = 0
    package private(set) var memoryEvictions: UInt64 = 0

    package init() {}
    mutating func add(_ report: DedupeReport) {
        rows &+= report.rows
        savings += report.savings
        disputed &+= report.disputed
        memoryEvictions &+= report.memoryEvictions
    }
}
