import FlowModel

/// What each data source of each sFlow agent last said of itself, to tell which samples are missing and whether the
/// rate it states is the one it samples at.
///
/// Invariants: at most `sourcesMax` sources of 32 octets; a new one takes the place of the one silent for longest among
/// the four that it could be found beside, so each look costs the same whatever is sent. Sources are told apart by a
/// seeded mix of who they are, of 32 bits.
/// Not here: missing datagrams, which have a sequence of their own.
struct SampleSources: Sendable {
    static let sourcesMax = 16_384
    /// Samples after which the stated rate is compared with the pool's.
    static let samplesCompared: UInt32 = 1_024
    /// More samples missing than this between two is a restart.
    static let gapMax: UInt32 = 65_536
    private static let ways = 4

    private struct Source {
        var key: UInt32 = 0
        /// Since the last comparison.
        var pooled: UInt32 = 0, sampled: UInt32 = 0
        var sequence: UInt32 = 0, pool: UInt32 = 0, drops: UInt32 = 0, rate: UInt32 = 0
        /// In s, modulo 2^32.
        var lastSeen: UInt32 = 0
    }
    private var table: [Source] = []
    private var used = 0
    private let seed = UInt64(truncatingIfNeeded: "sflow".hashValue) | 1

    var count: Int { used }

    /// What stands for an agent from now on.
    func key(of exporter: ExporterKey) -> UInt64 {
        mix(exporter.address.low ^ mix(exporter.address.high), UInt64(exporter.observationDomain))
    }
    @inline(__always)
    private func mix(_ a: UInt64, _ b: UInt64 = 0) -> UInt64 {
        let product = (a ^ seed).multipliedFullWidth(by: b ^ 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    /// Takes note of one sample and says what it tells about those before it.
    /// - Parameter agent: from `key(of:)`.
    @inline(__always)
    mutating func note(
        _ head: FlowSampleHead, agent: UInt64, kind: UInt64, seconds: UInt32, _ result: inout DecodeResult
    ) {
        let mixed = mix(agent, UInt64(head.sourceType) << 32 | UInt64(head.sourceIndex) | kind << 63)
        let key = UInt32(truncatingIfNeeded: mixed >> 32) | 1  // 0 is an empty place
        guard let slot = find(key) else { return add(key, head, seconds) }
        var all = table.mutableSpan
        let last = all[slot].sequence, step = head.sequence &- last
        all[slot].lastSeen = seconds
        if step == 1 {
            // As it should be.
        } else if step &- 2 < Self.gapMax {
            result.samplesMissing &+= UInt64(step &- 1)
        } else if last &- head.sequence < 1_024 {
            result.samplesLate &+= 1
            return
        } else {
            all[slot].pool = head.pool
            all[slot].drops = head.drops
            (all[slot].sampled, all[slot].pooled, all[slot].sequence) = (0, 0, head.sequence)
            return
        }
        all[slot].sequence = head.sequence
        let dropped = head.drops &- all[slot].drops
        if dropped != 0, dropped < Self.gapMax { result.samplesDropped &+= UInt64(dropped) }
        all[slot].drops = head.drops
        let pooled = head.pool &- all[slot].pool
        all[slot].pool = head.pool
        guard pooled != 0, pooled < 1 << 31, all[slot].pooled < 1 << 31, head.rate == all[slot].rate else {
            (all[slot].sampled, all[slot].pooled, all[slot].rate) = (0, 0, head.rate)
            return
        }
        all[slot].sampled &+= step
        all[slot].pooled &+= pooled
        guard all[slot].sampled >= Self.samplesCompared else { return }
        let effective = Float(all[slot].pooled) / Float(all[slot].sampled)
        (all[slot].sampled, all[slot].pooled) = (0, 0)
        if effective > 1.25 * Float(head.rate) || effective < 0.8 * Float(head.rate) {
            result.samplingMismatches.append(SamplingMismatch(head, effective: effective))
        }
    }

    @inline(__always)
    private func find(_ key: UInt32) -> Int? {
        let all = table.span
        guard all.count > 0 else { return nil }
        let first = Int(truncatingIfNeeded: key) & (all.count &- Self.ways)
        for slot in first..<(first &+ Self.ways) where all[slot].key == key { return slot }
        return nil
    }

    @inline(never)
    private mutating func add(_ key: UInt32, _ head: FlowSampleHead, _ seconds: UInt32) {
        if table.isEmpty { table = [Source](repeating: Source(), count: 64) }
        var source = Source(key: key)
        (source.sequence, source.pool, source.drops) = (head.sequence, head.pool, head.drops)
        (source.rate, source.lastSeen) = (head.rate, seconds)
        while used >= table.count / 2 || !hasRoom(for: key), table.count < Self.sourcesMax { grow() }
        insert(source)
    }
    private func hasRoom(for key: UInt32) -> Bool {
        let first = Int(truncatingIfNeeded: key) & (table.count - Self.ways)
        return table[first..<(first + Self.ways)].contains { $0.key == 0 }
    }
    private mutating func insert(_ source: Source) {
        let first = Int(truncatingIfNeeded: source.key) & (table.count - Self.ways)
        let slots = first..<(first + Self.ways)
        if let free = slots.first(where: { table[$0].key == 0 }) {
            table[free] = source
            used += 1
            return
        }
        let now = source.lastSeen
        guard let oldest = slots.max(by: { now &- table[$0].lastSeen < now &- table[$1].lastSeen }) else { return }
        table[oldest] = source
    }
    private mutating func grow() {
        let sources = table.filter { $0.key != 0 }
        table = [Source](repeating: Source(), count: 2 * table.count)
        used = 0
        for source in sources { insert(source) }
    }
}

/// A data source that samples at another rate than it states.
package struct SamplingMismatch: Sendable, Equatable {
    /// 0 an interface, 1 a VLAN, 2 a physical entity; and its number.
    package let sourceType: UInt32, sourceIndex: UInt32
    /// As the samples say, and as packets seen for each sample taken say.
    package let stated: UInt32, effective: Float

    init(_ head: FlowSampleHead, effective: Float) {
        (sourceType, sourceIndex, stated) = (head.sourceType, head.sourceIndex, head.rate)
        self.effective = effective
    }
}
