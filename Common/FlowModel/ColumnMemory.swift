/// Where the columns' storage begins, for who writes many columns a few rows at a time: to write into an array is to
/// ask first whether its storage is shared, and for ten rows of thirty columns the questions are most of it.
///
/// Writing through these pointers is as if it were done to the columns, whose count must have been extended over the
/// rows. Good from `secureMemory` on until the columns are copied, assigned to or have a column replaced; growing is
/// seen to by `extend`. An array that was taken out of the columns by itself keeps its rows; what it holds behind the
/// columns' count may change.
@safe package struct ColumnMemory: @unchecked Sendable {
    /// Elements of each column; 0 before there is any.
    package fileprivate(set) var capacity = 0
    package fileprivate(set) var sourceHigh, sourceLow, destinationHigh, destinationLow, nextHopHigh, nextHopLow,
        octetDeltaCount, packetDeltaCount: UnsafeMutablePointer<UInt64>?
    package fileprivate(set) var flowStartMilliseconds, flowEndMilliseconds, exportMilliseconds,
        receiveMilliseconds: UnsafeMutablePointer<Int64>?
    package fileprivate(set) var deltaFlowCount, ingressInterface, egressInterface, bgpSourceAsNumber,
        bgpDestinationAsNumber, exporter, extra, observers, sketch: UnsafeMutablePointer<UInt32>?
    package fileprivate(set) var samplingInterval: UnsafeMutablePointer<Float>?
    package fileprivate(set) var sourceTransportPort, destinationTransportPort, tcpControlBits,
        vlanId: UnsafeMutablePointer<UInt16>?
    package fileprivate(set) var protocolIdentifier, ipClassOfService, sourceIPPrefixLength,
        destinationIPPrefixLength, flowDirection, flags: UnsafeMutablePointer<UInt8>?

    init() {}

    /// Of columns that share nothing: those that do get storage of their own.
    fileprivate init(_ columns: inout FlowColumns) {
        capacity = columns.capacity
        unsafe sourceHigh = start(&columns.sourceHigh)
        unsafe sourceLow = start(&columns.sourceLow)
        unsafe destinationHigh = start(&columns.destinationHigh)
        unsafe destinationLow = start(&columns.destinationLow)
        unsafe nextHopHigh = start(&columns.nextHopHigh)
        unsafe nextHopLow = start(&columns.nextHopLow)
        unsafe octetDeltaCount = start(&columns.octetDeltaCount)
        unsafe packetDeltaCount = start(&columns.packetDeltaCount)
        unsafe flowStartMilliseconds = start(&columns.flowStartMilliseconds)
        unsafe flowEndMilliseconds = start(&columns.flowEndMilliseconds)
        unsafe exportMilliseconds = start(&columns.exportMilliseconds)
        unsafe receiveMilliseconds = start(&columns.receiveMilliseconds)
        unsafe deltaFlowCount = start(&columns.deltaFlowCount)
        unsafe ingressInterface = start(&columns.ingressInterface)
        unsafe egressInterface = start(&columns.egressInterface)
        unsafe bgpSourceAsNumber = start(&columns.bgpSourceAsNumber)
        unsafe bgpDestinationAsNumber = start(&columns.bgpDestinationAsNumber)
        unsafe exporter = start(&columns.exporter)
        unsafe extra = start(&columns.extra)
        unsafe observers = start(&columns.observers)
        unsafe sketch = start(&columns.sketch)
        unsafe samplingInterval = start(&columns.samplingInterval)
        unsafe sourceTransportPort = start(&columns.sourceTransportPort)
        unsafe destinationTransportPort = start(&columns.destinationTransportPort)
        unsafe tcpControlBits = start(&columns.tcpControlBits)
        unsafe vlanId = start(&columns.vlanId)
        unsafe protocolIdentifier = start(&columns.protocolIdentifier)
        unsafe ipClassOfService = start(&columns.ipClassOfService)
        unsafe sourceIPPrefixLength = start(&columns.sourceIPPrefixLength)
        unsafe destinationIPPrefixLength = start(&columns.destinationIPPrefixLength)
        unsafe flowDirection = start(&columns.flowDirection)
        unsafe flags = start(&columns.flags)
    }
}

