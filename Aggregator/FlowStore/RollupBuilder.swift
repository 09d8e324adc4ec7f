internal import BatchFormat
internal import FlowModel
internal import SegmentFormat

/// Sums rows by minute and key, for one segment. Memory: at most `RollupLimit.sumsMax` sums a kind; what finds no
/// room, or is among the smaller ones when room is made, is in its minute's `other`.
///
/// Keys are words. Those of host pairs are the numbers that the segment's encoder gives endpoints anyway: they become
/// addresses when all are known.
struct RollupBuilder {
    private var minutes = MinuteNumbers()
    private var starts: [Int64] { minutes.starts }
    private var lastMinute: (start: Int64, end: Int64, number: UInt32) = (.max, .max, 0)
    private var totals: [Tally] = []
    private var services = SumTable(), sourceAS = SumTable(), destinationAS = SumTable()
    private var ingress = SumTable(), egress = SumTable(), hosts = SumTable()
    /// By minute, what rows without an AS number add.
    private var unknownSourceAS: [Tally?] = [], unknownDestinationAS: [Tally?] = []
    private var buckets: Int { min(starts.count, RollupLimit.bucketsMax) }
    /// Of the rows at hand: what each adds, and what those of one minute that follow one another add together.
    private var parts: [SumPart] = [], runs: [SumPart] = [], keys: [UInt64] = []
    private var batch = BatchSums(), left: [UInt32] = [], rest: [SumPart] = []

    /// Forgets all sums and keeps the storage.
    mutating func removeAll() {
        minutes.removeAll()
        totals.removeAll(keepingCapacity: true)
        unknownSourceAS.removeAll(keepingCapacity: true)
        unknownDestinationAS.removeAll(keepingCapacity: true)
        lastMinute = (.max, .max, 0)
        services.removeAll()
        sourceAS.removeAll()
        destinationAS.removeAll()
        ingress.removeAll()
        egress.removeAll()
        hosts.removeAll()
    }

    /// - Parameters:
    ///   - columns: their exporters' numbers stay the same from call to call.
    ///   - ends: of `rows`, from the first on.
    mutating func add(_ columns: FlowColumns, rows: Range<Int>, _ ends: SegmentEnds) {
        switch ends {
        case .rows(let sources, let destinations): add(columns, rows, sources, destinations)
        case .shared(let sharing, let numbers): add(columns, rows, sharing, numbers)
        }
    }
    private mutating func add(
        _ columns: FlowColumns, _ rows: Range<Int>, _ sources: [UInt32], _ destinations: [UInt32]
    ) {
        spread(columns, rows)
        findRuns()
        for run in runs { totals[Int(run.bucket)] += run.tally }
        addServices(columns)
        if isUnknown(columns.bgpSourceAsNumber, rows) {
            addRuns(to: \.unknownSourceAS)
        } else {
            setKeys(columns.bgpSourceAsNumber)
            sourceAS.add(parts, keys, buckets: buckets)
        }
        if isUnknown(columns.bgpDestinationAsNumber, rows) {
            addRuns(to: \.unknownDestinationAS)
        } else {
            setKeys(columns.bgpDestinationAsNumber)
            destinationAS.add(parts, keys, buckets: buckets)
        }
        setKeys(columns.ingressInterface, of: columns.exporter)
        ingress.add(parts, keys, buckets: buckets)
        setKeys(columns.egressInterface, of: columns.exporter)
        egress.add(parts, keys, buckets: buckets)
        addHosts(sources, destinations, from: rows.lowerBound)
    }

