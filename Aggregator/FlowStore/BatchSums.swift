internal import BatchFormat
internal import FlowModel
internal import SegmentFormat

/// The sums of one batch's rows, where the batch says what they share: a row adds to five numbered places, without a
/// search, and only what came together is then added to the tables of the segment: once a conversation, service, AS
/// number or interface, and minute.
///
/// Only the minutes in which most rows end have such places, at most `slotsMax`. Rows that lie within one of them are
/// taken as they are; of others the parts; for what lies in other minutes `keys` tells how the tables know it.
struct BatchSums {
    /// octets << 18 | parts, packets << 32 | flows: a batch has fewer than 2^18 rows, and those that have more than
    /// fits go with the rest.
    typealias Sum = SIMD2<UInt64>
    static let slotsMax = 4
    private static let octetsMax: UInt64 = 1 << 28, countMax: UInt64 = 1 << 14

    /// Which minutes have places: their numbers. Those of each begin where its slot says.
    private var buckets: [UInt32] = []
    /// By number of a minute: its slot, or `slotsMax`.
    private var slots: [UInt8] = []
    /// The first of these minutes; and by minutes since then the slot, or `slotsMax`.
    private var firstMinute: Int64 = 0, slotsSince = [UInt8](repeating: UInt8(slotsMax), count: minutesMax)
    private static let minutesMax = 64, minute = UInt64(RollupPeriod.minute.rawValue)

    /// By slot, then by a conversation's way, service or AS number; by interface, then by slot.
    private var ways: [Sum] = [], services: [Sum] = [], sourceAS: [Sum] = [], destinationAS: [Sum] = []
    /// None of them has anything in it between two batches.
    private var ingress: [Sum] = [], egress: [Sum] = []
    private var conversationCount = 0, rowCount = 0

    /// Of each way of each conversation: the number of its service.
    private var serviceNumbers: [UInt32] = []
    /// protocol << 16 | the server's port
    private var serviceKeys = SumNumbers()
    /// Of each conversation the pair of its ends, as `RollupBuilder` knows it.
    private(set) var pairs: [UInt64] = []
    private var asNumbers = SumNumbers()
    /// Of each end of each conversation: the number of its AS number.
    private var asPlaces: [UInt32] = [], asOfEndpoints: [UInt32] = []
    private var interfaces = InterfaceNumbers()
    /// More than any site has; beyond, they are numbered anew with the next batch.
    private static let interfacesMax = 1 << 14

    /// What is to be added to a table.
    private var entries: [SumEntry] = []
    /// Of the rows at hand.
    private var ins: [UInt32] = [], outs: [UInt32] = []
    /// What is taken of them, and of each the row << 3 | slot.
    private var sums: [Sum] = [], taken: [UInt32] = [], places = Places()

    /// Where each of `sums` is added.
    private struct Places {
        var way: [UInt32] = [], source: [UInt32] = [], destination: [UInt32] = []
        var ingress: [UInt32] = [], egress: [UInt32] = []

        mutating func grow(to count: Int) {
            let missing = count - way.count
            guard missing > 0 else { return }
            way.append(contentsOf: repeatElement(0, count: missing))
            source.append(contentsOf: repeatElement(0, count: missing))
            destination.append(contentsOf: repeatElement(0, count: missing))
            ingress.append(contentsOf: repeatElement(0, count: missing))
            egress.append(contentsOf: repeatElement(0, count: missing))
        }
    }

    // MARK: A batch

