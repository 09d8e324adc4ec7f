internal import BatchFormat
internal import FlowModel
internal import SegmentFormat

/// The sums of one batch's rows, where the batch says what they share: a row adds to five numbered places, without a
/// search, and only what came together is then added to the tables of the segment: once a conversation, AS number or
/// interface, and minute.
///
/// Only the minutes in which most rows end have such places, at most `slotsMax`; for what lies in others `keys` tells
/// how the tables know it.
struct BatchSums {
    /// octets << 18 | parts, packets << 32 | flows: a batch has fewer than 2^18 rows, and those that have more than
    /// fits go with the rest.
    typealias Sum = SIMD2<UInt64>
    static let slotsMax = 4
    private static let octetsMax: UInt64 = 1 << 28, countMax: UInt64 = 1 << 14

    /// Which minutes have places: their numbers, and where those of each begin.
    private var buckets: [UInt32] = []
    /// By slot, then by conversation or AS number; by interface, then by slot.
    private var conversations: [Sum] = [], sourceAS: [Sum] = [], destinationAS: [Sum] = []
    private var ingress: [Sum] = [], egress: [Sum] = []
    private var conversationCount = 0, asCount = 0
    /// By number of a minute: its slot, or `slotsMax`.
    private var slots: [UInt8] = []

    /// Of each conversation: protocol << 16 | the server's port, with `isDirected` where that depends on the way.
    private(set) var services: [UInt32] = []
    /// Of each conversation the pair of its ends, as `RollupBuilder` knows it.
    private(set) var pairs: [UInt64] = []
    private static let isDirected: UInt32 = 1 << 31

    private var asNumbers = SumNumbers(), asPlaces: [UInt32] = []
    private var interfaces = SumNumbers()
    /// What is to be added to a table.
    private var entries: [SumEntry] = [], otherEntries: [SumEntry] = []
    /// Of the rows at hand.
    private var ins: [UInt32] = [], outs: [UInt32] = []
    private var sums: [Sum] = [], places = Places()

    /// Where each of `sums` is added.
    private struct Places {
        var conversation: [UInt32] = [], source: [UInt32] = [], destination: [UInt32] = []
        var ingress: [UInt32] = [], egress: [UInt32] = []

        mutating func grow(to count: Int) {
            let missing = count - conversation.count
            guard missing > 0 else { return }
            conversation.append(contentsOf: repeatElement(0, count: missing))
            source.append(contentsOf: repeatElement(0, count: missing))
            destination.append(contentsOf: repeatElement(0, count: missing))
            ingress.append(contentsOf: repeatElement(0, count: missing))
            egress.append(contentsOf: repeatElement(0, count: missing))
        }
    }

    // MARK: A batch

    /// - Parameter buckets: the numbers of the minutes that get places.
    mutating func start(_ sharing: BatchSharing, _ numbers: [UInt32], buckets: [UInt32]) {
        self.buckets = Array(buckets.prefix(Self.slotsMax))
        conversationCount = sharing.conversationCount
        slots = [UInt8](repeating: UInt8(Self.slotsMax), count: RollupLimit.bucketsMax)
        for (slot, bucket) in self.buckets.enumerated() { slots[Int(bucket)] = UInt8(slot) }
        findServices(sharing)
        findPairs(sharing, numbers)
        asNumbers.removeAll()
        asPlaces.removeAll(keepingCapacity: true)
        for endpoint in 0..<sharing.endpointCount {
            asPlaces.append(asNumbers.number(of: UInt64(sharing.asNumbers[endpoint])))
        }
        asCount = asNumbers.count
        interfaces.removeAll()
        conversations.grow(to: Self.slotsMax * conversationCount)
        sourceAS.grow(to: Self.slotsMax * asNumbers.count)
        destinationAS.grow(to: Self.slotsMax * asNumbers.count)
    }
    private mutating func findServices(_ sharing: BatchSharing) {
        let ports = sharing.ports.span, protocols = sharing.protocols.span
        services.removeAll(keepingCapacity: true)
        for index in 0..<conversationCount {
            let source = UInt16(truncatingIfNeeded: ports[2 &* index])
            let destination = UInt16(truncatingIfNeeded: ports[2 &* index &+ 1])
            let transport = protocols[index]
            let port = RollupBuilder.servicePort(transport, source, destination)
            let other = RollupBuilder.servicePort(transport, destination, source)
            services.append(UInt32(transport) << 16 | UInt32(port) | (port == other ? 0 : Self.isDirected))
        }
    }
    private mutating func findPairs(_ sharing: BatchSharing, _ numbers: [UInt32]) {
        let ends = sharing.ends.span, numbers = numbers.span
        pairs.removeAll(keepingCapacity: true)
        for index in 0..<conversationCount {
            let one = UInt64(numbers[Int(ends[2 &* index])]), two = UInt64(numbers[Int(ends[2 &* index &+ 1])])
            pairs.append(min(one, two) << 24 | max(one, two))
        }
    }

