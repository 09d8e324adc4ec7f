internal import FlowModel

/// Sums rows by minute and key, for one segment. Memory: at most `RollupLimit.sumsMax` sums a kind; what finds no
/// room, or is among the smaller ones when room is made, is in its minute's `other`.
struct RollupBuilder {
    private var minutes: [Int64: UInt32] = [:]
    private var starts: [Int64] = []
    private var lastMinute: (start: Int64, end: Int64, number: UInt32) = (.max, .max, 0)
    private var totals: [Tally] = []
    private var services = SumTable(), sourceAS = SumTable(), destinationAS = SumTable()
    private var ingress = SumTable(), egress = SumTable(), hosts = SumTable()
    private var parts: [SumPart] = [], keys: [SumKey] = []

    /// - Parameter columns: the same ones each time, as exporters are noted by their number.
    mutating func add(_ columns: FlowColumns, rows: Range<Int>) {
        spread(columns, rows)
        addServices(columns)
        setKeys(columns.bgpSourceAsNumber)
        sourceAS.add(parts, keys, buckets: starts.count)
        setKeys(columns.bgpDestinationAsNumber)
        destinationAS.add(parts, keys, buckets: starts.count)
        setKeys(columns.ingressInterface, of: columns.exporter)
        ingress.add(parts, keys, buckets: starts.count)
        setKeys(columns.egressInterface, of: columns.exporter)
        egress.add(parts, keys, buckets: starts.count)
        addHosts(columns)
    }

    private mutating func addServices(_ columns: FlowColumns) {
        let transports = columns.protocolIdentifier.span
        let sourcePorts = columns.sourceTransportPort.span, destinationPorts = columns.destinationTransportPort.span
        keys.removeAll(keepingCapacity: true)
        for part in parts {
            let row = Int(part.row)
            let port = Self.servicePort(transports[row], sourcePorts[row], destinationPorts[row])
            keys.append(SumKey(UInt64(transports[row]) << 16 | UInt64(port)))
        }
        services.add(parts, keys, buckets: starts.count)
    }
    private mutating func setKeys(_ column: [UInt32], of exporters: [UInt32]? = nil) {
        let numbers = column.span
        keys.removeAll(keepingCapacity: true)
        if let exporters {
            for part in parts {
                let row = Int(part.row)
                keys.append(SumKey(UInt64(exporters[row]) << 32 | UInt64(numbers[row])))
            }
        } else {
            for part in parts { keys.append(SumKey(UInt64(numbers[Int(part.row)]))) }
        }
    }
    private mutating func addHosts(_ columns: FlowColumns) {
        let sourceHigh = columns.sourceHigh.span, sourceLow = columns.sourceLow.span
        let destinationHigh = columns.destinationHigh.span, destinationLow = columns.destinationLow.span
        keys.removeAll(keepingCapacity: true)
        for part in parts {
            let row = Int(part.row)
            let source = IPAddress(high: sourceHigh[row], low: sourceLow[row])
            let destination = IPAddress(high: destinationHigh[row], low: destinationLow[row])
            keys.append(source < destination ? SumKey(source, destination) : SumKey(destination, source))
        }
        hosts.add(parts, keys, buckets: starts.count)
    }

    /// The server's port is the smaller one, as clients take large ones; one that was summed away is 0 and does not
    /// count. ICMP: type and code.
    static func servicePort(_ transport: UInt8, _ source: UInt16, _ destination: UInt16) -> UInt16 {
        if IPProtocol.isICMP(transport) { return destination }
        return source == 0 || destination == 0 ? source | destination : min(source, destination)
    }

    /// Fills `parts` with what counts of the rows, by minute.
    private mutating func spread(_ columns: FlowColumns, _ rows: Range<Int>) {
        parts.removeAll(keepingCapacity: true)
        parts.reserveCapacity(rows.count * 5 / 4)
        let uncounted = RecordFlags([.observedElsewhere, .secondary]).rawValue, flags = columns.flags.span
        let flows = columns.deltaFlowCount.span, octets = columns.octetDeltaCount.span
        let packets = columns.packetDeltaCount.span
        let starts = columns.flowStartMilliseconds.span, ends = columns.flowEndMilliseconds.span
        for row in rows where flags[row] & uncounted == 0 {
            let tally = Tally(flows: UInt64(flows[row]), octets: octets[row], packets: packets[row])
            let start = starts[row], end = ends[row]
            // Most are within the minute of the row before.
            let isWithin = start >= lastMinute.start && start <= end && end < lastMinute.end
            let last = isWithin ? lastMinute.start : TimeShare.bucket(of: end, .minute)
            if start >= last, start <= end {
                note(row, last, tally)
            } else {
                TimeShare(start: start, end: end, tally: tally).forEachBucket(of: .minute) { note(row, $0, $1) }
            }
        }
    }
    @inline(__always)
    private mutating func note(_ row: Int, _ start: Int64, _ tally: Tally) {
        if start != lastMinute.start {
            let (end, overflows) = start.addingReportingOverflow(RollupPeriod.minute.rawValue)
            lastMinute = (start, overflows ? start : end, number(ofMinute: start))
        }
        totals[Int(lastMinute.number)] += tally
        parts.append(SumPart(row: UInt32(truncatingIfNeeded: row), bucket: lastMinute.number, tally: tally))
    }
    private mutating func number(ofMinute start: Int64) -> UInt32 {
        if let known = minutes[start] { return known }
        let number = UInt32(truncatingIfNeeded: starts.count)
        minutes[start] = number
        starts.append(start)
        totals.append(Tally())
        return number
    }

