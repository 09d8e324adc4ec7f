package import FlowModel

/// What becomes of a row that another observer's row makes superfluous.
package enum ObserverDedupeMode: String, Sendable, CaseIterable {
    /// Nothing is looked for.
    case off
    /// It stays, with `RecordFlags.observedElsewhere`: readers show it and do not count it.
    case mark
    /// It goes; the canonical row remembers its exporter in `observers`.
    case merge
}

package struct ObserverDedupeSettings: Sendable, Equatable {
    package var mode: ObserverDedupeMode
    /// Exporters that are to be canonical where they see a flow, the best first. Others come after all of these.
    package var preferred: [IPAddress]
    /// How far apart two observers' times of one flow may lie, in ms: for clocks that are not quite right, and for
    /// the path between them. At most a minute.
    package var toleranceMilliseconds: Int64
    /// Conversations that are remembered across windows: the largest power of two that is not above this, at least
    /// 1,024; 64 octets each, taken as they are needed.
    package var conversationsMax: Int
    /// How long a conversation is remembered after its last row, in ms of receive time: as long as the longest active
    /// timeout among exporters, so that its last record still finds the others.
    package var horizonMilliseconds: Int64

    package static let conversationsRange = 1_024...1 << 24
    package static let toleranceRange: ClosedRange<Int64> = 0...60_000
    package static let horizonRange: ClosedRange<Int64> = 1_000...3_600_000

    package init(
        mode: ObserverDedupeMode = .merge, preferred: [IPAddress] = [], toleranceMilliseconds: Int64 = 2_000,
        conversationsMax: Int = 1 << 16, horizonMilliseconds: Int64 = 120_000
    ) {
        self.mode = mode
        self.preferred = preferred
        self.toleranceMilliseconds = Self.clamp(toleranceMilliseconds, to: Self.toleranceRange)
        self.conversationsMax = Self.clamp(conversationsMax, to: Self.conversationsRange)
        self.horizonMilliseconds = Self.clamp(horizonMilliseconds, to: Self.horizonRange)
    }
    private static func clamp<Value: Comparable>(_ value: Value, to range: ClosedRange<Value>) -> Value {
        min(max(value, range.lowerBound), range.upperBound)
    }
}

/// What one window came to.
package struct DedupeReport: Sendable, Equatable {
    /// What was removed (`merge`) or marked (`mark`), by exporter: the ledger's `Loss.observedElsewhere`.
    package var elsewhere: [ExporterKey: Tally] = [:]
    /// Rows removed or marked.
    package var rows: UInt64 = 0
    /// The sum of `elsewhere`: what would have been counted twice.
    package var savings = Tally()
    /// Rows kept although a canonical row overlaps them, because it saw less than half of their packets.
    package var disputed: UInt64 = 0
    /// Rows that can't be told apart by conversation and were left alone: summed ports, refused connections, packet
    /// samples, copies, rows without addresses.
    package var unexamined: UInt64 = 0
    /// Conversations forgotten for want of room before their horizon: their later rows may be counted again.
    package var memoryEvictions: UInt64 = 0
    /// Conversations remembered now.
    package var conversations = 0

    package init() {}
}
