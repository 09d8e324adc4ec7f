internal import FlowModel
internal import WireBytes

/// What few records have, in texts and a list of their own:
///
///     extra_keys := enterprise << 16 | id of each element, so that a filter finds who has one
///     extras     := (enterprise :4 | id :2 | length :2 | octets) *
///     observers  := (address :16 | domain :4 | protocol :1) *
///     sketch     := ports :64 | peers :64
///
/// All big-endian; empty where a record has none.
enum FlowDetails {
    static func key(_ element: ElementKey) -> UInt64 { UInt64(element.enterprise) << 16 | UInt64(element.id) }

    static func keys(_ columns: FlowColumns) -> [[UInt64]] {
        columns.rows.map { columns.extras.values(at: columns.extra[$0]).map { key($0.element) } }
    }
    static func extras(_ columns: FlowColumns, _ row: Int) -> [UInt8] {
        var octets: [UInt8] = []
        for value in columns.extras.values(at: columns.extra[row]) {
            octets.appendBE(value.element.enterprise)
            octets.appendBE(value.element.id)
            octets.appendValue(value.octets)
        }
        return octets
    }
    static func observers(_ columns: FlowColumns, _ row: Int) -> [UInt8] {
        var octets: [UInt8] = []
        for number in columns.observerSets.set(at: columns.observers[row]) {
            guard columns.exporters.indices.contains(Int(number)) else { continue }
            let key = columns.exporters[Int(number)]
            octets.appendBE(key.address.high)
            octets.appendBE(key.address.low)
            octets.appendBE(key.observationDomain)
            octets.append(key.exportProtocol.rawValue)
        }
        return octets
    }
    static func sketch(_ columns: FlowColumns, _ row: Int) -> [UInt8] {
        guard let pair = columns.sketches.pair(at: columns.sketch[row]) else { return [] }
        return (0..<64).map { pair.ports.registers[$0] } + (0..<64).map { pair.peers.registers[$0] }
    }

    // MARK: Back

    /// Writes what a row's texts say to the side stores of `columns`.
    static func readExtras(_ octets: [UInt8], row: Int, of columns: inout FlowColumns) {
        var values: [ExtraValue] = [], at = 0
        while octets.count - at >= 8 {  // ends: `at` grows
            let (element, length) = octets.withBytes { span in
                (ElementKey(enterprise: span.be32(at: at), id: span.be16(at: at + 4)), Int(span.be16(at: at + 6)))
            }
            guard octets.count - at - 8 >= length else { break }
            values.append(ExtraValue(element, Array(octets[(at + 8)..<(at + 8 + length)])))
            at += 8 + length
        }
        if !values.isEmpty { columns.extra[row] = columns.extras.add(values) }
    }
    static func readObservers(_ octets: [UInt8], row: Int, of columns: inout FlowColumns) {
        var numbers: [UInt32] = []
        for at in stride(from: 0, to: octets.count - octets.count % 21, by: 21) {
            let exporter = octets.withBytes { span in
                ExportProtocol(rawValue: span.u8(at: at + 20)).map {
                    ExporterKey(
                        address: IPAddress(high: span.be64(at: at), low: span.be64(at: at + 8)),
                        observationDomain: span.be32(at: at + 16), exportProtocol: $0)
                }
            }
            if let exporter, let number = columns.intern(exporter) { numbers.append(number) }
        }
        if !numbers.isEmpty { columns.observers[row] = columns.observerSets.place(of: numbers) }
    }
    static func readSketch(_ octets: [UInt8], row: Int, of columns: inout FlowColumns) {
        guard octets.count == 128 else { return }
        var pair = DistinctPair()
        for place in 0..<64 {
            pair.ports.registers[place] = octets[place]
            pair.peers.registers[place] = octets[64 + place]
        }
        columns.sketch[row] = columns.sketches.add(pair)
    }
}
