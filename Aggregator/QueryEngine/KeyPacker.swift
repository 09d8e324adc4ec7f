internal import FlowModel
internal import Identity

/// Writes the keys of chosen rows of a block into entries, a key at a time.
struct KeyPacker {
    let layout: KeyLayout
    let stride: Int

    /// - Parameters:
    ///   - rows: of the block; the entry of `rows[n]` begins at word `n * stride` of `entries`, and is zero.
    ///   - numbers: what the block's exporters, sensors and sites are called.
    func pack(
        _ block: RowBlock, _ rows: Span<Int32>, _ numbers: BlockNumbers,
        into entries: inout MutableSpan<UInt64>
    ) {
        for place in layout.places { pack(place, block, rows, numbers, into: &entries) }
    }

    private func pack(
        _ place: KeyLayout.Place, _ block: RowBlock, _ rows: Span<Int32>, _ numbers: BlockNumbers,
        into entries: inout MutableSpan<UInt64>
    ) {
        switch place.part {
        case .high(let end, let mask):
            let words = block.columns.words(end).high
            let span = words.span
            write(place, rows, &entries) { span[$0] & mask }
        case .low(let end, let mask, let v4):
            let (high, low) = block.columns.words(end)
            let highs = high.span, lows = low.span
            write(place, rows, &entries) { row in
                let isV4 = highs[row] == 0 && lows[row] >> 32 == 0xFFFF
                return lows[row] & (isV4 ? v4 : mask)
            }
        case .v4(let end, let mask):
            let words = block.columns.words(end).low
            let span = words.span
            write(place, rows, &entries) { span[$0] & mask }
        case .number(let key): pack(key, place, block, rows, numbers, into: &entries)
        }
    }

    private func pack(
        _ key: FlowKey, _ place: KeyLayout.Place, _ block: RowBlock, _ rows: Span<Int32>,
        _ numbers: BlockNumbers, into entries: inout MutableSpan<UInt64>
    ) {
        let columns = block.columns
        switch key {
        case .sourceTransportPort: write(columns.sourceTransportPort, place, rows, &entries)
        case .destinationTransportPort: write(columns.destinationTransportPort, place, rows, &entries)
        case .protocolIdentifier: write(columns.protocolIdentifier, place, rows, &entries)
        case .sourceAS: write(columns.bgpSourceAsNumber, place, rows, &entries)
        case .destinationAS: write(columns.bgpDestinationAsNumber, place, rows, &entries)
        case .ingressInterface: write(columns.ingressInterface, place, rows, &entries)
        case .egressInterface: write(columns.egressInterface, place, rows, &entries)
        case .tcpControlBits: write(columns.tcpControlBits, place, rows, &entries)
        case .vlan: write(columns.vlanId, place, rows, &entries)
        case .direction: write(columns.flowDirection, place, rows, &entries)
        case .codePoint:
            let classes = columns.ipClassOfService
            let span = classes.span
            write(place, rows, &entries) { UInt64(span[$0] >> 2) }
        case .service: packService(columns, place, rows, &entries)
        case .exporter:
            let exporters = columns.exporter, names = numbers.exporters
            let span = exporters.span, known = names.span
            write(place, rows, &entries) { UInt64(known[Int(span[$0])]) }
        case .sensor: packSensor(block.sensors, numbers.sensors, place, rows, &entries)
        case .site: packSensor(block.sensors, numbers.sites, place, rows, &entries)
        case .family:
            let highs = columns.sourceHigh, lows = columns.sourceLow
            write(place, rows, &entries) { row in
                let address = IPAddress(high: highs[row], low: lows[row])
                return address.isV4 ? 4 : address.isAbsent ? 0 : 6
            }
        case .sourceCountry(let table): packPlaces(.source, columns, place, rows, &entries) { table.place($0).country }
        case .destinationCountry(let table):
            packPlaces(.destination, columns, place, rows, &entries) { table.place($0).country }
        case .sourceSystem(let table): packPlaces(.source, columns, place, rows, &entries) { table.place($0).system }
        case .destinationSystem(let table):
            packPlaces(.destination, columns, place, rows, &entries) { table.place($0).system }
        case .time(let period):
            let ends = columns.flowEndMilliseconds
            write(place, rows, &entries) { KeyTime.word(ends[$0], period: period) }
        case .sourceAddress, .destinationAddress, .nextHop, .sourceNetwork, .destinationNetwork: return
        }
    }