    // MARK: Rows

    /// Adds parts of at most `SumTable.chunk` rows; those that have no place are added to `rest`.
    mutating func add(
        _ parts: [SumPart], _ columns: FlowColumns, _ rows: Range<Int>, _ sharing: BatchSharing,
        rest: inout [SumPart]
    ) {
        findInterfaces(columns, rows)
        rest.removeAll(keepingCapacity: true)
        let count = findPlaces(parts, rows, sharing, rest: &rest)
        // Each table in a loop of its own: so short that many loads wait for memory at once.
        Self.add(sums, count, at: places.conversation, to: &conversations)
        Self.add(sums, count, at: places.source, to: &sourceAS)
        Self.add(sums, count, at: places.destination, to: &destinationAS)
        Self.add(sums, count, at: places.ingress, to: &ingress)
        Self.add(sums, count, at: places.egress, to: &egress)
    }
    /// What parts add, and where.
    /// - Returns: how many have a place.
    private mutating func findPlaces(
        _ parts: [SumPart], _ rows: Range<Int>, _ sharing: BatchSharing, rest: inout [SumPart]
    ) -> Int {
        let rowPlaces = sharing.places.span, ends = sharing.ends.span, parts = parts.span
        let placeArray = asPlaces, asPlaces = placeArray.span, serviceArray = services, services = serviceArray.span
        let (inArray, outArray) = (ins, outs), ins = inArray.span, outs = outArray.span
        let slotArray = slots, slots = slotArray.span, asCount = asCount, conversationCount = conversationCount
        var (all, sumArray) = (self.places, self.sums), count = 0
        (self.places, self.sums) = (Places(), [])  // theirs alone for now
        all.grow(to: parts.count)
        sumArray.grow(to: parts.count)
        var (a, b, c, d, e) = (all.conversation, all.source, all.destination, all.ingress, all.egress)
        all = Places()  // theirs alone for now
        var sums = sumArray.mutableSpan, ofConversation = a.mutableSpan
        var ofSource = b.mutableSpan, ofDestination = c.mutableSpan, ofIn = d.mutableSpan, ofOut = e.mutableSpan
        for index in parts.indices {
            let part = parts[index], row = Int(part.row), place = Int(rowPlaces[row]), number = place &>> 1
            let slot = Int(slots[Int(part.bucket)]), tally = part.tally
            let isSmall =
                tally.octets < Self.octetsMax && tally.packets | tally.flows < Self.countMax && slot < Self.slotsMax
            guard isSmall, services[number] & Self.isDirected == 0 || place & 1 == 0 else {
                rest.append(part)
                continue
            }
            sums[count] = Sum(tally.octets &<< 18 | 1, tally.packets &<< 32 | tally.flows)
            let source = Int(asPlaces[Int(ends[place])]), destination = Int(asPlaces[Int(ends[place ^ 1])])
            ofConversation[count] = UInt32(truncatingIfNeeded: slot &* conversationCount &+ number)
            ofSource[count] = UInt32(truncatingIfNeeded: slot &* asCount &+ source)
            ofDestination[count] = UInt32(truncatingIfNeeded: slot &* asCount &+ destination)
            let slotNumber = UInt32(truncatingIfNeeded: slot), step = UInt32(truncatingIfNeeded: Self.slotsMax)
            ofIn[count] = ins[row &- rows.lowerBound] &* step &+ slotNumber
            ofOut[count] = outs[row &- rows.lowerBound] &* step &+ slotNumber
            count &+= 1
        }
        self.places = Places(conversation: a, source: b, destination: c, ingress: d, egress: e)
        self.sums = sumArray
        return count
    }
    private static func add(_ sums: [Sum], _ count: Int, at places: [UInt32], to table: inout [Sum]) {
        let sums = sums.span.extracting(0..<count), places = places.span.extracting(0..<count)
        var table = table.mutableSpan
        for index in sums.indices { table[Int(places[index])] &+= sums[index] }
    }
    /// Of each row the numbers of both interfaces.
    private mutating func findInterfaces(_ columns: FlowColumns, _ rows: Range<Int>) {
        let exporters = columns.exporter.span.extracting(rows)
        let ingress = columns.ingressInterface.span.extracting(rows)
        let egress = columns.egressInterface.span.extracting(rows)
        ins.removeAll(keepingCapacity: true)
        outs.removeAll(keepingCapacity: true)
        for index in exporters.indices {
            let exporter = UInt64(exporters[index]) << 32
            ins.append(interfaces.number(of: exporter | UInt64(ingress[index])))
            outs.append(interfaces.number(of: exporter | UInt64(egress[index])))
        }
        self.ingress.grow(to: Self.slotsMax * interfaces.count)
        self.egress.grow(to: Self.slotsMax * interfaces.count)
    }

