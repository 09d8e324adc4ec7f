internal import BatchFormat
internal import FlowModel

extension FlowColumns {
    /// Gives the columns of `fields` room for `count` rows, and leaves all others and `count` as they are: fresh memory
    /// for all columns costs more than decoding few of them.
    mutating func makeRoom(for count: Int, _ fields: FieldSet) {
        if fields.holds(.flowStartMilliseconds) { flowStartMilliseconds.makeRoom(for: count) }
        if fields.holds(.flowEndMilliseconds) { flowEndMilliseconds.makeRoom(for: count) }
        if fields.holds(.exportMilliseconds) { exportMilliseconds.makeRoom(for: count) }
        if fields.holds(.receiveMilliseconds) { receiveMilliseconds.makeRoom(for: count) }
        if fields.holds(.sourceHigh) { sourceHigh.makeRoom(for: count) }
        if fields.holds(.sourceLow) { sourceLow.makeRoom(for: count) }
        if fields.holds(.destinationHigh) { destinationHigh.makeRoom(for: count) }
        if fields.holds(.destinationLow) { destinationLow.makeRoom(for: count) }
        if fields.holds(.nextHopHigh) { nextHopHigh.makeRoom(for: count) }
        if fields.holds(.nextHopLow) { nextHopLow.makeRoom(for: count) }
        if fields.holds(.octetDeltaCount) { octetDeltaCount.makeRoom(for: count) }
        if fields.holds(.packetDeltaCount) { packetDeltaCount.makeRoom(for: count) }
        if fields.holds(.deltaFlowCount) { deltaFlowCount.makeRoom(for: count) }
        makeRoomOfRest(for: count, fields)
    }
    private mutating func makeRoomOfRest(for count: Int, _ fields: FieldSet) {
        if fields.holds(.protocolIdentifier) { protocolIdentifier.makeRoom(for: count) }
        if fields.holds(.sourceTransportPort) { sourceTransportPort.makeRoom(for: count) }
        if fields.holds(.destinationTransportPort) { destinationTransportPort.makeRoom(for: count) }
        if fields.holds(.tcpControlBits) { tcpControlBits.makeRoom(for: count) }
        if fields.holds(.ipClassOfService) { ipClassOfService.makeRoom(for: count) }
        if fields.holds(.ingressInterface) { ingressInterface.makeRoom(for: count) }
        if fields.holds(.egressInterface) { egressInterface.makeRoom(for: count) }
        if fields.holds(.bgpSourceAsNumber) { bgpSourceAsNumber.makeRoom(for: count) }
        if fields.holds(.bgpDestinationAsNumber) { bgpDestinationAsNumber.makeRoom(for: count) }
        if fields.holds(.sourceIPPrefixLength) { sourceIPPrefixLength.makeRoom(for: count) }
        if fields.holds(.destinationIPPrefixLength) { destinationIPPrefixLength.makeRoom(for: count) }
        if fields.holds(.vlanId) { vlanId.makeRoom(for: count) }
        if fields.holds(.flowDirection) { flowDirection.makeRoom(for: count) }
        if fields.holds(.samplingInterval) { samplingInterval.makeRoom(for: count) }
        if fields.holds(.flags) { flags.makeRoom(for: count) }
        if fields.holds(.exporter) { exporter.makeRoom(for: count) }
        if fields.holds(.extra) { extra.makeRoom(for: count) }
        if fields.holds(.observers) { observers.makeRoom(for: count) }
        if fields.holds(.sketch) { sketch.makeRoom(for: count) }
    }
}

extension Array where Element: ExpressibleByIntegerLiteral {
    /// At least `count` elements, whatever they are. What was there is not moved to the new room.
    mutating func makeRoom(for count: Int) {
        if self.count < count { self = Array(repeating: 0, count: count) }
    }
}