    /// - Parameters:
    ///   - rows: how many the batch has.
    ///   - minutes: those that get places, with their numbers.
    mutating func start(
        _ sharing: BatchSharing, _ numbers: [UInt32], rows: Int, minutes: [(start: Int64, number: UInt32)]
    ) {
        (conversationCount, rowCount) = (sharing.conversationCount, rows)
        start(minutes)
        findServices(sharing)
        findPairs(sharing, numbers)
        findAS(sharing)
        if interfaces.count > Self.interfacesMax { interfaces.removeAll() }
        ways.grow(to: Self.slotsMax * 2 * conversationCount)
        services.grow(to: Self.slotsMax * serviceKeys.count)
        sourceAS.grow(to: Self.slotsMax * asNumbers.count)
        destinationAS.grow(to: Self.slotsMax * asNumbers.count)
        ingress.grow(to: Self.slotsMax * interfaces.count)
        egress.grow(to: Self.slotsMax * interfaces.count)
    }
    private mutating func start(_ minutes: [(start: Int64, number: UInt32)]) {
        let minutes = minutes.prefix(Self.slotsMax)
        for bucket in buckets { slots[Int(bucket)] = UInt8(Self.slotsMax) }
        if slots.isEmpty { slots = [UInt8](repeating: UInt8(Self.slotsMax), count: RollupLimit.bucketsMax) }
        buckets = minutes.map(\.number)
        for (slot, bucket) in buckets.enumerated() { slots[Int(bucket)] = UInt8(slot) }
        firstMinute = minutes.map(\.start).min() ?? 0
        for place in slotsSince.indices { slotsSince[place] = UInt8(Self.slotsMax) }
        for (slot, minute) in minutes.enumerated() {
            let since = UInt64(bitPattern: minute.start &- firstMinute) / Self.minute
            // The last place stands for all that is later.
            if since < UInt64(Self.minutesMax - 1) { slotsSince[Int(since)] = UInt8(slot) }
        }
    }
    private mutating func findServices(_ sharing: BatchSharing) {
        let ports = sharing.ports.span, protocols = sharing.protocols.span
        serviceKeys.removeAll()
        serviceNumbers.grow(atLeast: 2 * conversationCount)
        var numberArray = serviceNumbers
        serviceNumbers = []  // its alone for now
        var numbers = numberArray.mutableSpan
        for index in 0..<conversationCount {
            let source = UInt16(truncatingIfNeeded: ports[2 &* index])
            let destination = UInt16(truncatingIfNeeded: ports[2 &* index &+ 1])
            let transport = protocols[index], first = UInt64(transport) << 16
            let port = RollupBuilder.servicePort(transport, source, destination)
            let number = serviceKeys.number(of: first | UInt64(port))
            (numbers[2 &* index], numbers[2 &* index &+ 1]) = (number, number)
            // Only of ICMP it depends on the way.
            guard IPProtocol.isICMP(transport), source != destination else { continue }
            let other = RollupBuilder.servicePort(transport, destination, source)
            numbers[2 &* index &+ 1] = serviceKeys.number(of: first | UInt64(other))
        }
        serviceNumbers = numberArray
    }
    private mutating func findPairs(_ sharing: BatchSharing, _ numbers: [UInt32]) {
        let ends = sharing.ends.span, numbers = numbers.span
        pairs.removeAll(keepingCapacity: true)
        for index in 0..<conversationCount {
            let one = UInt64(numbers[Int(ends[2 &* index])]), two = UInt64(numbers[Int(ends[2 &* index &+ 1])])
            pairs.append(min(one, two) << 24 | max(one, two))
        }
    }
    private mutating func findAS(_ sharing: BatchSharing) {
        let numbers = sharing.asNumbers.span, ends = sharing.ends.span
        asNumbers.removeAll()
        asOfEndpoints.grow(atLeast: sharing.endpointCount)
        asPlaces.grow(atLeast: 2 * conversationCount)
        var (knownArray, placeArray) = (asOfEndpoints, asPlaces)
        (asOfEndpoints, asPlaces) = ([], [])  // theirs alone for now
        var known = knownArray.mutableSpan, places = placeArray.mutableSpan
        for endpoint in 0..<sharing.endpointCount {
            known[endpoint] = asNumbers.number(of: UInt64(numbers[endpoint]))
        }
        for place in 0..<(2 * conversationCount) { places[place] = known[Int(ends[place])] }
        (asOfEndpoints, asPlaces) = (knownArray, placeArray)
    }

    // MARK: Rows