    /// The service of a row with this place.
    func service(at place: UInt32, _ sharing: BatchSharing) -> UInt64 {
        let index = Int(place >> 1), service = services[index]
        guard service & Self.isDirected != 0, place & 1 == 1 else { return UInt64(service & ~Self.isDirected) }
        let port = RollupBuilder.servicePort(
            sharing.protocols[index], UInt16(truncatingIfNeeded: sharing.ports[2 * index + 1]),
            UInt16(truncatingIfNeeded: sharing.ports[2 * index]))
        return UInt64(sharing.protocols[index]) << 16 | UInt64(port)
    }

    // MARK: Results

    /// Adds what came together to the tables of a segment, and forgets it.
    mutating func take(
        services: inout SumTable, hosts: inout SumTable, sourceAS: inout SumTable, destinationAS: inout SumTable,
        ingress: inout SumTable, egress: inout SumTable, buckets: Int
    ) {
        for slot in self.buckets.indices {
            let range = (slot * conversationCount)..<((slot + 1) * conversationCount)
            for first in stride(from: range.lowerBound, to: range.upperBound, by: SumTable.chunk) {
                let places = first..<min(first + SumTable.chunk, range.upperBound)
                takeConversations(places, slot)
                services.add(entries, buckets: buckets)
                hosts.add(otherEntries, buckets: buckets)
            }
        }
        Self.take(&self.sourceAS, asNumbers, self.buckets, steps: (1, asCount), &entries)
        sourceAS.add(entries, buckets: buckets)
        Self.take(&self.destinationAS, asNumbers, self.buckets, steps: (1, asCount), &entries)
        destinationAS.add(entries, buckets: buckets)
        Self.take(&self.ingress, interfaces, self.buckets, steps: (Self.slotsMax, 1), &entries)
        ingress.add(entries, buckets: buckets)
        Self.take(&self.egress, interfaces, self.buckets, steps: (Self.slotsMax, 1), &entries)
        egress.add(entries, buckets: buckets)
    }
    /// Fills `entries` by service and `otherEntries` by pair.
    private mutating func takeConversations(_ places: Range<Int>, _ slot: Int) {
        entries.removeAll(keepingCapacity: true)
        otherEntries.removeAll(keepingCapacity: true)
        let bucket = buckets[slot], first = slot * conversationCount
        let (serviceArray, pairArray) = (self.services, self.pairs)  // no copies
        let services = serviceArray.span, pairs = pairArray.span
        var sumArray = conversations
        conversations = []  // its alone for now
        var sums = sumArray.mutableSpan
        for place in places {
            let sum = sums[place]
            guard sum.x != 0 else { continue }
            sums[place] = .zero
            let tally = Self.tally(sum)
            let service = UInt64(services[place &- first] & ~Self.isDirected)
            entries.append(SumEntry(key: service, bucket: bucket, tally: tally))
            otherEntries.append(SumEntry(key: pairs[place &- first], bucket: bucket, tally: tally))
        }
        conversations = sumArray
    }
    @inline(__always)
    private static func tally(_ sum: Sum) -> Tally {
        Tally(flows: sum.y & 0xFFFF_FFFF, octets: sum.x &>> 18, packets: sum.y &>> 32)
    }
    /// - Parameter steps: from a number to the next, from a slot to the next.
    private static func take(
        _ sumArray: inout [Sum], _ numbers: SumNumbers, _ buckets: [UInt32], steps: (number: Int, slot: Int),
        _ entries: inout [SumEntry]
    ) {
        entries.removeAll(keepingCapacity: true)
        var sums = sumArray.mutableSpan
        for (number, key) in numbers.keys.enumerated() {
            for slot in buckets.indices {
                let place = number &* steps.number &+ slot &* steps.slot, sum = sums[place]
                guard sum.x != 0 else { continue }
                sums[place] = .zero
                entries.append(SumEntry(key: key, bucket: buckets[slot], tally: tally(sum)))
            }
        }
    }
}