    private mutating func addServices(_ columns: FlowColumns) {
        let transports = columns.protocolIdentifier.span
        let sourcePorts = columns.sourceTransportPort.span
        let destinationPorts = columns.destinationTransportPort.span
        setKeys { row in
            let port = Self.servicePort(transports[row], sourcePorts[row], destinationPorts[row])
            return UInt64(transports[row]) << 16 | UInt64(port)
        }
        services.add(parts, keys, buckets: buckets)
    }
    /// Whether none of the rows has a number: many routers know none.
    private func isUnknown(_ column: [UInt32], _ rows: Range<Int>) -> Bool {
        let numbers = column.span
        var any: UInt32 = 0
        for row in rows { any |= numbers[row] }
        return any == 0
    }
    /// All rows at hand, whose number is 0.
    private mutating func addRuns(to sums: WritableKeyPath<RollupBuilder, [Tally?]>) {
        var unknown = self[keyPath: sums]
        self[keyPath: sums] = []  // its alone for now
        if unknown.count < starts.count {
            unknown.append(contentsOf: repeatElement(nil, count: starts.count - unknown.count))
        }
        for run in runs { unknown[Int(run.bucket), default: Tally()] += run.tally }
        self[keyPath: sums] = unknown
    }
    private mutating func setKeys(_ column: [UInt32]) {
        let numbers = column.span
        setKeys { UInt64(numbers[$0]) }
    }
    private mutating func setKeys(_ column: [UInt32], of exporters: [UInt32]) {
        let numbers = column.span
        let exporters = exporters.span
        setKeys { UInt64(exporters[$0]) << 32 | UInt64(numbers[$0]) }
    }
    private mutating func addHosts(_ sources: [UInt32], _ destinations: [UInt32], from first: Int) {
        let sources = sources.span, destinations = destinations.span
        setKeys { row in
            let source = UInt64(sources[row &- first])
            let destination = UInt64(destinations[row &- first])
            return min(source, destination) << 24 | max(source, destination)
        }
        hosts.add(parts, keys, buckets: buckets)
    }
    @inline(__always)
    private mutating func setKeys(_ key: (_ row: Int) -> UInt64) {
        let partArray = self.parts, parts = partArray.span
        var keyArray = self.keys
        self.keys = []  // its alone for now
        keyArray.grow(to: parts.count)
        var keys = keyArray.mutableSpan
        for index in parts.indices { keys[index] = key(Int(parts[index].row)) }
        self.keys = keyArray
    }

    // MARK: Rows that say what they share