    /// Adds those of at most `SumTable.chunk` rows that lie within one minute that has places.
    /// - Parameter left: gets the others.
    mutating func add(
        _ columns: FlowColumns, _ rows: Range<Int>, _ sharing: BatchSharing, left: inout [UInt32]
    ) {
        findInterfaces(columns, rows)
        addTaken(takeRows(columns, rows, left: &left), from: rows.lowerBound, sharing)
    }
    /// Adds parts of rows, of those that `add` was called with last.
    /// - Parameter rest: gets those that have no place.
    mutating func add(
        _ parts: [SumPart], _ rows: Range<Int>, _ sharing: BatchSharing, rest: inout [SumPart]
    ) {
        rest.removeAll(keepingCapacity: true)
        addTaken(takeParts(parts, rest: &rest), from: rows.lowerBound, sharing)
    }
    /// Adds the first `count` of `sums`.
    private mutating func addTaken(_ count: Int, from first: Int, _ sharing: BatchSharing) {
        findPlaces(count, from: first, sharing)
        // The large table in a loop of its own: so short that many loads wait for memory at once.
        Self.add(sums, count, at: places.way, to: &ways)
        addSmall(count)
    }
    /// Adds to the small tables. Neighbours often add to the same sum and wait for one another: those of four tables
    /// wait together.
    private mutating func addSmall(_ count: Int) {
        let (sumArray, all) = (self.sums, self.places)  // no copies
        let sums = sumArray.span.extracting(0..<count)
        let sources = all.source.span.extracting(0..<count), destinations = all.destination.span.extracting(0..<count)
        let ins = all.ingress.span.extracting(0..<count), outs = all.egress.span.extracting(0..<count)
        var (a, b, c, d) = (sourceAS, destinationAS, ingress, egress)
        (sourceAS, destinationAS, ingress, egress) = ([], [], [], [])  // theirs alone for now
        var ofSource = a.mutableSpan, ofDestination = b.mutableSpan, ofIn = c.mutableSpan, ofOut = d.mutableSpan
        for index in sums.indices {
            let sum = sums[index]
            ofSource[Int(sources[index])] &+= sum
            ofDestination[Int(destinations[index])] &+= sum
            ofIn[Int(ins[index])] &+= sum
            ofOut[Int(outs[index])] &+= sum
        }
        (sourceAS, destinationAS, ingress, egress) = (a, b, c, d)
    }
    private static func add(_ sums: [Sum], _ count: Int, at places: [UInt32], to table: inout [Sum]) {
        let sums = sums.span.extracting(0..<count), places = places.span.extracting(0..<count)
        var table = table.mutableSpan
        for index in sums.indices { table[Int(places[index])] &+= sums[index] }
    }
    private mutating func findInterfaces(_ columns: FlowColumns, _ rows: Range<Int>) {
        ins.grow(atLeast: rows.count)
        outs.grow(atLeast: rows.count)
        interfaces.find(
            columns.exporter.span.extracting(rows), columns.ingressInterface.span.extracting(rows),
            columns.egressInterface.span.extracting(rows), ins: &ins, outs: &outs)
        ingress.grow(to: Self.slotsMax * interfaces.count)
        egress.grow(to: Self.slotsMax * interfaces.count)
    }

