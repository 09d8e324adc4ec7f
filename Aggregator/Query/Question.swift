package import FlowModel
package import Identity

/// What records can be grouped by.
package enum FlowKey: String, CaseIterable, Hashable, Sendable {
    /// The source or destination address, of either family.
    case sourceAddress, destinationAddress
    case sourceTransportPort, destinationTransportPort, protocolIdentifier
    /// Who exported the record: address, observation domain, protocol.
    case exporter

    /// By IPFIX's name; the names of both address families stand for the address.
    package init?(name: some StringProtocol) {
        switch String(name) {
        case "sourceIPv4Address", "sourceIPv6Address": self = .sourceAddress
        case "destinationIPv4Address", "destinationIPv6Address": self = .destinationAddress
        case let other:
            guard let key = FlowKey(rawValue: other) else { return nil }
            self = key
        }
    }
}

/// What groups are ordered by. Raw values are IPFIX's names.
package enum FlowMeasure: String, CaseIterable, Sendable {
    case octets = "octetDeltaCount", packets = "packetDeltaCount", flows = "deltaFlowCount"

    func value(of tally: Tally) -> UInt64 {
        switch self {
        case .octets: tally.octets
        case .packets: tally.packets
        case .flows: tally.flows
        }
    }
}

/// The key of one group: what it was not grouped by is nil.
package struct FlowGroupKey: Hashable, Sendable {
    package var sourceAddress: IPAddress?
    package var destinationAddress: IPAddress?
    package var sourceTransportPort: UInt16?
    package var destinationTransportPort: UInt16?
    package var protocolIdentifier: UInt8?
    package var exporter: ExporterKey?
    package init() {}
}

/// One line of a top list.
package struct FlowGroup: Equatable, Sendable {
    package let key: FlowGroupKey
    /// Flows, octets and packets as exported, not scaled by the sampling interval.
    package let tally: Tally
    /// Rows that were summed.
    package let rows: UInt64
}

/// An answer to `FlowQuery.top`.
package struct TopAnswer: Equatable, Sendable {
    /// Largest first; equal ones by address and port.
    package var groups: [FlowGroup]
    /// All matching records together.
    package var total: Tally
    /// Groups there are: of those in `other`, none is counted.
    package var groupCount: Int
    /// What belongs to groups that came when the table was full. When it is not zero, a group among them could have
    /// deserved a place.
    package var other: Tally
    package var effort: QueryEffort
}

/// An answer to `FlowQuery.records`.
package struct RecordsAnswer: Equatable, Sendable {
    /// Newest first: by flow end, then by log offset and row, all falling.
    package var columns: FlowColumns
    /// The sensor of each row.
    package var sensors: [SensorIdentity]
    /// Where to go on; nil at the end.
    package var next: RecordPosition?
    package var effort: QueryEffort
}

/// What an answer cost, and whether it is whole.
package struct QueryEffort: Equatable, Sendable {
    package var segments = 0
    package var rows = 0
    package var bodyBytes = 0
    /// Segments that could not be decoded, or went away meanwhile: their records are missing from the answer.
    package var unreadable = 0
    /// The budget ended before the history did: older records were not looked at.
    package var isCutShort = false
    package init() {}
}

/// A record's place in the order of `FlowQuery.records`. Its text is opaque to clients, and no secret: it is used
/// within a tenant only.
package struct RecordPosition: Comparable, Hashable, Sendable, CustomStringConvertible {
    package let flowEndMilliseconds: Int64
    package let logOffset: Int64
    /// Row in the batch.
    package let row: Int

    package init(flowEndMilliseconds: Int64, logOffset: Int64, row: Int) {
        self.flowEndMilliseconds = flowEndMilliseconds
        self.logOffset = logOffset
        self.row = row
    }
    package static func < (a: RecordPosition, b: RecordPosition) -> Bool {
        (a.flowEndMilliseconds, a.logOffset, a.row) < (b.flowEndMilliseconds, b.logOffset, b.row)
    }
    package var description: String {
        [flowEndMilliseconds, logOffset, Int64(row)].map { String($0, radix: 36) }.joined(separator: ".")
    }
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).compactMap { Int64($0, radix: 36) }
        guard parts.count == 3, text.utf8.count <= 64, parts[2] >= 0 else { return nil }
        self.init(flowEndMilliseconds: parts[0], logOffset: parts[1], row: Int(parts[2]))
        guard description == text else { return nil }
    }
}

/// How much work one question may be.
package struct QueryBudget: Sendable {
    /// Looked at, matching or not; checked between segments.
    package var rowsMax = 200_000_000
    package var duration = Duration.seconds(30)
    /// Groups a top list keeps apart: about 150 octets each.
    package var groupsMax = 500_000
    package init() {}
}

/// Why there is no answer.
package enum QueryError: Error, Equatable, Sendable {
    /// Too many questions at once. Later.
    case busy
    /// The budget ended before the first record was certain to be the newest: ask for less time.
    case tooMuch(rows: Int)
    case storage(String)
    case cancelled
}