    private mutating func add(
        _ columns: FlowColumns, _ rows: Range<Int>, _ sharing: BatchSharing, _ numbers: [UInt32]
    ) {
        batch.start(sharing, numbers, rows: rows.count, minutes: commonMinutes(columns, rows))
        var left = self.left, rest = self.rest
        (self.left, self.rest) = ([], [])  // theirs alone for now
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: SumTable.chunk) {
            let chunk = first..<min(first + SumTable.chunk, rows.upperBound)
            batch.add(columns, chunk, sharing, left: &left)
            guard !left.isEmpty else { continue }
            spread(columns, left)
            batch.add(parts, chunk, sharing, rest: &rest)
            guard !rest.isEmpty else { continue }
            for part in rest { totals[Int(part.bucket)] += part.tally }
            swap(&parts, &rest)
            addRest(columns, sharing)
        }
        (self.left, self.rest) = (left, rest)
        let placed = batch.take(
            services: &services, hosts: &hosts, sourceAS: &sourceAS, destinationAS: &destinationAS,
            ingress: &ingress, egress: &egress, buckets: buckets)
        for (bucket, tally) in placed { totals[Int(bucket)] += tally }
    }
    /// Adds `parts`, one by one.
    private mutating func addRest(_ columns: FlowColumns, _ sharing: BatchSharing) {
        let places = sharing.places.span, ends = sharing.ends.span, numbers = sharing.asNumbers.span
        let batch = self.batch  // no copy
        setKeys { batch.service(at: places[$0]) }
        services.add(parts, keys, buckets: buckets)
        setKeys { batch.pairs[Int(places[$0] &>> 1)] }
        hosts.add(parts, keys, buckets: buckets)
        setKeys { UInt64(numbers[Int(ends[Int(places[$0])])]) }
        sourceAS.add(parts, keys, buckets: buckets)
        setKeys { UInt64(numbers[Int(ends[Int(places[$0] ^ 1)])]) }
        destinationAS.add(parts, keys, buckets: buckets)
        setKeys(columns.ingressInterface, of: columns.exporter)
        ingress.add(parts, keys, buckets: buckets)
        setKeys(columns.egressInterface, of: columns.exporter)
        egress.add(parts, keys, buckets: buckets)
    }
    /// The minutes in which most of some rows begin or end, the most frequent first.
    private mutating func commonMinutes(
        _ columns: FlowColumns, _ rows: Range<Int>
    ) -> [(start: Int64, number: UInt32)] {
        var seen: [Int64: Int] = [:]
        for row in stride(from: rows.lowerBound, to: rows.upperBound, by: max(rows.count / 256, 1))
        where columns.flags[row] & Self.uncounted == 0 {
            let share = TimeShare(
                start: columns.flowStartMilliseconds[row], end: columns.flowEndMilliseconds[row], tally: Tally())
            share.forEachBucket(of: .minute) { minute, _ in seen[minute, default: 0] += 1 }
        }
        let common = seen.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(BatchSums.slotsMax)
        return common.map { (start: $0.key, number: number(ofMinute: $0.key)) }
            .filter { $0.number < RollupLimit.bucketsMax }
    }

    /// The server's port is the smaller one, as clients take large ones; one that was summed away is 0 and does not
    /// count. ICMP: type and code.
    @inline(__always)
    static func servicePort(_ transport: UInt8, _ source: UInt16, _ destination: UInt16) -> UInt16 {
        if IPProtocol.isICMP(transport) { return destination }
        return source == 0 || destination == 0 ? source | destination : min(source, destination)
    }

    // MARK: Minutes

    static let uncounted = RecordFlags([.observedElsewhere, .secondary]).rawValue

    /// Fills `runs` from `parts`.
    private mutating func findRuns() {
        runs.removeAll(keepingCapacity: true)
        for part in parts {
            if let last = runs.last, last.bucket == part.bucket {
                runs[runs.count &- 1].tally += part.tally
            } else {
                runs.append(part)
            }
        }
    }
    /// Fills `parts` with what counts of the rows, by minute.
    private mutating func spread(_ columns: FlowColumns, _ rows: some Sequence<some BinaryInteger>) {
        parts.removeAll(keepingCapacity: true)
        let flags = columns.flags.span
        let flows = columns.deltaFlowCount.span
        let octets = columns.octetDeltaCount.span
        let packets = columns.packetDeltaCount.span
        let starts = columns.flowStartMilliseconds.span, ends = columns.flowEndMilliseconds.span
        for row in rows.lazy.map({ Int($0) }) where flags[row] & Self.uncounted == 0 {
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
        let part = SumPart(row: UInt32(truncatingIfNeeded: row), bucket: lastMinute.number, tally: tally)
        // More minutes than a month has are some clock's fault: they are in totals only.
        guard part.bucket < RollupLimit.bucketsMax else {
            totals[Int(part.bucket)] += tally
            return
        }
        parts.append(part)
    }
    @inline(__always)
    private mutating func number(ofMinute start: Int64) -> UInt32 {
        let number = minutes.number(of: start)
        if Int(number) == totals.count { totals.append(Tally()) }
        return number
    }

    // MARK: Results

    /// All sums, by kind and period.
    func sums(exporters: [ExporterKey], hosts places: SegmentHosts) -> [RollupSums] {
        let kinds: [(RollupKind, [SumEntry])] = [
            (.service, services.sums), (.hostPair, hostSums(places)), (.sourceAS, sums(sourceAS, unknownSourceAS)),
            (.destinationAS, sums(destinationAS, unknownDestinationAS)), (.ingressInterface, ingress.sums),
            (.egressInterface, egress.sums),
        ]
        let minutes = SumBuckets(starts: starts, totals: totals)
        return kinds.flatMap { kind, entries in
            minutes.sums(of: entries, kind) { $0.key(kind, exporters: exporters, hosts: places) }
        }
    }
    private func sums(_ table: SumTable, _ unknown: [Tally?]) -> [SumEntry] {
        var table = table
        table.add(
            unknown.enumerated().compactMap { bucket, tally in
                tally.map { SumEntry(key: 0, bucket: UInt32(truncatingIfNeeded: bucket), tally: $0) }
            })
        return table.sums
    }
    /// An address that has several numbers gets one, and the smaller address comes first.
    private func hostSums(_ places: SegmentHosts) -> [SumEntry] {
        let sums = hosts.sums.map { sum in
            let one = UInt64(places.place(ofEnd: UInt32(truncatingIfNeeded: sum.key >> 24)))
            let other = UInt64(places.place(ofEnd: UInt32(truncatingIfNeeded: sum.key & 0xFF_FFFF)))
            return SumEntry(
                key: min(one, other) << 24 | max(one, other), bucket: UInt32(truncatingIfNeeded: sum.bucket),
                tally: sum.tally)
        }
        guard !places.areUnique else { return sums }
        var table = SumTable()
        table.add(sums)
        return table.sums
    }
}