    /// What rows add, and where. Without branches: which rows are taken is nothing that anybody could foretell.
    /// - Returns: how many are taken.
    private mutating func takeRows(
        _ columns: FlowColumns, _ rows: Range<Int>, left: inout [UInt32]
    ) -> Int {
        let starts = columns.flowStartMilliseconds.span.extracting(rows)
        let ends = columns.flowEndMilliseconds.span.extracting(rows)
        let octets = columns.octetDeltaCount.span.extracting(rows)
        let packets = columns.packetDeltaCount.span.extracting(rows)
        let flows = columns.deltaFlowCount.span.extracting(rows), flags = columns.flags.span.extracting(rows)
        let first = firstMinute, slotArray = slotsSince, slots = slotArray.span
        var (takenArray, sumArray, count, leftCount) = (self.taken, self.sums, 0, 0)
        (self.taken, self.sums) = ([], [])  // theirs alone for now
        takenArray.grow(atLeast: rows.count)
        sumArray.grow(to: rows.count)
        left.grow(atLeast: rows.count)
        var taken = takenArray.mutableSpan, sums = sumArray.mutableSpan, leftRows = left.mutableSpan
        for index in starts.indices {
            let start = starts[index], end = ends[index]
            let since = UInt64(bitPattern: end &- first) / Self.minute
            let isWithin =
                start >= first && end >= first && since == UInt64(bitPattern: start &- first) / Self.minute
            let slot = slots[Int(min(since, UInt64(Self.minutesMax - 1)))]
            let octet = octets[index], packet = packets[index], flow = UInt64(flows[index])
            let isSmall = octet < Self.octetsMax && packet | flow < Self.countMax
            let isTaken =
                isWithin && isSmall && slot < UInt8(Self.slotsMax) && flags[index] & RollupBuilder.uncounted == 0
            let row = UInt32(truncatingIfNeeded: rows.lowerBound &+ index)
            sums[count] = Sum(octet &<< 18 | 1, packet &<< 32 | flow)
            taken[count] = row &<< 3 | UInt32(slot)
            leftRows[leftCount] = row
            count &+= isTaken ? 1 : 0
            leftCount &+= isTaken ? 0 : 1
        }
        (self.taken, self.sums) = (takenArray, sumArray)
        left.removeLast(left.count - leftCount)
        return count
    }
    /// As `takeRows`, of parts of rows.
    private mutating func takeParts(_ parts: [SumPart], rest: inout [SumPart]) -> Int {
        let slotArray = slots, slots = slotArray.span, parts = parts.span
        var (takenArray, sumArray, count) = (self.taken, self.sums, 0)
        (self.taken, self.sums) = ([], [])  // theirs alone for now
        takenArray.grow(atLeast: parts.count)
        sumArray.grow(to: parts.count)
        var taken = takenArray.mutableSpan, sums = sumArray.mutableSpan
        for index in parts.indices {
            let part = parts[index], slot = slots[Int(part.bucket)], tally = part.tally
            guard slot < UInt8(Self.slotsMax), tally.octets < Self.octetsMax,
                tally.packets | tally.flows < Self.countMax
            else {
                rest.append(part)
                continue
            }
            sums[count] = Sum(tally.octets &<< 18 | 1, tally.packets &<< 32 | tally.flows)
            taken[count] = part.row &<< 3 | UInt32(slot)
            count &+= 1
        }
        (self.taken, self.sums) = (takenArray, sumArray)
        return count
    }
    /// Of the first `count` of `taken` the places, of rows from `first` on.
    private mutating func findPlaces(_ count: Int, from first: Int, _ sharing: BatchSharing) {
        let ways = sharing.places.span, (asArray, inArray, outArray, takenArray) = (asPlaces, ins, outs, taken)
        let asPlaces = asArray.span, ins = inArray.span, outs = outArray.span
        let taken = takenArray.span.extracting(0..<count)
        let wayCount = 2 &* conversationCount, asCount = asNumbers.count
        var all = self.places
        self.places = Places()  // its alone for now
        all.grow(to: count)
        var (a, b, c, d, e) = (all.way, all.source, all.destination, all.ingress, all.egress)
        all = Places()  // theirs alone for now
        var ofWay = a.mutableSpan, ofSource = b.mutableSpan, ofDestination = c.mutableSpan
        var ofIn = d.mutableSpan, ofOut = e.mutableSpan
        for index in taken.indices {
            let slot = taken[index] & 7, row = Int(taken[index] &>> 3), way = Int(ways[row])
            ofWay[index] = UInt32(truncatingIfNeeded: Int(slot) &* wayCount &+ way)
            ofSource[index] = UInt32(truncatingIfNeeded: Int(slot) &* asCount) &+ asPlaces[way]
            ofDestination[index] = UInt32(truncatingIfNeeded: Int(slot) &* asCount) &+ asPlaces[way ^ 1]
            ofIn[index] = ins[row &- first] &* UInt32(Self.slotsMax) &+ slot
            ofOut[index] = outs[row &- first] &* UInt32(Self.slotsMax) &+ slot
        }
        self.places = Places(way: a, source: b, destination: c, ingress: d, egress: e)
    }

    /// The service of a row with this place.
    func service(at place: UInt32) -> UInt64 { serviceKeys.keys[Int(serviceNumbers[Int(place)])] }

    // MARK: Results