    /// All sums, by kind and period. Kinds that say nothing (all in one key of zero) are left out.
    func finish(exporters: [ExporterKey]) -> [RollupSums] {
        let kinds: [(RollupKind, SumTable)] = [
            (.service, services), (.hostPair, hosts), (.sourceAS, sourceAS), (.destinationAS, destinationAS),
            (.ingressInterface, ingress), (.egressInterface, egress),
        ]
        return kinds.flatMap { kind, table in
            RollupPeriod.allCases.map { period in
                table.sums(kind, period, starts: starts, totals: totals, exporters: exporters)
            }
        }
    }
}

/// A key in four words; those of most kinds need one.
struct SumKey: Equatable, Comparable {
    var a: UInt64, b: UInt64 = 0, c: UInt64 = 0, d: UInt64 = 0

    init(_ word: UInt64) { a = word }
    init(_ low: IPAddress, _ high: IPAddress) { (a, b, c, d) = (low.high, low.low, high.high, high.low) }

    static func < (x: SumKey, y: SumKey) -> Bool { (x.a, x.b, x.c, x.d) < (y.a, y.b, y.c, y.d) }

    func key(_ kind: RollupKind, exporters: [ExporterKey]) -> RollupKey? {
        switch kind {
        case .service:
            return .service(
                protocolIdentifier: UInt8(truncatingIfNeeded: a >> 16), port: UInt16(truncatingIfNeeded: a))
        case .hostPair: return .hosts(IPAddress(high: a, low: b), IPAddress(high: c, low: d))
        case .sourceAS, .destinationAS: return .asNumber(UInt32(truncatingIfNeeded: a))
        case .ingressInterface, .egressInterface:
            let exporter = Int(a >> 32)
            return exporters.indices.contains(exporter)
                ? .interface(exporters[exporter], index: UInt32(truncatingIfNeeded: a)) : nil
        case .sourceCountry, .destinationCountry: return .country(UInt16(truncatingIfNeeded: a))
        }
    }
}

package enum RollupLimit {
    /// Sums that are kept apart while a segment is made: 64 octets each. As many as a processor's cache holds, or
    /// `sumsOfBucket` for each bucket; but never more than `sumsMax`.
    static let sumsMin = 1 << 16, sumsOfBucket = 512, sumsMax = 1 << 20

    /// Keys that a bucket keeps, the largest by octets.
    package static func entriesMax(_ period: RollupPeriod) -> Int {
        switch period {
        case .minute: 64
        case .hour: 256
        case .day: 1_024
        }
    }
}

/// The places of the largest so many sums, by octets, then packets and flows; of equal ones those with smaller keys.
struct LargestSums {
    private struct Item: Comparable {
        let octets: UInt64, packets: UInt64, flows: UInt64, key: SumKey, place: Int
        static func < (x: Item, y: Item) -> Bool {
            x.octets != y.octets
                ? x.octets < y.octets
                : (x.packets, x.flows) != (y.packets, y.flows)
                    ? (x.packets, x.flows) < (y.packets, y.flows) : y.key < x.key
        }
    }
    private let countMax: Int
    /// A heap: no item is smaller than its parent.
    private var items: [Item] = []

    init(_ countMax: Int) { self.countMax = countMax }
    /// Largest first.
    var places: [Int] { items.sorted(by: >).map(\.place) }

    mutating func offer(_ place: Int, _ tally: Tally, _ key: SumKey) {
        if items.count == countMax, let least = items.first, tally.octets < least.octets { return }
        let item = Item(octets: tally.octets, packets: tally.packets, flows: tally.flows, key: key, place: place)
        if items.count < countMax {
            items.append(item)
            rise(items.count - 1)
        } else if let least = items.first, least < item {
            items[0] = item
            sink()
        }
    }
    private mutating func rise(_ start: Int) {
        var child = start
        while child > 0, items[child] < items[(child - 1) / 2] {  // ends: goes up
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }
    private mutating func sink() {
        var parent = 0
        while true {  // ends: goes down
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child] < items[least] {
                least = child
            }
            guard least != parent else { return }
            items.swapAt(parent, least)
            parent = least
        }
    }
}

/// The sums of one kind and period, by bucket, rising.
struct RollupSums: Equatable {
    var kind: RollupKind
    var period: RollupPeriod
    var buckets: [RollupBucket] = []
}
