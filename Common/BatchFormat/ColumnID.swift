/// The columns' numbers in a body: never reused, never changed. Numbers that a reader doesn't know it skips.
package enum ColumnID: UInt8, CaseIterable, Sendable {
    // One word a row.
    case flowStartMilliseconds = 1, flowEndMilliseconds, exportMilliseconds, receiveMilliseconds
    case sourceHigh, sourceLow, destinationHigh, destinationLow, nextHopHigh, nextHopLow
    case octetDeltaCount, packetDeltaCount, deltaFlowCount
    case protocolIdentifier, sourceTransportPort, destinationTransportPort, tcpControlBits, ipClassOfService
    case ingressInterface, egressInterface, bgpSourceAsNumber, bgpDestinationAsNumber
    case sourceIPPrefixLength, destinationIPPrefixLength, vlanId, flowDirection, samplingInterval, flags, exporter
    // From here on since version 2. Numbers of what is in the side stores, 0 for none.
    case extra, observers, sketch

    /// Each row's conversation (see `ConversationTable`): new, known or mirrored, and which of the known ones.
    case turns = 40, backs
    /// One word an endpoint.
    case endpointHigh, endpointLow, endpointASNumber, endpointPrefixLength
    /// One word a conversation.
    case conversationSource, conversationDestination

    /// The side stores' contents.
    case extraShapes = 50, extraValues, observerSets, sketchPairs

    /// What differs from the first row of the same conversation.
    case ingressDifference = 83, egressDifference
    case vlanDifference = 89

    /// Zeros that bring a very regular batch up to `BatchLimit.bodyBytesMin`; no reader knows this number.
    static let paddingNumber: UInt8 = 255

    /// Those of `FlowColumns`.
    var isColumn: Bool { rawValue <= Self.sketch.rawValue }
    var isInVersion1: Bool { rawValue <= Self.exporter.rawValue }

    /// Octets of one word.
    package var width: Int {
        switch self {
        case .flowStartMilliseconds, .flowEndMilliseconds, .exportMilliseconds, .receiveMilliseconds, .sourceHigh,
            .sourceLow, .destinationHigh, .destinationLow, .nextHopHigh, .nextHopLow, .octetDeltaCount,
            .packetDeltaCount, .endpointHigh, .endpointLow:
            8
        case .deltaFlowCount, .ingressInterface, .egressInterface, .bgpSourceAsNumber, .bgpDestinationAsNumber,
            .samplingInterval, .exporter, .extra, .observers, .sketch, .backs, .endpointASNumber, .conversationSource,
            .conversationDestination, .ingressDifference, .egressDifference:
            4
        case .sourceTransportPort, .destinationTransportPort, .tcpControlBits, .vlanId, .vlanDifference: 2
        case .protocolIdentifier, .ipClassOfService, .sourceIPPrefixLength, .destinationIPPrefixLength, .flowDirection,
            .flags, .turns, .endpointPrefixLength, .extraShapes, .extraValues, .observerSets, .sketchPairs:
            1
        }
    }

    /// Which encodings a reader of `version` takes for this column.
    func allows(_ encoding: ColumnEncoding, version: UInt16) -> Bool {
        switch encoding {
        case .values: true
        case .deltas:
            version == 1
                && (self == .flowStartMilliseconds || self == .exportMilliseconds || self == .receiveMilliseconds)
        case .sinceStart: version == 1 && self == .flowEndMilliseconds
        case .steps: version > 1 && (self == .exportMilliseconds || self == .receiveMilliseconds)
        case .beforeReceive: version > 1 && (self == .exportMilliseconds || self == .flowEndMilliseconds)
        case .beforeEnd: version > 1 && self == .flowStartMilliseconds
        case .perConversation:
            version > 1
                && [
                    .protocolIdentifier, .sourceTransportPort, .destinationTransportPort, .ingressInterface,
                    .egressInterface, .vlanId,
                ].contains(self)
        }
    }
}

/// How a column's values become words; the words are then written as byte planes.
enum ColumnEncoding: UInt8 {
    /// The values themselves.
    case values = 0
    /// The zigzagged difference from the row before, the first from 0. Version 1 only, as is the next.
    case deltas = 1
    /// The zigzagged difference from the same row's `flowStartMilliseconds`.
    case sinceStart = 2
    /// The zigzagged difference from the row before, the first from the head's `receiveMin`.
    case steps = 3
    /// Zigzagged: the same row's `receiveMilliseconds` less the value.
    case beforeReceive = 4
    /// Zigzagged: the same row's `flowEndMilliseconds` less the value.
    case beforeEnd = 5
    /// A word for each conversation, its first row's value.
    case perConversation = 6
}