extension [Tally?] {
    fileprivate subscript(place: Int, default none: Tally) -> Tally {
        get { self[place] ?? none }
        set { self[place] = newValue }
    }
}

extension [UInt64] {
    /// Exactly `count` words, whatever they are.
    fileprivate mutating func grow(to count: Int) {
        if self.count < count {
            append(contentsOf: repeatElement(0, count: count - self.count))
        } else {
            removeLast(self.count - count)
        }
    }
}

extension UInt64 {
    /// What it stands for as the key of a sum. Of a host pair: the places of both addresses.
    func key(_ kind: RollupKind, exporters: [ExporterKey], hosts: SegmentHosts?) -> RollupKey? {
        let low = UInt32(truncatingIfNeeded: self), high = Int(truncatingIfNeeded: self >> 32)
        switch kind {
        case .service:
            return .service(
                protocolIdentifier: UInt8(truncatingIfNeeded: self >> 16),
                port: UInt16(truncatingIfNeeded: self))
        case .hostPair:
            let places = (UInt32(truncatingIfNeeded: self >> 24), low & 0xFF_FFFF)
            return hosts.map { .hosts($0.address(at: places.0), $0.address(at: places.1)) }
        case .sourceAS, .destinationAS: return .asNumber(low)
        case .ingressInterface, .egressInterface:
            return exporters.indices.contains(high) ? .interface(exporters[high], index: low) : nil
        case .sourceCountry, .destinationCountry: return .country(UInt16(truncatingIfNeeded: self))
        }
    }
}

/// The buckets of one period, by their numbers.
struct SumBuckets {
    let starts: [Int64]
    /// All that is in each, in a table or not.
    let totals: [Tally]

    /// What a table's entries, whose buckets are these minutes, are in each period: hours of minutes, days of hours.
    func sums(of entries: [SumEntry], _ kind: RollupKind, _ key: (UInt64) -> RollupKey?)
        -> [RollupSums]
    {
        var buckets = self
        var entries = entries
        return RollupPeriod.allCases.map { period in
            (buckets, entries) = buckets.merged(entries, period)
            return buckets.largest(entries, kind, period, key)
        }
    }

    private func merged(_ entries: [SumEntry], _ period: RollupPeriod) -> (SumBuckets, [SumEntry]) {
        let of = starts.map { TimeShare.bucket(of: $0, period) }
        let order = Set(of).sorted()
        let numbers = [Int64: Int](uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        var all = [Tally](repeating: Tally(), count: order.count)
        for (number, start) in of.enumerated() { all[numbers[start] ?? 0] += totals[number] }
        let to = of.map { UInt32(truncatingIfNeeded: numbers[$0] ?? 0) }
        let merged = SumBuckets(starts: order, totals: all)
        // Those of a bucket whose number is too large are in its total only.
        let moved = entries.filter { to[$0.bucket] < RollupLimit.bucketsMax }
            .map { SumEntry(key: $0.key, bucket: to[$0.bucket], tally: $0.tally) }
        // Where no two buckets become one, nothing is to be added up.
        guard order.count < starts.count else { return (merged, moved) }
        var table = SumTable()
        table.add(moved)
        return (merged, table.sums)
    }

    private func largest(
        _ entries: [SumEntry], _ kind: RollupKind, _ period: RollupPeriod, _ key: (UInt64) -> RollupKey?
    ) -> RollupSums {
        var sums = RollupSums(kind: kind, period: period)
        var largest = [LargestSums](
            repeating: LargestSums(RollupLimit.entriesMax(period)), count: starts.count)
        for (place, entry) in entries.enumerated() {
            largest[entry.bucket].offer(place, entry.tally, entry.key)
        }
        for (number, start) in starts.enumerated() {
            var bucket = RollupBucket(start: start)
            bucket.other = totals[number]
            for place in largest[number].places {
                guard let key = key(entries[place].key) else { continue }
                bucket.entries[key] = entries[place].tally
                bucket.other -= entries[place].tally
            }
            sums.buckets.append(bucket)
        }
        return sums
    }
}
