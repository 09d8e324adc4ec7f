package import FlowModel
internal import WireBytes

/// Tells whether a datagram came before: the same bytes from the same address and port to the same local port, lately.
/// Exporters that send to a pair of paths, and mirrors that copy twice, do that.
///
/// Invariants: two different datagrams are not taken for one (128 bits of seeded hash, so nobody outside can make
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
    private var younger = Exporters(), older = Exporters()

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
        let number = younger.lookUp(exporter) ?? admit(exporter)
        let digest = DatagramDigest(datagram, seed)
        let place = StreamPlace(datagram)
        let isRepeat = younger.recent[number].note(digest, place, at: origin.receiveMilliseconds, bounds)
        if younger.recent.count > bounds.exportersMax / 2 {
            older = younger
            younger = Exporters()
        }
        return isRepeat
    }
    /// Takes an exporter over from the older half, or takes in a new one. Returns its number in the younger.
    private mutating func admit(_ exporter: Exporter) -> Int { younger.add(exporter, older.take(exporter)) }

    /// A half of the exporters: numbers by exporter, and in front of them the one asked for last of each of some parts
    /// of the seeded words, which answers nearly always without a dictionary.
    private struct Exporters: Sendable {
        private var numbers: [Exporter: Int] = [:]
        private var latest: [(exporter: Exporter, number: Int)] = []
        var recent: [RecentDatagrams] = []

        private static let latestMax = 256

        @inline(__always)
        mutating func lookUp(_ exporter: Exporter) -> Int? {
            let place = Int(truncatingIfNeeded: exporter.word) & (Self.latestMax - 1)
            if place < latest.count, latest[place].exporter == exporter { return latest[place].number }
            guard let number = numbers[exporter] else { return nil }
            latest[place] = (exporter, number)
            return number
        }
        mutating func add(_ exporter: Exporter, _ datagrams: RecentDatagrams) -> Int {
            let number = recent.count
            if latest.isEmpty { latest = Array(repeating: (exporter, number), count: Self.latestMax) }
            recent.append(datagrams)
            numbers[exporter] = number
            latest[Int(truncatingIfNeeded: exporter.word) & (Self.latestMax - 1)] = (exporter, number)
            return number
        }
        /// Nothing stays of it here; an exporter that is not known has no datagrams.
        mutating func take(_ exporter: Exporter) -> RecentDatagrams {
            guard let number = numbers.removeValue(forKey: exporter) else { return RecentDatagrams() }
            defer { recent[number] = RecentDatagrams() }
            return recent[number]
        }
    }
}

/// The datagrams of one exporter.
private struct RecentDatagrams: Sendable {
    private var younger = DigestTable(), older = DigestTable()
    private var youngerMarks = StreamMarks(), olderMarks = StreamMarks()

    /// - Parameter place: of the datagram in its stream; nil when it has none.
    @inline(__always)
    mutating func note(
        _ digest: DatagramDigest, _ place: StreamPlace?, at time: Int64, _ bounds: RepeatedDatagrams.Bounds
    ) -> Bool {
        let before = enter(digest, place, at: time)
        if let place { youngerMarks.note(place) }
        if younger.count > bounds.datagramsPerExporterMax / 2 { turnOver() }
        guard let before else { return false }
        let (distance, isTooFar) = time.subtractingReportingOverflow(before)
        return !isTooFar && distance.magnitude <= bounds.windowMilliseconds.magnitude
    }
    /// Returns when it came before.
    @inline(__always)
    private mutating func enter(_ digest: DatagramDigest, _ place: StreamPlace?, at time: Int64) -> Int64? {
        var before: Int64?
        if let place, youngerMarks.areBefore(place), olderMarks.areBefore(place) {
            before = nil
        } else {
            if let known = younger.update(digest, to: time) { return known }
            before = older.time(of: digest)
        }
        younger.append(digest, at: time)
        return before
    }
    private mutating func turnOver() {
        swap(&younger, &older)
        younger.removeAll()
        swap(&youngerMarks, &olderMarks)
        youngerMarks.removeAll()
    }
}
