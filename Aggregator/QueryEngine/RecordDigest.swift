internal import FlowModel
internal import Identity

/// 128 bits that stand for all that a record says: its fields, exporter, sensor, further elements, other observers and
/// counts. The same for the same record wherever it lies.
package struct RecordDigest: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// The digests of a block's rows: names are digested once.
struct RowDigests {
    private let exporters: [UInt64]
    private let sensors: [UInt64]

    init(_ block: RowBlock) {
        exporters = block.columns.exporters.map { exporter in
            var mixer = Mixer()
            mixer.add(exporter.address.high)
            mixer.add(exporter.address.low)
            mixer.add(UInt64(exporter.observationDomain) << 8 | UInt64(exporter.exportProtocol.rawValue))
            return mixer.first
        }
        sensors = block.sensors.all.map { sensor in
            var mixer = Mixer()
            mixer.add(Array("\(sensor.site)\n\(sensor.name)".utf8))
            return mixer.first
        }
    }

    func position(_ block: RowBlock, _ row: Int) -> RecordPosition {
        let columns = block.columns
        var mixer = Mixer()
        for word in [
            columns.sourceHigh[row], columns.sourceLow[row], columns.destinationHigh[row], columns.destinationLow[row],
            columns.nextHopHigh[row], columns.nextHopLow[row], columns.octetDeltaCount[row],
            columns.packetDeltaCount[row], UInt64(bitPattern: columns.flowStartMilliseconds[row]),
            UInt64(bitPattern: columns.exportMilliseconds[row]),
            UInt64(columns.deltaFlowCount[row]) << 32 | UInt64(columns.samplingInterval[row].bitPattern),
            UInt64(columns.ingressInterface[row]) << 32 | UInt64(columns.egressInterface[row]),
            UInt64(columns.bgpSourceAsNumber[row]) << 32 | UInt64(columns.bgpDestinationAsNumber[row]),
            UInt64(columns.sourceTransportPort[row]) << 48 | UInt64(columns.destinationTransportPort[row]) << 32
                | UInt64(columns.tcpControlBits[row]) << 16 | UInt64(columns.vlanId[row]),
        ] {
            mixer.add(word)
        }
        let small = [
            columns.protocolIdentifier[row], columns.ipClassOfService[row], columns.sourceIPPrefixLength[row],
            columns.destinationIPPrefixLength[row], columns.flowDirection[row], columns.flags[row],
        ]
        mixer.add(small.reduce(0) { $0 << 8 | UInt64($1) })
        mixer.add(exporters[Int(columns.exporter[row])])
        mixer.add(sensors[block.sensors.number(ofRow: row)])
        addSides(columns, row, &mixer)
        return RecordPosition(
            flowEndMilliseconds: columns.flowEndMilliseconds[row],
            receiveMilliseconds: columns.receiveMilliseconds[row], digest: mixer.digest, copy: 0)
    }

    private func addSides(_ columns: FlowColumns, _ row: Int, _ mixer: inout Mixer) {
        guard columns.extra[row] | columns.observers[row] | columns.sketch[row] != 0 else { return }
        for value in columns.extras.values(at: columns.extra[row]) {
            mixer.add(UInt64(value.element.enterprise) << 16 | UInt64(value.element.id))
            mixer.add(value.octets)
        }
        // A set: in no order, as its numbers differ from columns to columns.
        var observers: UInt64 = 0
        for number in columns.observerSets.set(at: columns.observers[row]) where Int(number) < exporters.count {
            observers &+= exporters[Int(number)]
        }
        mixer.add(observers)
        guard let pair = columns.sketches.pair(at: columns.sketch[row]) else { return }
        for sketch in [pair.ports, pair.peers] { mixer.add((0..<64).map { sketch.registers[$0] }) }
    }
}

/// Two hashes of the same words with secrets of their own. The secrets are no secrets: nobody gains by a collision, as
/// it only moves a record of the same two times.
private struct Mixer {
    private(set) var first: UInt64 = 0x2D35_8DCC_AA6C_78A5
    private var second: UInt64 = 0x8BB8_4B93_962E_ACC9

    mutating func add(_ word: UInt64) {
        first = ConversationHash.fold(first ^ word, 0x9E37_79B9_7F4A_7C15)
        second = ConversationHash.fold(second ^ word, 0xD1B5_4A32_D192_ED03)
    }
    mutating func add(_ octets: [UInt8]) {
        add(UInt64(octets.count))
        var word: UInt64 = 0
        for (place, octet) in octets.enumerated() {
            word = word << 8 | UInt64(octet)
            if place & 7 == 7 { add(word) }
        }
        add(word)
    }
    var digest: RecordDigest { RecordDigest(high: first, low: second) }
}
