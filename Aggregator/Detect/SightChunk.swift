/// Some records of a batch, read once for all detectors.
///
/// Few enough that they stay in the processor's nearest cache while one detector after the other passes over them; a
/// detector looks at the records' aspects first, which are two octets each.
import FlowModel

struct SightChunk {
    private(set) var sights: [FlowSight]
    /// Beside `sights`.
    private(set) var aspects: [Aspects]
    /// The latest so far, in ms.
    private(set) var received: Int64
    private let keys: KeyHash, networks: OwnNetworks
    private let bucket: WindowClock
    static let sightsMax = 256

    /// - Parameter bucket: of floods, in ms.
    init(_ keys: KeyHash, _ networks: OwnNetworks, bucket: Int64, received: Int64) {
        (self.keys, self.networks, self.received) = (keys, networks, received)
        self.bucket = WindowClock(width: bucket)
        (sights, aspects) = ([], [])
        sights.reserveCapacity(Self.sightsMax)
        aspects.reserveCapacity(Self.sightsMax)
    }

    var indices: Range<Int> { sights.indices }

    /// Replaces all by the records of at most `sightsMax` rows, without those that another observer's record stands
    /// for: they were taken in with that one.
    mutating func read(_ columns: borrowing FlowColumns, rows: Range<Int>, _ first: borrowing FirstSeen) {
        precondition(rows.count <= Self.sightsMax, "a chunk of \(rows.count)")
        let (keys, networks) = (keys, networks)
        var latest = received, bucket = bucket
        let table = PortTraits.table, ports = table.span, said = StatedInitiator(columns)
        sights.removeAll(keepingCapacity: true)
        aspects.removeAll(keepingCapacity: true)
        for row in rows where columns.flags[row] & Bit.observedElsewhere == 0 {
            let sight = FlowSight(
                columns, row: row, keys, stated: said.initiator(columns, row: row),
                firstSeen: first.initiator(row: row))
            latest = max(latest, sight.received)
            var aspect = Aspects(sight, ports: ports, networks: networks)
            if bucket.number(of: sight.end) != bucket.number(of: sight.start) || sight.hasEstimatedTimes {
                aspect.insert(.lengthy)
            }
            aspects.append(aspect)
            sights.append(sight)
        }
        received = latest
    }
}
