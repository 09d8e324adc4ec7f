internal import FlowModel

/// What one datagram carries, for those who check what arrives.
package struct DatagramTally: Hashable, Sendable, Codable {
    /// Data records of flows (sFlow: flow samples), and what they count.
    package var records: UInt64 = 0, octets: UInt64 = 0, packets: UInt64 = 0
    /// Of `records`, those whose flow an earlier record had told of, from another router or another side.
    package var repeats: UInt64 = 0
    package var templates: UInt64 = 0, optionRecords: UInt64 = 0, counterSamples: UInt64 = 0

    package init() {}
    package static func += (sum: inout DatagramTally, other: DatagramTally) {
        sum.records &+= other.records
        sum.octets &+= other.octets
        sum.packets &+= other.packets
        sum.repeats &+= other.repeats
        sum.templates &+= other.templates
        sum.optionRecords &+= other.optionRecords
        sum.counterSamples &+= other.counterSamples
    }
}

/// The datagrams of one step, in the order of sending, their octets end to end in one array that is used again.
package struct DatagramBatch: Sendable {
    package struct Item: Sendable {
        /// The payload, as a range of `bytes`.
        package var range: Range<Int>
        /// Index into `Simulation.exporters`.
        package var exporter: Int
        /// How many source ports this exporter has had before this one.
        package var portGeneration: Int
        package var tally: DatagramTally
    }
    package internal(set) var bytes: [UInt8] = []
    package internal(set) var items: [Item] = []
    /// When they are due, in ms since 1970 by a right clock (an exporter with a wrong one sends at its time, too).
    package internal(set) var dueMilliseconds: Int64 = 0

    package init() {}

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        items.removeAll(keepingCapacity: true)
    }
    mutating func append(_ payload: [UInt8], exporter: Int, portGeneration: Int, _ tally: DatagramTally) {
        let start = bytes.count
        bytes += payload
        items.append(
            Item(range: start..<bytes.count, exporter: exporter, portGeneration: portGeneration, tally: tally))
    }
    mutating func append(_ item: Item, of other: DatagramBatch) {
        let start = bytes.count
        bytes += other.bytes[item.range]
        items.append(item)
        items[items.count - 1].range = start..<bytes.count
    }
}

/// Big-endian integers, appended; the fast path of all encoders.
extension Array where Element == UInt8 {
    @inline(__always)
    mutating func put16(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }
    @inline(__always)
    mutating func put32(_ value: UInt32) {
        put16(UInt16(truncatingIfNeeded: value >> 16))
        put16(UInt16(truncatingIfNeeded: value))
    }
    @inline(__always)
    mutating func put64(_ value: UInt64) {
        put32(UInt32(truncatingIfNeeded: value >> 32))
        put32(UInt32(truncatingIfNeeded: value))
    }
    /// The low `width` octets of `value`.
    @inline(__always)
    mutating func put(_ value: UInt64, width: Int) {
        switch width {
        case 1: append(UInt8(truncatingIfNeeded: value))
        case 2: put16(UInt16(truncatingIfNeeded: value))
        case 4: put32(UInt32(truncatingIfNeeded: value))
        case 8: put64(value)
        default:
            for index in 0..<width {
                let shift = 8 * (width - 1 - index)
                append(shift < 64 ? UInt8(truncatingIfNeeded: value >> UInt64(shift)) : 0)
            }
        }
    }
    mutating func put(_ address: IPAddress) {
        put64(address.high)
        put64(address.low)
    }
    /// Overwrites two octets.
    mutating func set16(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(truncatingIfNeeded: value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}
