internal import BatchFormat
internal import FilterLanguage
internal import FlowModel
internal import Identity
internal import InformationElements

/// One condition on one column, or on a value made of a few, for all rows of a block at once.
enum ColumnTest: Sendable {
    /// A column of unsigned numbers. `flowDirection` is one higher than in records.
    case words(ColumnID, WordSet)
    /// A column of times: signed, ms since 1970 UTC.
    case time(ColumnID, [ClosedRange<Int64>])
    /// `column & mask == set`, of `flags` or `tcpControlBits`.
    case bits(ColumnID, mask: UInt16, set: UInt16)
    case address(AddressEnd, AddressRanges)
    /// A number that no column holds by itself.
    case derived(NumberField, WordSet)
    case sampled
    case exporter(ExporterTest)
    case sensor(SensorTest)
    case element(ElementTest)
}

enum AddressEnd: Sendable {
    case source, destination, nextHop
}

/// About the exporter of a record: answered once for each exporter of a block.
enum ExporterTest: Sendable {
    case address(AddressSet)
    case domain(NumberSet)
    case exportProtocol(Set<String>)

    func holds(_ exporter: ExporterKey) -> Bool {
        switch self {
        case .address(let set): set.contains(exporter.address)
        case .domain(let set): set.contains(UInt64(exporter.observationDomain))
        case .exportProtocol(let names): names.contains(exporter.exportProtocol.name)
        }
    }
}

enum SensorTest: Sendable {
    case site(Set<String>)
    case name(Set<String>)

    func holds(site: String, name: String) -> Bool {
        switch self {
        case .site(let sites): sites.contains(site)
        case .name(let names): names.contains(name)
        }
    }
}

extension ColumnTest {
    /// What must be decoded for it.
    var fields: FieldSet {
        switch self {
        case .words(let column, _), .time(let column, _), .bits(let column, _, _): FieldSet(column)
        case .address(.source, _): .sourceIPAddress
        case .address(.destination, _): .destinationIPAddress
        case .address(.nextHop, _): .ipNextHopAddress
        case .derived(let field, _): field.columns
        case .sampled: .samplingInterval
        case .exporter: .exporter
        case .sensor: []
        case .element: .extras
        }
    }

    /// What decoding and testing a row costs, roughly, in octets moved: cheap tests go first, so that dear columns are
    /// only read where something is left.
    var cost: Int {
        switch self {
        case .sensor: 0
        case .words(let column, let set): column.octets + (set.ranges.count > 1 && column.octets > 2 ? 16 : 0)
        case .bits(let column, _, _): column.octets
        case .exporter, .sampled: 4
        case .time: 8
        case .address(_, let ranges): ranges.ranges.count > 1 ? 40 : 16
        case .derived: 20
        case .element: 200
        }
    }

    /// Keeps the rows of which it is true.
    func keep(_ mask: inout RowMask, in block: RowBlock) {
        switch self {
        case .words(let column, let set): keepWords(&mask, block.columns, column, set)
        case .time(let column, let ranges): keepTimes(&mask, block.columns.times(column), ranges)
        case .bits(let column, let bits, let wanted): keepBits(&mask, block.columns, column, bits, wanted)
        case .address(let end, let ranges): keepAddresses(&mask, block, end, ranges)
        case .derived(let field, let set): keepDerived(&mask, block.columns, field, set)
        case .sampled:
            let intervals = block.columns.samplingInterval
            let span = intervals.span
            mask.keep { span[$0] > 1 }
        case .exporter(let test):
            let holds = block.columns.exporters.map { test.holds($0) }, numbers = block.columns.exporter
            mask.keepDear { holds[Int(numbers[$0])] }
        case .sensor(let test):
            let holds = block.sensors.all.map { test.holds(site: $0.site, name: $0.name) }
            if !holds.contains(true) { return mask.clear() }
            let sensors = block.sensors
            if holds.contains(false) { mask.keepDear { holds[sensors.number(ofRow: $0)] } }
        case .element(let test): keepElements(&mask, block.columns, test)
        }
    }