    /// Adds what came together to the tables of a segment, and forgets it.
    /// - Returns: of each minute that had places, by number, all that was added to them.
    mutating func take(
        services: inout SumTable, hosts: inout SumTable, sourceAS: inout SumTable, destinationAS: inout SumTable,
        ingress: inout SumTable, egress: inout SumTable, buckets: Int
    ) -> [(bucket: UInt32, tally: Tally)] {
        for slot in self.buckets.indices {
            for first in stride(from: 0, to: conversationCount, by: SumTable.chunk) {
                let small = RollupLimit.small(hosts.leastKept(Int(self.buckets[slot])), rows: rowCount)
                takeConversations(first..<min(first + SumTable.chunk, conversationCount), slot, from: small)
                hosts.add(entries, buckets: buckets)
            }
        }
        Self.take(&self.services, serviceKeys.keys, self.buckets, steps: (1, serviceKeys.count), &entries)
        services.add(entries, buckets: buckets)
        Self.take(&self.destinationAS, asNumbers.keys, self.buckets, steps: (1, asNumbers.count), &entries)
        destinationAS.add(entries, buckets: buckets)
        Self.take(&self.ingress, interfaces.keys, self.buckets, steps: (Self.slotsMax, 1), &entries)
        ingress.add(entries, buckets: buckets)
        Self.take(&self.egress, interfaces.keys, self.buckets, steps: (Self.slotsMax, 1), &entries)
        egress.add(entries, buckets: buckets)
        Self.take(&self.sourceAS, asNumbers.keys, self.buckets, steps: (1, asNumbers.count), &entries)
        sourceAS.add(entries, buckets: buckets)
        var totals = self.buckets.map { (bucket: $0, tally: Tally()) }
        for entry in entries { totals[Int(slots[entry.bucket])].tally += entry.tally }
        return totals
    }
    /// Fills `entries` by pair, but for those of fewer octets than `small`, and adds to `services`.
    private mutating func takeConversations(_ numbers: Range<Int>, _ slot: Int, from small: UInt64) {
        entries.removeAll(keepingCapacity: true)
        let bucket = buckets[slot], first = 2 &* slot &* conversationCount, firstService = slot &* serviceKeys.count
        let (ofServices, pairArray) = (serviceNumbers, pairs)  // no copies
        let numberSpan = ofServices.span, pairs = pairArray.span
        var (wayArray, serviceArray, entryArray) = (ways, services, entries)
        (ways, services, entries) = ([], [], [])  // theirs alone for now
        var ways = wayArray.mutableSpan, services = serviceArray.mutableSpan
        entryArray.append(addingCapacity: numbers.count) { entries in
            for number in numbers {
                let place = first &+ 2 &* number, one = ways[place], other = ways[place &+ 1], sum = one &+ other
                guard sum.x != 0 else { continue }
                (ways[place], ways[place &+ 1]) = (.zero, .zero)
                services[firstService &+ Int(numberSpan[2 &* number])] &+= one
                services[firstService &+ Int(numberSpan[2 &* number &+ 1])] &+= other
                guard sum.x &>> 18 >= small else { continue }
                entries.append(SumEntry(key: pairs[number], bucket: bucket, tally: Self.tally(sum)))
            }
        }
        (self.ways, self.services, self.entries) = (wayArray, serviceArray, entryArray)
    }
    @inline(__always)
    private static func tally(_ sum: Sum) -> Tally {
        Tally(flows: sum.y & 0xFFFF_FFFF, octets: sum.x &>> 18, packets: sum.y &>> 32)
    }
    /// - Parameter steps: from a number to the next, from a slot to the next.
    private static func take(
        _ sumArray: inout [Sum], _ keys: [UInt64], _ buckets: [UInt32], steps: (number: Int, slot: Int),
        _ entries: inout [SumEntry]
    ) {
        entries.removeAll(keepingCapacity: true)
        var sums = sumArray.mutableSpan
        for (number, key) in keys.enumerated() {
            for slot in buckets.indices {
                let place = number &* steps.number &+ slot &* steps.slot, sum = sums[place]
                guard sum.x != 0 else { continue }
                sums[place] = .zero
                entries.append(SumEntry(key: key, bucket: buckets[slot], tally: tally(sum)))
            }
        }
    }
}

extension [UInt32] {
    /// At least `count` words; new ones are zero.
    fileprivate mutating func grow(atLeast count: Int) {
        if self.count < count { append(contentsOf: repeatElement(0, count: count - self.count)) }
    }
}

extension [SIMD2<UInt64>] {
    /// At least `count` sums; new ones are zero.
    fileprivate mutating func grow(to count: Int) {
        if self.count < count { append(contentsOf: repeatElement(.zero, count: count - self.count)) }
    }
}
