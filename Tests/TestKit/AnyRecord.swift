package import FlowModel

extension FlowRecord {
    /// Any bits that the types allow.
    package static func any(using generator: inout some RandomNumberGenerator) -> FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(high: generator.next(), low: generator.next())
        record.destinationIPAddress = IPAddress(high: generator.next(), low: generator.next())
        record.ipNextHopAddress = IPAddress(high: generator.next(), low: generator.next())
        record.octetDeltaCount = generator.next()
        record.packetDeltaCount = generator.next()
        record.deltaFlowCount = generator.next()
        record.flowStartMilliseconds = Int64(bitPattern: generator.next())
        record.flowEndMilliseconds = Int64(bitPattern: generator.next())
        record.exportMilliseconds = Int64(bitPattern: generator.next())
        record.receiveMilliseconds = Int64(bitPattern: generator.next())
        record.sourceTransportPort = generator.next()
        record.destinationTransportPort = generator.next()
        record.protocolIdentifier = generator.next()
        record.tcpControlBits = generator.next()
        record.ipClassOfService = generator.next()
        record.ingressInterface = generator.next()
        record.egressInterface = generator.next()
        record.bgpSourceAsNumber = generator.next()
        record.bgpDestinationAsNumber = generator.next()
        record.sourceIPPrefixLength = generator.next()
        record.destinationIPPrefixLength = generator.next()
        record.vlanId = generator.next()
        record.flowDirection = generator.next()
        record.samplingInterval = Float.random(in: 0...65_536, using: &generator)
        record.flags = RecordFlags(rawValue: generator.next())
        return record
    }
}