/// Held by the columns that the memory is of: held by two, they were copied.
final class MemoryOwner: Sendable {}

extension FlowColumns {
    /// Makes `memory` right. It stays so as long as nobody else has the columns.
    package mutating func secureMemory() {
        if isKnownUniquelyReferenced(&memoryOwner), isMemoryRight() { return }
        memoryOwner = MemoryOwner()
        memory = ColumnMemory(&self)
    }

    /// Whether each column is where it was.
    private mutating func isMemoryRight() -> Bool {
        guard memory.capacity == capacity else { return false }
        var moved: UInt = 0
        unsafe moved |= distance(memory.sourceHigh, sourceHigh)
        unsafe moved |= distance(memory.sourceLow, sourceLow)
        unsafe moved |= distance(memory.destinationHigh, destinationHigh)
        unsafe moved |= distance(memory.destinationLow, destinationLow)
        unsafe moved |= distance(memory.nextHopHigh, nextHopHigh)
        unsafe moved |= distance(memory.nextHopLow, nextHopLow)
        unsafe moved |= distance(memory.octetDeltaCount, octetDeltaCount)
        unsafe moved |= distance(memory.packetDeltaCount, packetDeltaCount)
        unsafe moved |= distance(memory.flowStartMilliseconds, flowStartMilliseconds)
        unsafe moved |= distance(memory.flowEndMilliseconds, flowEndMilliseconds)
        unsafe moved |= distance(memory.exportMilliseconds, exportMilliseconds)
        unsafe moved |= distance(memory.receiveMilliseconds, receiveMilliseconds)
        unsafe moved |= distance(memory.deltaFlowCount, deltaFlowCount)
        unsafe moved |= distance(memory.ingressInterface, ingressInterface)
        unsafe moved |= distance(memory.egressInterface, egressInterface)
        unsafe moved |= distance(memory.bgpSourceAsNumber, bgpSourceAsNumber)
        unsafe moved |= distance(memory.bgpDestinationAsNumber, bgpDestinationAsNumber)
        unsafe moved |= distance(memory.exporter, exporter)
        unsafe moved |= distance(memory.extra, extra)
        unsafe moved |= distance(memory.observers, observers)
        unsafe moved |= distance(memory.sketch, sketch)
        unsafe moved |= distance(memory.samplingInterval, samplingInterval)
        unsafe moved |= distance(memory.sourceTransportPort, sourceTransportPort)
        unsafe moved |= distance(memory.destinationTransportPort, destinationTransportPort)
        unsafe moved |= distance(memory.tcpControlBits, tcpControlBits)
        unsafe moved |= distance(memory.vlanId, vlanId)
        unsafe moved |= distance(memory.protocolIdentifier, protocolIdentifier)
        unsafe moved |= distance(memory.ipClassOfService, ipClassOfService)
        unsafe moved |= distance(memory.sourceIPPrefixLength, sourceIPPrefixLength)
        unsafe moved |= distance(memory.destinationIPPrefixLength, destinationIPPrefixLength)
        unsafe moved |= distance(memory.flowDirection, flowDirection)
        unsafe moved |= distance(memory.flags, flags)
        return moved == 0
    }
}

private func start<Element>(_ column: inout [Element]) -> UnsafeMutablePointer<Element>? {
    var span = column.mutableSpan
    return unsafe span.withUnsafeMutableBufferPointer { $0.baseAddress }
}
@inline(__always)
private func distance<Element>(_ start: UnsafeMutablePointer<Element>?, _ column: [Element]) -> UInt {
    unsafe column.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) ^ UInt(bitPattern: start) }
}
