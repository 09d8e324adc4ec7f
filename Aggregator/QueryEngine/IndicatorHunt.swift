package import BatchFormat
package import FlowModel

/// What is hunted for: addresses and networks, ready to be looked up by address.
package struct IndicatorSet: Sendable {
    package static let countMax = 100_000

    package let networks: [IPNetwork]
    /// Numbers of `networks` by address, for each length of each family, longest first.
    private let levels: [(isV4: Bool, length: Int, numbers: [IPAddress: Int32])]
    /// One bit for each hash of an indicator: most addresses are told apart by this alone. Empty when networks are so
    /// wide that it would say nothing.
    private let bits: [UInt64]
    private let shortest: (v4: Int, v6: Int)

    /// Each network once.
    package init(_ indicators: some Sequence<IPNetwork>) {
        var seen: Set<IPNetwork> = []
        networks = indicators.filter { seen.insert($0).inserted }
        var byLength: [Int: [IPAddress: Int32]] = [:]
        for (number, network) in networks.enumerated() {
            byLength[network.length + (network.address.isV4 ? 1_000 : 0), default: [:]][network.address] =
                Int32(truncatingIfNeeded: number)
        }
        levels = byLength.sorted { $0.key > $1.key }.map { ($0.key >= 1_000, $0.key % 1_000, $0.value) }
        let v4 = networks.filter(\.address.isV4).map(\.length).min() ?? 32
        let v6 = networks.filter { !$0.address.isV4 }.map(\.length).min() ?? 128
        shortest = (v4, v6)
        var size = 1_024
        while size < 16 * networks.count { size *= 2 }
        var bits = [UInt64](repeating: 0, count: size / 64)
        for network in networks {
            let place = Self.place(network.address.prefix(network.address.isV4 ? v4 : v6), size)
            bits[place >> 6] |= 1 << UInt64(place & 63)
        }
        self.bits = bits
    }
    @inline(__always)
    private static func place(_ address: IPAddress, _ size: Int) -> Int {
        let hash = ConversationHash.fold(
            address.low ^ 0xA076_1D64_78BD_642F, address.high ^ 0xE703_7ED1_A0B4_28DB)
        return Int(truncatingIfNeeded: hash) & (size - 1)
    }

    /// The number in `networks` of the narrowest indicator that holds an address.
    package func number(of address: IPAddress) -> Int? {
        let isV4 = address.isV4
        let place = Self.place(address.prefix(isV4 ? shortest.v4 : shortest.v6), bits.count * 64)
        guard bits[place >> 6] >> UInt64(place & 63) & 1 == 1, !address.isAbsent else { return nil }
        for level in levels where level.isV4 == isV4 {
            if let number = level.numbers[address.prefix(level.length)] { return Int(number) }
        }
        return nil
    }
}

/// A host that met an indicator.
package struct Sighting: Equatable, Sendable {
    /// The narrowest indicator that holds the address that was met.
    package var indicator: IPNetwork
    /// That address.
    package var met: IPAddress
    /// Who met it.
    package var host: IPAddress
    /// First start and last end of the records, ms since 1970 UTC.
    package var period: ClosedRange<Int64>
    /// From the host to the address, and back.
    package var sent: Tally
    package var received: Tally
}

/// Collects who met the indicators, and when.
package struct IndicatorHunt {
    private struct Meeting: Hashable {
        let number: Int32
        let met: IPAddress
        let host: IPAddress
    }
    package let indicators: IndicatorSet
    private var sightings: [Meeting: Sighting] = [:]
    private let sightingsMax: Int
    /// Records that belong to a sighting that found no room.
    package private(set) var leftOut: UInt64 = 0

    /// - Parameter sightingsMax: pairs of addresses that are kept apart; some 200 octets each.
    package init(_ indicators: IndicatorSet, sightingsMax: Int = 100_000) {
        self.indicators = indicators
        self.sightingsMax = sightingsMax
    }

    /// What must be decoded before `add`.
    package static let fields: FieldSet = [
        .sourceIPAddress, .destinationIPAddress, .flowStartMilliseconds, .flowEndMilliseconds, .counters,
    ]
    /// What must be decoded before `meetings`.
    package static let addressFields: FieldSet = [.sourceIPAddress, .destinationIPAddress]

    /// Which of a block's rows have an indicator at one end.
    package func meetings(_ rows: [Int32], of block: RowBlock) -> [Int32] {
        let (sourceHigh, sourceLow) = (block.columns.sourceHigh, block.columns.sourceLow)
        let (destinationHigh, destinationLow) = (block.columns.destinationHigh, block.columns.destinationLow)
        // Rows of one pair of hosts lie together: the last answers serve most of them.
        var lastSource = IPAddress.absent, lastDestination = IPAddress.absent
        var isSource = false, isDestination = false
        return rows.filter { row in
            let row = Int(row)
            let source = IPAddress(high: sourceHigh[row], low: sourceLow[row])
            let destination = IPAddress(high: destinationHigh[row], low: destinationLow[row])
            if source != lastSource { (lastSource, isSource) = (source, indicators.number(of: source) != nil) }
            if destination != lastDestination {
                (lastDestination, isDestination) = (destination, indicators.number(of: destination) != nil)
            }
            return isSource || isDestination
        }
    }

    /// - Parameter rows: what `meetings` found.
    package mutating func add(_ rows: [Int32], of block: RowBlock) {
        for row in rows {
            let record = block.columns[Int(row)]
            if let number = indicators.number(of: record.destinationIPAddress) {
                note(number, met: record.destinationIPAddress, host: record.sourceIPAddress, record, isSent: true)
            }
            if let number = indicators.number(of: record.sourceIPAddress) {
                note(number, met: record.sourceIPAddress, host: record.destinationIPAddress, record, isSent: false)
            }
        }
    }
    private mutating func note(_ number: Int, met: IPAddress, host: IPAddress, _ record: FlowRecord, isSent: Bool) {
        let meeting = Meeting(number: Int32(truncatingIfNeeded: number), met: met, host: host)
        let start = record.flowStartMilliseconds, end = max(start, record.flowEndMilliseconds)
        guard sightings[meeting] != nil || sightings.count < sightingsMax else {
            leftOut += 1
            return
        }
        var sighting =
            sightings[meeting]
            ?? Sighting(
                indicator: indicators.networks[number], met: met, host: host, period: start...end, sent: Tally(),
                received: Tally())
        sighting.period = min(sighting.period.lowerBound, start)...max(sighting.period.upperBound, end)
        if isSent { sighting.sent += record.tally } else { sighting.received += record.tally }
        sightings[meeting] = sighting
    }

    /// All sightings, by their first record, then by the addresses.
    package var answer: [Sighting] {
        sightings.values.sorted { a, b in
            (a.period.lowerBound, a.met, a.host) < (b.period.lowerBound, b.met, b.host)
        }
    }
}
