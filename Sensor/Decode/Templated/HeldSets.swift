package import FlowModel

/// Data sets that waited for their template and were lost.
package struct HeldLoss: Sendable, Equatable {
    package let exporter: ExporterKey
    /// The template that never came.
    package let template: UInt16
    package var sets: UInt64
}

/// A data set whose template is not known yet, with all that is needed to decode it later as if it came now.
struct HeldSet: Sendable {
    let template: UInt16
    let origin: DatagramOrigin
    let exportMilliseconds: Int64
    let uptime: UInt32?
    let body: [UInt8]

    /// What it takes in memory, in octets.
    var cost: Int { body.count + 128 }
}

/// Keeps data sets until their template comes.
///
/// Invariants: bounded in octets, sets and age, for each exporter and for all; strangers, whoever they say they are,
/// share one half of the room, and exporters that are known the other. What is dropped is counted once, by exporter
/// and template, the oldest first. A set that is kept is not lost yet.
struct HeldSets: Sendable {
    private struct Queue: Sendable {
        let key: ExporterKey
        let pool: Int
        /// The oldest first.
        var sets: [HeldSet] = []
        var octets = 0
    }
    private struct Pool: Sendable {
        var octets = 0, sets = 0
    }
    private let limits: DecodeLimits
    private var queues: [Queue] = []
    private var index: [ExporterKey: Int] = [:]
    /// Of strangers, and of those known.
    private var pools = [Pool(), Pool()]
    private var hand = 0
    /// Lost and not reported yet. Those beyond the limit are under template 0 of their exporter's last entry.
    private var lost: [HeldLoss] = []
    private static let lostMax = 4_096

    init(limits: DecodeLimits) { self.limits = limits }

    var isEmpty: Bool { queues.isEmpty }
    var setCount: Int { pools[0].sets + pools[1].sets }
    var octets: Int { pools[0].octets + pools[1].octets }

    /// Keeps a set. False when there is no room for it, however much of its exporter's own gives way.
    mutating func keep(_ set: HeldSet, of key: ExporterKey, isKnown: Bool) -> Bool {
        let octetsMax = limits.heldOctetsMax / 2, setsMax = limits.heldSetsMax / 2
        let ownOctetsMax = min(limits.heldOctetsPerExporterMax, octetsMax)
        guard set.cost <= ownOctetsMax, limits.heldSetsPerExporterMax > 0, setsMax > 0 else { return false }
        let slot = slot(of: key, isKnown: isKnown)
        queues[slot].sets.append(set)
        queues[slot].octets += set.cost
        let pool = queues[slot].pool
        pools[pool].octets += set.cost
        pools[pool].sets += 1
        var surplus = surplus(slot, ownOctetsMax, set.origin.receiveMilliseconds)
        // One that holds more than its share of a full room makes way itself; else one of the next few that holds most.
        while pools[pool].octets > octetsMax || pools[pool].sets > setsMax {  // ends: each turn drops a set
            if surplus > 0 {
                drop(first: surplus, of: slot)
                surplus = 0
                continue
            }
            let victim = heaviest(of: pool) ?? slot
            drop(first: max(queues[victim].sets.count / 8, 1), of: victim)
        }
        if surplus > 0 { drop(first: surplus, of: slot) }
        removeIfEmpty(index[key])
        return true
    }

    /// How many of the oldest sets are too old, or too much for one exporter.
    private func surplus(_ slot: Int, _ octetsMax: Int, _ now: Int64) -> Int {
        var count = 0, octets = queues[slot].octets
        for set in queues[slot].sets {
            let isTooMuch = octets > octetsMax || queues[slot].sets.count - count > limits.heldSetsPerExporterMax
            guard isTooMuch || now &- set.origin.receiveMilliseconds > limits.heldMilliseconds else { break }
            count += 1
            octets -= set.cost
        }
        // In steps, so that a full queue is not moved along at every set.
        return count == 0 ? 0 : min(max(count, queues[slot].sets.count / 8), queues[slot].sets.count - 1)
    }

