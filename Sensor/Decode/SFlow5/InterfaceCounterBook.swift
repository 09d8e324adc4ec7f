package import FlowModel

/// The latest counters of each interface, for whoever shows them.
///
/// Invariant: at most `interfacesMax`; when full, one that has been silent for `idleMilliseconds` gives way to a new
/// one, else the new one is refused and counted.
package struct InterfaceCounterBook: Sendable {
    package static let interfacesMax = 65_536
    package static let idleMilliseconds: Int64 = 600_000

    package struct Key: Hashable, Sendable {
        package var exporter: ExporterKey, ifIndex: UInt32
        package init(exporter: ExporterKey, ifIndex: UInt32) { (self.exporter, self.ifIndex) = (exporter, ifIndex) }
    }
    package struct Entry: Sendable, Equatable {
        package var interface: InterfaceCounters
        package var ethernet: EthernetCounters?
        package var receiveMilliseconds: Int64
    }
    package private(set) var entries: [Key: Entry] = [:]
    package private(set) var refused: UInt64 = 0
    private let limit: Int

    package init(limit: Int = interfacesMax) { self.limit = limit }

    package mutating func note(_ samples: [CounterSample], from exporter: ExporterKey, at milliseconds: Int64) {
        for sample in samples {
            guard let interface = sample.interface else { continue }
            let key = Key(exporter: exporter, ifIndex: interface.ifIndex)
            if entries[key] == nil, entries.count >= limit {
                forgetIdle(before: milliseconds &- Self.idleMilliseconds)
                guard entries.count < limit else {
                    refused &+= 1
                    continue
                }
            }
            entries[key] = Entry(
                interface: interface, ethernet: sample.ethernet, receiveMilliseconds: milliseconds)
        }
    }
    /// No look through all of them more often than every ten seconds, whatever arrives.
    private mutating func forgetIdle(before milliseconds: Int64) {
        guard milliseconds &- lastLook >= 10_000 else { return }
        lastLook = milliseconds
        entries = entries.filter { $0.value.receiveMilliseconds >= milliseconds }
    }
    private var lastLook: Int64 = .min / 2
}
