/// Which fields of a record a reader wants: only their columns are decompressed.
package struct FieldSet: OptionSet, Hashable, Sendable {
    /// Bit n stands for the column numbered n.
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    private init(_ columns: ColumnID...) {
        rawValue = columns.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }
    /// Whether a column is among the wanted ones.
    package func holds(_ column: ColumnID) -> Bool { rawValue & 1 << UInt64(column.rawValue) != 0 }

    package static let flowStartMilliseconds = FieldSet(.flowStartMilliseconds)
    package static let flowEndMilliseconds = FieldSet(.flowEndMilliseconds)
    package static let exportMilliseconds = FieldSet(.exportMilliseconds)
    package static let receiveMilliseconds = FieldSet(.receiveMilliseconds)
    package static let sourceIPAddress = FieldSet(.sourceHigh, .sourceLow)
    package static let destinationIPAddress = FieldSet(.destinationHigh, .destinationLow)
    package static let ipNextHopAddress = FieldSet(.nextHopHigh, .nextHopLow)
    package static let octetDeltaCount = FieldSet(.octetDeltaCount)
    package static let packetDeltaCount = FieldSet(.packetDeltaCount)
    package static let deltaFlowCount = FieldSet(.deltaFlowCount)
    package static let protocolIdentifier = FieldSet(.protocolIdentifier)
    package static let sourceTransportPort = FieldSet(.sourceTransportPort)
    package static let destinationTransportPort = FieldSet(.destinationTransportPort)
    package static let tcpControlBits = FieldSet(.tcpControlBits)
    package static let ipClassOfService = FieldSet(.ipClassOfService)
    package static let ingressInterface = FieldSet(.ingressInterface)
    package static let egressInterface = FieldSet(.egressInterface)
    package static let bgpSourceAsNumber = FieldSet(.bgpSourceAsNumber)
    package static let bgpDestinationAsNumber = FieldSet(.bgpDestinationAsNumber)
    package static let sourceIPPrefixLength = FieldSet(.sourceIPPrefixLength)
    package static let destinationIPPrefixLength = FieldSet(.destinationIPPrefixLength)
    package static let vlanId = FieldSet(.vlanId)
    package static let flowDirection = FieldSet(.flowDirection)
    package static let samplingInterval = FieldSet(.samplingInterval)
    package static let flags = FieldSet(.flags)
    package static let exporter = FieldSet(.exporter)
    /// Elements without a column of their own, other observers, counts of distinct values: with what is in the side
    /// stores.
    package static let extras = FieldSet(.extra)
    package static let observers = FieldSet(.observers)
    package static let sketch = FieldSet(.sketch)

    /// Octets, packets and flows.
    package static let counters: FieldSet = [.octetDeltaCount, .packetDeltaCount, .deltaFlowCount]
    static let addresses: FieldSet = [.sourceIPAddress, .destinationIPAddress]
    static let asNumbers: FieldSet = [.bgpSourceAsNumber, .bgpDestinationAsNumber]
    static let prefixLengths: FieldSet = [.sourceIPPrefixLength, .destinationIPPrefixLength]
    static let endpoints: FieldSet = [.addresses, .asNumbers, .prefixLengths]
    static let ports: FieldSet = [.sourceTransportPort, .destinationTransportPort]
    static let interfaces: FieldSet = [.ingressInterface, .egressInterface]
    static let byConversation: FieldSet = [.endpoints, .protocolIdentifier, .ports, .interfaces, .vlanId]
    package static let all = FieldSet(rawValue: .max)
}
