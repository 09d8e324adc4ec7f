internal import BatchFormat

/// The parts' numbers: never reused, never changed. Those of columns are the columns' own (see BatchFormat).
enum SegmentPart: UInt8, CaseIterable {
    case flowStartMilliseconds = 1, flowEndMilliseconds, exportMilliseconds, receiveMilliseconds
    case sourceHigh, sourceLow, destinationHigh, destinationLow, nextHopHigh, nextHopLow
    case octetDeltaCount, packetDeltaCount, deltaFlowCount
    case protocolIdentifier, sourceTransportPort, destinationTransportPort, tcpControlBits, ipClassOfService
    case ingressInterface, egressInterface, bgpSourceAsNumber, bgpDestinationAsNumber
    case sourceIPPrefixLength, destinationIPPrefixLength, vlanId, flowDirection, samplingInterval, flags, exporter
    /// Extra elements, observers and sketches, as batches.
    case details = 50
    /// Each row's number in the head's list of origins.
    case origin = 60
    /// Each row: 1 if it is the first of its conversation, 2 if it goes from the server.
    case turns
    /// Each row: its number in the tables of arrivals, as the difference from the row before.
    case arrivals
    /// Each conversation.
    case clients, servers, services, clientPorts

    /// Each arrival.
    case arrivalReceive = 70, arrivalExport, arrivalExporter, arrivalOrigin
    /// Each endpoint.
    case endpointHigh = 80, endpointLow, endpointASNumber, endpointPrefixLength, endpointInterface
    case endpointNextHopHigh, endpointNextHopLow
    /// Where the blocks of the list of endpoints are.
    case endpointBlocks

    init?(_ column: ColumnID) { self.init(rawValue: column.rawValue) }

    /// What has a word.
    enum Level {
        /// A row: in each block as many words as rows.
        case row
        /// A conversation: in each block at most as many words as rows.
        case conversation
        /// An endpoint: a frame for each block of the list of them, which `directory` finds.
        case endpoint, directory
        /// An arrival: one frame for the whole segment.
        case arrival
        /// Nothing: the part has bounds only, its values follow from others.
        case bounds
        /// Batches.
        case details
    }
    var level: Level {
        switch self {
        case .flowStartMilliseconds, .flowEndMilliseconds, .nextHopHigh, .nextHopLow, .octetDeltaCount,
            .packetDeltaCount, .deltaFlowCount, .tcpControlBits, .ipClassOfService, .ingressInterface,
            .egressInterface, .vlanId, .flowDirection, .samplingInterval, .flags, .turns, .arrivals:
            .row
        case .protocolIdentifier, .clients, .servers, .services, .clientPorts: .conversation
        case .exportMilliseconds, .receiveMilliseconds, .sourceHigh, .sourceLow, .destinationHigh, .destinationLow,
            .sourceTransportPort, .destinationTransportPort, .bgpSourceAsNumber, .bgpDestinationAsNumber,
            .sourceIPPrefixLength, .destinationIPPrefixLength, .exporter, .origin:
            .bounds
        case .arrivalReceive, .arrivalExport, .arrivalExporter, .arrivalOrigin: .arrival
        case .endpointHigh, .endpointLow, .endpointASNumber, .endpointPrefixLength, .endpointInterface,
            .endpointNextHopHigh, .endpointNextHopLow:
            .endpoint
        case .endpointBlocks: .directory
        case .details: .details
        }
    }

    /// Octets of one word.
    var width: Int {
        switch self {
        case .details, .turns, .endpointPrefixLength, .endpointBlocks: 1
        case .origin, .arrivalOrigin, .services, .clientPorts: 2
        case .arrivals, .clients, .servers, .arrivalExporter, .endpointASNumber, .endpointInterface: 4
        case .arrivalReceive, .arrivalExport, .endpointHigh, .endpointLow, .endpointNextHopHigh, .endpointNextHopLow:
            8
        default: ColumnID(rawValue: rawValue)?.width ?? 8
        }
    }
}
