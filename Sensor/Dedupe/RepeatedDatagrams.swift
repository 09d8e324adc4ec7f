package import FlowModel
internal import WireBytes

/// Tells whether a datagram came before: the same bytes from the same address and port to the same local port, lately.
/// Exporters that send to a pair of paths, and mirrors that copy twice, do that.
///
/// Invariants: two different datagrams are never taken for one (128 bits of seeded hash, so nobody outside can make
/// them collide either); a datagram older than the window is never called a repeat; memory is bounded by `Bounds`.
/// Forgetting is by halves: what is known lies in a younger and an older half, and when the younger is full it takes
/// the older's place. So at least half of each bound is remembered, with no list to keep in order.
/// Not here: what becomes of a repeat (the pipeline counts it), and flows that two exporters both saw.
package struct RepeatedDatagrams: Sendable {
    /// What is remembered at most: 64 octets a datagram, so 64 MB at the defaults' worst. Repeats follow within
    /// milliseconds; half of 1024 datagrams is a second of a busy router's.
    package struct Bounds: Sendable {
        /// Of one exporter (an address, its port and the local port).
        package var datagramsPerExporterMax = 1_024
        package var exportersMax = 1_024
        /// Between a datagram and its repeat, by receive time.
        package var windowMilliseconds: Int64 = 60_000
        package init() {}
    }
    private struct Exporter: Hashable {
        let address: IPAddress
        let ports: UInt32

        /// All of it in one word, mixed with the seed: a third of the hasher's work, and nobody outside can make two
        /// exporters share it.
        let word: UInt64

        init(_ origin: DatagramOrigin, seed: (UInt64, UInt64)) {
            address = origin.source
            ports = UInt32(origin.sourcePort) << 16 | UInt32(origin.localPort)
            let low = (address.low ^ seed.0).multipliedFullWidth(by: UInt64(ports) << 32 | 1)
            let high = (address.high ^ seed.1 ^ low.high).multipliedFullWidth(by: low.low ^ seed.0)
            word = high.high ^ high.low
        }
        func hash(into hasher: inout Hasher) { hasher.combine(word) }
    }

    private let bounds: Bounds
    private let seed: (UInt64, UInt64)
    private var younger: [Exporter: RecentDatagrams] = [:]
    private var older: [Exporter: RecentDatagrams] = [:]

    /// - Parameter seed: unknown to whoever sends datagrams.
    package init(bounds: Bounds = Bounds(), seed: (UInt64, UInt64)) {
        self.bounds = bounds
        self.seed = seed
    }

    /// Notes a datagram.
    /// - Returns: whether the same one came from the same place at most the window earlier (or later, should the clock
    ///   have been set back).
    package mutating func isRepeat(_ datagram: RawSpan, from origin: DatagramOrigin) -> Bool {
        let exporter = Exporter(origin, seed: seed)
        if !older.isEmpty, let known = older.removeValue(forKey: exporter) { younger[exporter] = known }
        let digest = DatagramDigest(datagram, seed)
        let isRepeat = younger[exporter, default: RecentDatagrams()].note(
            digest, at: origin.receiveMilliseconds, bounds)
        if younger.count > bounds.exportersMax / 2 {
            older = younger
            younger = [:]
        }
        return isRepeat
    }
}

/// The datagrams of one exporter.
private struct RecentDatagrams: Sendable {
    private var younger = DigestTable()
    private var older = DigestTable()

    mutating func note(_ digest: DatagramDigest, at time: Int64, _ bounds: RepeatedDatagrams.Bounds) -> Bool {
        let before = younger.update(digest, to: time) ?? older.time(of: digest)
        if younger.count > bounds.datagramsPerExporterMax / 2 {
            swap(&younger, &older)
            younger.removeAll()
        }
        guard let before else { return false }
        let (distance, isTooFar) = time.subtractingReportingOverflow(before)
        return !isTooFar && distance.magnitude <= bounds.windowMilliseconds.magnitude
    }
}
