/// The row view: one record in, one record out. Convenient and slow; the data path works on whole columns.
extension FlowColumns {
    /// The record of `row`, which must be below `count`.
    package subscript(row: Int) -> FlowRecord {
        get {
            precondition(row < count, "row \(row) of \(count)")
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(high: sourceHigh[row], low: sourceLow[row])
            record.destinationIPAddress = IPAddress(high: destinationHigh[row], low: destinationLow[row])
            record.ipNextHopAddress = IPAddress(high: nextHopHigh[row], low: nextHopLow[row])
            record.octetDeltaCount = octetDeltaCount[row]
            record.packetDeltaCount = packetDeltaCount[row]
            record.flowStartMilliseconds = flowStartMilliseconds[row]
            record.flowEndMilliseconds = flowEndMilliseconds[row]
            record.exportMilliseconds = exportMilliseconds[row]
            record.receiveMilliseconds = receiveMilliseconds[row]
            record.deltaFlowCount = deltaFlowCount[row]
            record.ingressInterface = ingressInterface[row]
            record.egressInterface = egressInterface[row]
            record.bgpSourceAsNumber = bgpSourceAsNumber[row]
            record.bgpDestinationAsNumber = bgpDestinationAsNumber[row]
            record.exporter = exporter[row]
            record.extra = extra[row]
            record.observers = observers[row]
            record.sketch = sketch[row]
            record.samplingInterval = samplingInterval[row]
            record.sourceTransportPort = sourceTransportPort[row]
            record.destinationTransportPort = destinationTransportPort[row]
            record.tcpControlBits = tcpControlBits[row]
            record.vlanId = vlanId[row]
            record.protocolIdentifier = protocolIdentifier[row]
            record.ipClassOfService = ipClassOfService[row]
            record.sourceIPPrefixLength = sourceIPPrefixLength[row]
            record.destinationIPPrefixLength = destinationIPPrefixLength[row]
            record.flowDirection = flowDirection[row] &- Self.directionBase
            record.flags = RecordFlags(rawValue: flags[row])
            return record
        }
        set {
            precondition(row < count, "row \(row) of \(count)")
            (sourceHigh[row], sourceLow[row]) = (newValue.sourceIPAddress.high, newValue.sourceIPAddress.low)
            (destinationHigh[row], destinationLow[row]) = (
                newValue.destinationIPAddress.high, newValue.destinationIPAddress.low
            )
            (nextHopHigh[row], nextHopLow[row]) = (newValue.ipNextHopAddress.high, newValue.ipNextHopAddress.low)
            octetDeltaCount[row] = newValue.octetDeltaCount
            packetDeltaCount[row] = newValue.packetDeltaCount
            flowStartMilliseconds[row] = newValue.flowStartMilliseconds
            flowEndMilliseconds[row] = newValue.flowEndMilliseconds
            exportMilliseconds[row] = newValue.exportMilliseconds
            receiveMilliseconds[row] = newValue.receiveMilliseconds
            deltaFlowCount[row] = newValue.deltaFlowCount
            ingressInterface[row] = newValue.ingressInterface
            egressInterface[row] = newValue.egressInterface
            bgpSourceAsNumber[row] = newValue.bgpSourceAsNumber
            bgpDestinationAsNumber[row] = newValue.bgpDestinationAsNumber
            exporter[row] = newValue.exporter
            extra[row] = newValue.extra
            observers[row] = newValue.observers
            sketch[row] = newValue.sketch
            samplingInterval[row] = newValue.samplingInterval
            sourceTransportPort[row] = newValue.sourceTransportPort
            destinationTransportPort[row] = newValue.destinationTransportPort
            tcpControlBits[row] = newValue.tcpControlBits
            vlanId[row] = newValue.vlanId
            protocolIdentifier[row] = newValue.protocolIdentifier
            ipClassOfService[row] = newValue.ipClassOfService
            sourceIPPrefixLength[row] = newValue.sourceIPPrefixLength
            destinationIPPrefixLength[row] = newValue.destinationIPPrefixLength
            flowDirection[row] = newValue.flowDirection &+ Self.directionBase
            flags[row] = newValue.flags.rawValue
        }
    }

    /// Adds one row. `record.exporter` must have come from `intern` on these columns.
    package mutating func append(_ record: FlowRecord) {
        let row = extend(by: 1).lowerBound
        self[row] = record
    }

    /// Adds all rows of `other`, translating its exporters.
    /// - Returns: false, and nothing added, when the exporters of both do not fit.
    package mutating func append(contentsOf other: FlowColumns) -> Bool {
        var translated: [UInt32] = []
        for key in other.exporters {
            guard let index = intern(key) else { return false }
            translated.append(index)
        }
        for row in other.rows {
            var record = other[row]
            record.exporter = translated[Int(record.exporter)]
            record.extra = extras.copy(record.extra, from: other.extras)
            record.observers = observerSets.copy(record.observers, from: other.observerSets, translated)
            record.sketch = sketches.copy(record.sketch, from: other.sketches)
            append(record)
        }
        return true
    }

    /// What `rows` carry together; those that another observer's records stand for don't count.
    package func tally(of rows: Range<Int>) -> Tally {
        var sum = Tally()
        let flows = deltaFlowCount.span.extracting(rows), octets = octetDeltaCount.span.extracting(rows)
        let packets = packetDeltaCount.span.extracting(rows), flags = self.flags.span.extracting(rows)
        let elsewhere = RecordFlags.observedElsewhere.rawValue
        var anySet: UInt8 = 0
        for row in 0..<flags.count { anySet |= flags[row] }
        if anySet & elsewhere == 0 {  // as most: then the sums run on vectors
            for row in 0..<flows.count { sum.flows &+= UInt64(flows[row]) }
            for row in 0..<octets.count { sum.octets &+= octets[row] }
            for row in 0..<packets.count { sum.packets &+= packets[row] }
            return sum
        }
        for row in 0..<flags.count where flags[row] & elsewhere == 0 {
            sum.flows &+= UInt64(flows[row])
            sum.octets &+= octets[row]
            sum.packets &+= packets[row]
        }
        return sum
    }
    package var tally: Tally { tally(of: rows) }
    package func exporterKey(ofRow row: Int) -> ExporterKey { exporters[Int(exporter[row])] }
}

extension FlowColumns: Equatable {
    /// Same rows in the same order, from the same exporters; storage beyond them does not count.
    package static func == (a: FlowColumns, b: FlowColumns) -> Bool {
        a.count == b.count && a.exporters == b.exporters && a.rows.allSatisfy { a.isRow($0, equalIn: b) }
    }
    private func isRow(_ row: Int, equalIn other: FlowColumns) -> Bool {
        var mine = self[row], its = other[row]
        let same =
            extras.values(at: mine.extra) == other.extras.values(at: its.extra)
            && observerSets.set(at: mine.observers) == other.observerSets.set(at: its.observers)
            && sketches.pair(at: mine.sketch) == other.sketches.pair(at: its.sketch)
        (mine.extra, mine.observers, mine.sketch) = (0, 0, 0)
        (its.extra, its.observers, its.sketch) = (0, 0, 0)
        return same && mine == its
    }
}