/// Keys, numbered by first use. What is not found in `probesMax` places counts as new, so that nobody who makes hashes
/// collide can make this slow: a key may have several numbers.
struct SumNumbers {
    /// By number.
    private(set) var keys: [UInt64] = []
    /// key, number + 1
    private var slots = [SIMD2<UInt64>](repeating: .zero, count: 1 << 10)
    var count: Int { keys.count }
    private static let probesMax = 24

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        for slot in slots.indices { slots[slot] = .zero }
    }
    @inline(__always)
    mutating func number(of key: UInt64) -> UInt32 {
        let held = slots[Self.place(key, slots.count)]
        if held.x == key, held.y != 0 { return UInt32(truncatingIfNeeded: held.y &- 1) }
        return find(key)
    }
    @inline(never)
    private mutating func find(_ key: UInt64) -> UInt32 {
        if 2 * count >= slots.count { makeRoom() }
        var place = Self.place(key, slots.count), probes = 0
        while slots[place].y != 0, probes < Self.probesMax {  // ends: probes grow
            if slots[place].x == key { return UInt32(truncatingIfNeeded: slots[place].y &- 1) }
            (place, probes) = ((place + 1) & (slots.count - 1), probes + 1)
        }
        keys.append(key)
        slots[place] = SIMD2(key, UInt64(count))
        return UInt32(truncatingIfNeeded: count - 1)
    }
    private mutating func makeRoom() {
        slots = [SIMD2<UInt64>](repeating: .zero, count: 2 * slots.count)
        for (number, key) in keys.enumerated() {
            var place = Self.place(key, slots.count), probes = 0
            while slots[place].y != 0, probes < Self.probesMax {  // ends: probes grow
                (place, probes) = ((place + 1) & (slots.count - 1), probes + 1)
            }
            slots[place] = SIMD2(key, UInt64(number + 1))
        }
    }
    @inline(__always)
    private static func place(_ key: UInt64, _ size: Int) -> Int {
        Int(
            truncatingIfNeeded: ConversationHash.fold(key ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB) &>> 16)
            & (size &- 1)
    }
}

extension [SIMD2<UInt64>] {
    /// At least `count` sums; new ones are zero.
    fileprivate mutating func grow(to count: Int) {
        if self.count < count { append(contentsOf: repeatElement(.zero, count: count - self.count)) }
    }
}
