package import Decode
package import FlowModel

/// What interfaces have carried since the sensor's start, by their own counters (sFlow's counter samples).
///
/// Devices count from their start, packets in 32 bits; these only grow: a wrap is counted on, and after a device's
/// restart what it has counted since is added. The first sample of an interface is where counting begins.
package struct InterfaceTotals: Sendable {
    /// One interface: received first, then sent.
    package struct Growth: Sendable, Equatable {
        package var octets: [UInt64] = [0, 0], packets: [UInt64] = [0, 0]
        package var errors: [UInt64] = [0, 0], discards: [UInt64] = [0, 0]

        package init() {}

        mutating func add(_ old: InterfaceCounters, _ new: InterfaceCounters) {
            add(\.octets, UInt64.growth(old.ifInOctets, new.ifInOctets), .growth(old.ifOutOctets, new.ifOutOctets))
            add(
                \.packets,
                UInt32.growth(old.ifInUcastPkts, new.ifInUcastPkts)
                    &+ UInt32.growth(old.ifInMulticastPkts, new.ifInMulticastPkts)
                    &+ UInt32.growth(old.ifInBroadcastPkts, new.ifInBroadcastPkts),
                UInt32.growth(old.ifOutUcastPkts, new.ifOutUcastPkts)
                    &+ UInt32.growth(old.ifOutMulticastPkts, new.ifOutMulticastPkts)
                    &+ UInt32.growth(old.ifOutBroadcastPkts, new.ifOutBroadcastPkts))
            add(
                \.errors, UInt32.growth(old.ifInErrors, new.ifInErrors), UInt32.growth(old.ifOutErrors, new.ifOutErrors)
            )
            add(
                \.discards, UInt32.growth(old.ifInDiscards, new.ifInDiscards),
                UInt32.growth(old.ifOutDiscards, new.ifOutDiscards))
        }
        private mutating func add(_ path: WritableKeyPath<Growth, [UInt64]>, _ received: UInt64, _ sent: UInt64) {
            self[keyPath: path][0] &+= received
            self[keyPath: path][1] &+= sent
        }
    }
    package static let interfacesMax = 1_024
    package private(set) var growth: [InterfaceCounterBook.Key: Growth] = [:]
    private var book = InterfaceCounterBook(limit: interfacesMax)
    /// Samples of interfaces beyond `interfacesMax`.
    package var refused: UInt64 { book.refused }

    package init() {}

    package mutating func note(_ samples: [CounterSample], from exporter: ExporterKey, at milliseconds: Int64) {
        for sample in samples {
            guard let new = sample.interface else { continue }
            let key = InterfaceCounterBook.Key(exporter: exporter, ifIndex: new.ifIndex)
            let old = book.entries[key]?.interface
            book.note([sample], from: exporter, at: milliseconds)
            guard book.entries[key] != nil else { continue }
            growth[key, default: Growth()].add(old ?? new, new)
        }
        // The book forgets silent interfaces when it needs their room.
        if growth.count > book.entries.count { growth = growth.filter { book.entries[$0.key] != nil } }
    }
}

extension UInt64 {
    /// All ones: the device doesn't count this.
    fileprivate static func growth(_ old: UInt64, _ new: UInt64) -> UInt64 {
        guard old != .max, new != .max else { return 0 }
        return new >= old ? new - old : new
    }
}
extension UInt32 {
    /// What looks like more than half of a wrap is a restart.
    fileprivate static func growth(_ old: UInt32, _ new: UInt32) -> UInt64 {
        guard old != .max, new != .max else { return 0 }
        let difference = new &- old
        return UInt64(difference < 1 << 31 ? difference : new)
    }
}