    private mutating func slot(of key: ExporterKey, isKnown: Bool) -> Int {
        if let known = index[key] { return known }
        index[key] = queues.count
        queues.append(Queue(key: key, pool: isKnown ? 1 : 0))
        return queues.count - 1
    }
    private mutating func heaviest(of pool: Int) -> Int? {
        var best: Int?
        for _ in 0..<min(16, queues.count) {
            hand = hand + 1 < queues.count ? hand + 1 : 0
            guard queues[hand].pool == pool, !queues[hand].sets.isEmpty else { continue }
            if best.map({ queues[$0].octets < queues[hand].octets }) ?? true { best = hand }
        }
        return best ?? queues.indices.first { queues[$0].pool == pool && !queues[$0].sets.isEmpty }
    }

    /// Takes the exporter's sets of these templates out, the oldest first.
    mutating func take(_ templates: [UInt16], of key: ExporterKey) -> [HeldSet] {
        guard let slot = index[key] else { return [] }
        let taken = queues[slot].sets.filter { templates.contains($0.template) }
        guard !taken.isEmpty else { return [] }
        queues[slot].sets.removeAll { templates.contains($0.template) }
        release(taken, from: slot)
        removeIfEmpty(slot)
        return taken
    }
    /// Puts sets back that still can't be decoded.
    mutating func putBack(_ sets: [HeldSet], of key: ExporterKey, isKnown: Bool) {
        guard !sets.isEmpty else { return }
        let slot = slot(of: key, isKnown: isKnown), pool = queues[slot].pool
        queues[slot].sets.insert(contentsOf: sets, at: 0)
        for set in sets {
            queues[slot].octets += set.cost
            pools[pool].octets += set.cost
            pools[pool].sets += 1
        }
    }

    /// Drops what has waited for too long.
    /// - Returns: all that was lost since the last call, for whatever reason.
    mutating func expire(at now: Int64) -> [HeldLoss] {
        let patience = limits.heldMilliseconds
        drop { now &- $0.origin.receiveMilliseconds >= patience || now == .max }
        defer { lost = [] }
        return lost
    }
    /// Drops what came over a connection that is over.
    mutating func endSession(_ session: UInt32) { drop { $0.origin.session == session } }

    private mutating func drop(where isGone: (HeldSet) -> Bool) {
        for slot in queues.indices.reversed() {
            let gone = queues[slot].sets.filter(isGone)
            guard !gone.isEmpty else { continue }
            queues[slot].sets.removeAll(where: isGone)
            release(gone, from: slot)
            for set in gone { count(set, of: queues[slot].key) }
            removeIfEmpty(slot)
        }
    }
    private mutating func drop(first count: Int, of slot: Int) {
        let gone = Array(queues[slot].sets.prefix(count))
        queues[slot].sets.removeFirst(gone.count)
        release(gone, from: slot)
        for set in gone { self.count(set, of: queues[slot].key) }
    }
    private mutating func release(_ sets: [HeldSet], from slot: Int) {
        let octets = sets.reduce(0) { $0 + $1.cost }, pool = queues[slot].pool
        queues[slot].octets -= octets
        pools[pool].octets -= octets
        pools[pool].sets -= sets.count
    }
    private mutating func removeIfEmpty(_ slot: Int?) {
        guard let slot, queues[slot].sets.isEmpty else { return }
        index[queues[slot].key] = nil
        let last = queues.removeLast()
        if slot < queues.count {
            queues[slot] = last
            index[last.key] = slot
        }
    }

    private mutating func count(_ set: HeldSet, of key: ExporterKey) {
        for place in lost.indices.reversed().prefix(16)
        where lost[place].exporter == key && lost[place].template == set.template {
            lost[place].sets += 1
            return
        }
        if lost.count < Self.lostMax {
            lost.append(HeldLoss(exporter: key, template: set.template, sets: 1))
        } else {
            let place = lost.lastIndex { $0.exporter == key } ?? lost.count - 1
            lost[place].sets += 1
        }
    }
}