    private func keepAddresses(
        _ mask: inout RowMask, _ block: RowBlock, _ end: AddressEnd, _ ranges: AddressRanges
    ) {
        if let ends = block.ends, testsEnds {
            return ends.keep(&mask, ranges.ranges, flip: end == .destination ? 1 : 0)
        }
        let (high, low) = block.columns.words(end)
        ranges.keep(&mask, high: high, low: low)
    }
    private func keepWords(_ mask: inout RowMask, _ columns: FlowColumns, _ column: ColumnID, _ set: WordSet) {
        switch column {
        case .octetDeltaCount: set.keep(&mask, columns.octetDeltaCount)
        case .packetDeltaCount: set.keep(&mask, columns.packetDeltaCount)
        case .deltaFlowCount: set.keep(&mask, columns.deltaFlowCount)
        case .protocolIdentifier: set.keep(&mask, columns.protocolIdentifier)
        case .sourceTransportPort: set.keep(&mask, columns.sourceTransportPort)
        case .destinationTransportPort: set.keep(&mask, columns.destinationTransportPort)
        case .ipClassOfService: set.keep(&mask, columns.ipClassOfService)
        case .ingressInterface: set.keep(&mask, columns.ingressInterface)
        case .egressInterface: set.keep(&mask, columns.egressInterface)
        case .bgpSourceAsNumber: set.keep(&mask, columns.bgpSourceAsNumber)
        case .bgpDestinationAsNumber: set.keep(&mask, columns.bgpDestinationAsNumber)
        case .sourceIPPrefixLength: set.keep(&mask, columns.sourceIPPrefixLength)
        case .destinationIPPrefixLength: set.keep(&mask, columns.destinationIPPrefixLength)
        case .vlanId: set.keep(&mask, columns.vlanId)
        case .flowDirection: set.keep(&mask, columns.flowDirection)
        default: preconditionFailure("\(column) is no column of numbers")
        }
    }
    private func keepTimes(_ mask: inout RowMask, _ column: [Int64], _ ranges: [ClosedRange<Int64>]) {
        let times = column.span
        precondition(mask.count <= times.count, "a column for each row")
        if ranges.count == 1, let range = ranges.first {
            let (least, most) = (range.lowerBound, range.upperBound)
            mask.keep { times[$0] >= least && times[$0] <= most }
        } else {
            mask.keepDear { row in ranges.contains { $0.contains(times[row]) } }
        }
    }
    private func keepBits(
        _ mask: inout RowMask, _ columns: FlowColumns, _ column: ColumnID, _ bits: UInt16, _ wanted: UInt16
    ) {
        if column == .flags {
            let flags = columns.flags
            let span = flags.span, bits = UInt8(truncatingIfNeeded: bits), wanted = UInt8(truncatingIfNeeded: wanted)
            precondition(mask.count <= span.count, "a column for each row")
            mask.keep { span[$0] & bits == wanted }
        } else {
            let control = columns.tcpControlBits
            let span = control.span
            precondition(mask.count <= span.count, "a column for each row")
            mask.keep { span[$0] & bits == wanted }
        }
    }
    private func keepElements(_ mask: inout RowMask, _ columns: FlowColumns, _ test: ElementTest) {
        let places = columns.extra, extras = columns.extras
        mask.keepDear { row in
            places[row] != 0 && test.matches(extras.values(at: places[row]), registry: .standard)
        }
    }
}

extension FlowColumns {
    func times(_ column: ColumnID) -> [Int64] {
        switch column {
        case .flowStartMilliseconds: flowStartMilliseconds
        case .flowEndMilliseconds: flowEndMilliseconds
        case .exportMilliseconds: exportMilliseconds
        default: receiveMilliseconds
        }
    }
}

extension ColumnID {
    /// Octets that a row's value takes in memory, for columns of numbers.
    var octets: Int {
        switch self {
        case .protocolIdentifier, .ipClassOfService, .sourceIPPrefixLength, .destinationIPPrefixLength, .flowDirection,
            .flags:
            1
        case .sourceTransportPort, .destinationTransportPort, .tcpControlBits, .vlanId: 2
        case .octetDeltaCount, .packetDeltaCount: 8
        default: 4
        }
    }
    /// Bits of the same.
    var bits: Int { 8 * octets }
}

extension FieldSet {
    init(_ column: ColumnID) { self.init(rawValue: 1 << UInt64(column.rawValue)) }
}