    /// Rows of one address often follow each other: the table is asked once for them.
    private func packPlaces(
        _ end: AddressEnd, _ columns: FlowColumns, _ place: KeyLayout.Place, _ rows: Span<Int32>,
        _ entries: inout MutableSpan<UInt64>, _ value: (IPAddress) -> some BinaryInteger
    ) {
        let (highs, lows) = columns.words(end)
        let high = highs.span, low = lows.span
        var last = IPAddress.absent, known = UInt64(0)
        write(place, rows, &entries) { row in
            let address = IPAddress(high: high[row], low: low[row])
            if address != last {
                last = address
                known = address.isAbsent ? 0 : UInt64(truncatingIfNeeded: value(address))
            }
            return known
        }
    }
    private func packService(
        _ columns: FlowColumns, _ place: KeyLayout.Place, _ rows: Span<Int32>, _ entries: inout MutableSpan<UInt64>
    ) {
        let sources = columns.sourceTransportPort, destinations = columns.destinationTransportPort
        let protocols = columns.protocolIdentifier
        let source = sources.span, destination = destinations.span, number = protocols.span
        write(place, rows, &entries) { row in
            let port = FlowService.port(
                protocolIdentifier: number[row], source: source[row], destination: destination[row])
            return UInt64(number[row]) << 16 | UInt64(port)
        }
    }
    private func packSensor(
        _ sensors: RowSensors, _ names: [UInt32], _ place: KeyLayout.Place, _ rows: Span<Int32>,
        _ entries: inout MutableSpan<UInt64>
    ) {
        let known = names.span
        switch sensors {
        case .one:
            let only = UInt64(known[0])
            write(place, rows, &entries) { _ in only }
        case .each(let numbers, _):
            let span = numbers.span
            write(place, rows, &entries) { UInt64(known[Int(span[$0])]) }
        }
    }

    private func write<Word: FixedWidthInteger & UnsignedInteger>(
        _ column: [Word], _ place: KeyLayout.Place, _ rows: Span<Int32>, _ entries: inout MutableSpan<UInt64>
    ) {
        let span = column.span
        write(place, rows, &entries) { UInt64(span[$0]) }
    }
    @inline(__always)
    private func write(
        _ place: KeyLayout.Place, _ rows: Span<Int32>, _ entries: inout MutableSpan<UInt64>, _ value: (Int) -> UInt64
    ) {
        var at = place.word
        for number in rows.indices {
            entries[at] |= value(Int(rows[number])) &<< place.shift
            at &+= stride
        }
    }
}

/// What a block's exporters, sensors and sites are called in a question: a number for each of the block's numbers.
struct BlockNumbers {
    var exporters: [UInt32] = [], sensors: [UInt32] = [], sites: [UInt32] = []

    init(_ block: RowBlock, _ keys: [FlowKey], _ names: inout KeyNames) {
        if keys.contains(.exporter) {
            for exporter in block.columns.exporters { exporters.append(names.number(of: exporter)) }
        }
        if keys.contains(.sensor) {
            for sensor in block.sensors.all { sensors.append(names.number(of: sensor)) }
        }
        if keys.contains(.site) {
            for sensor in block.sensors.all { sites.append(names.number(ofSite: sensor.site)) }
        }
    }
}

/// A time's period as a number of 48 bits. Times that no clock shows are moved to the ends of what fits.
enum KeyTime {
    private static let base: Int64 = 1 << 47

    @inline(__always)
    static func word(_ time: Int64, period: Int64) -> UInt64 {
        let period = max(period, 1)
        let (quotient, rest) = time.quotientAndRemainder(dividingBy: period)
        let floor = rest < 0 ? quotient - 1 : quotient
        return UInt64(min(max(floor, -base), base - 1) + base)
    }
    static func time(_ word: UInt64, period: Int64) -> Int64 {
        let (time, overflows) = (Int64(word) - base).multipliedReportingOverflow(by: max(period, 1))
        return overflows ? (Int64(word) < base ? .min : .max) : time
    }
}

extension FlowColumns {
    func words(_ end: AddressEnd) -> (high: [UInt64], low: [UInt64]) {
        switch end {
        case .source: (sourceHigh, sourceLow)
        case .destination: (destinationHigh, destinationLow)
        case .nextHop: (nextHopHigh, nextHopLow)
        }
    }
}
