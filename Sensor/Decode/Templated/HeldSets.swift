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

/// Keeps data sets until their template comes, and until there is time to decode them.
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
        /// Templates that came since: sets of these are to be decoded, and those before `looked` were looked at.
        var ready = TemplateNumbers()
        var looked = 0
        var isDone: Bool { looked >= sets.count }
    }
    private struct Pool: Sendable {
        var octets = 0, sets = 0
    }
    private let limits: DecodeLimits
    private var queues: [Queue] = []
    private var index: [ExporterKey: Int] = [:]
    /// Of strangers, and of those known.
    private var pools = [Pool(), Pool()]
    private var hand = 0, recent = 0
    /// Queues with sets that can be decoded, and which is next.
    private var readyCount = 0, readyHand = 0
    /// Lost and not reported yet. Those beyond the limit are under template 0 of their exporter's last entry.
    private var lost: [HeldLoss] = []
    private static let lostMax = 4_096

    init(limits: DecodeLimits) { self.limits = limits }

    var isEmpty: Bool { queues.isEmpty }
    /// Whether there are sets whose template may have come.
    var hasReady: Bool { readyCount > 0 }
    var setCount: Int { pools[0].sets + pools[1].sets }
    var octets: Int { pools[0].octets + pools[1].octets }

    /// Keeps a set. False when there is no room for it, however much of its exporter's own gives way.
    mutating func keep(_ set: HeldSet, of key: ExporterKey, isKnown: Bool) -> Bool {
        let octetsMax = limits.heldOctetsMax / 2
        let setsMax = limits.heldSetsMax / 2
        let ownOctetsMax = min(limits.heldOctetsPerExporterMax, octetsMax)
        guard set.cost <= ownOctetsMax, limits.heldSetsPerExporterMax > 0, setsMax > 0 else {
            return false
        }
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
        removeIfEmpty(slot)
        return true
    }

    /// How many of the oldest sets are too old, or too much for one exporter.
    private func surplus(_ slot: Int, _ octetsMax: Int, _ now: Int64) -> Int {
        var count = 0
        var octets = queues[slot].octets
        for set in queues[slot].sets {
            let isTooMuch =
                octets > octetsMax || queues[slot].sets.count - count > limits.heldSetsPerExporterMax
            guard isTooMuch || now &- set.origin.receiveMilliseconds > limits.heldMilliseconds else {
                break
            }
            count += 1
            octets -= set.cost
        }
        // In steps, so that a full queue is not moved along at every set.
        return count == 0
            ? 0 : min(max(count, queues[slot].sets.count / 8), queues[slot].sets.count - 1)
    }

    /// One exporter's sets come one after the other: where the last one's were is looked at first.
    private mutating func knownSlot(of key: ExporterKey) -> Int? {
        if recent < queues.count, queues[recent].key == key { return recent }
        guard let slot = index[key] else { return nil }
        recent = slot
        return slot
    }
    private mutating func slot(of key: ExporterKey, isKnown: Bool) -> Int {
        if let known = knownSlot(of: key) { return known }
        (index[key], recent) = (queues.count, queues.count)
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

    /// Templates of the exporter came, or what kept them from use is over: `take` gives their sets out.
    mutating func setReady(_ templates: [UInt16], of key: ExporterKey) {
        guard let slot = knownSlot(of: key) else { return }
        if queues[slot].ready.isEmpty { readyCount += 1 }
        for template in templates { queues[slot].ready.insert(template) }
        queues[slot].looked = 0
    }
    /// One that has sets to decode, each in its turn.
    mutating func nextReady() -> ExporterKey? {
        guard readyCount > 0 else { return nil }
        for _ in queues.indices {
            readyHand = readyHand + 1 < queues.count ? readyHand + 1 : 0
            if !queues[readyHand].ready.isEmpty { return queues[readyHand].key }
        }
        return nil
    }

    /// Takes some of the exporter's sets whose template came, the oldest first: as many as have `octets` together and
    /// are among the next few, at least one when `isFirst`. Mostly: one may be given out whose template did not come.
    mutating func take(of key: ExporterKey, octets octetsMax: Int, isFirst: Bool) -> [HeldSet] {
        guard let slot = knownSlot(of: key), !queues[slot].ready.isEmpty else { return [] }
        var taken: [HeldSet] = []
        var octets = 0
        var place = queues[slot].looked
        var kept = place
        let ready = queues[slot].ready
        let end = min(queues[slot].sets.count, place + Self.lookedAtMax)
        while place < end, taken.count < Self.takenMax {  // ends: each turn looks at one more
            if ready.contains(queues[slot].sets[place].template) {
                octets += queues[slot].sets[place].body.count
                guard octets <= octetsMax || (isFirst && taken.isEmpty) else { break }
                taken.append(queues[slot].sets[place])
            } else {
                if kept < place { queues[slot].sets.swapAt(kept, place) }
                kept += 1
            }
            place += 1
        }
        queues[slot].sets.removeSubrange(kept..<place)
        queues[slot].looked = kept
        release(taken, from: slot)
        return taken
    }
    private static let takenMax = 48, lookedAtMax = 256

    /// Ends what `take` began: puts sets back where they were, `undone` to be taken again and `waiting` not.
    mutating func putBack(_ waiting: [HeldSet], undone: [HeldSet], of key: ExporterKey) {
        guard let slot = knownSlot(of: key) else { return }
        if !waiting.isEmpty || !undone.isEmpty {
            let pool = queues[slot].pool
            queues[slot].sets.insert(contentsOf: waiting + undone, at: queues[slot].looked)
            for set in [waiting, undone].joined() {
                queues[slot].octets += set.cost
                pools[pool].octets += set.cost
                pools[pool].sets += 1
            }
            queues[slot].looked += waiting.count
        }
        if queues[slot].isDone, !queues[slot].ready.isEmpty {
            queues[slot].ready = TemplateNumbers()
            queues[slot].looked = 0
            readyCount -= 1
        }
        removeIfEmpty(slot)
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
            queues[slot].looked = 0
            release(gone, from: slot)
            for set in gone { count(set, of: queues[slot].key) }
            removeIfEmpty(slot)
        }
    }
    private mutating func drop(first count: Int, of slot: Int) {
        let gone = Array(queues[slot].sets.prefix(count))
        queues[slot].sets.removeFirst(gone.count)
        queues[slot].looked = max(queues[slot].looked - gone.count, 0)
        release(gone, from: slot)
        for set in gone { self.count(set, of: queues[slot].key) }
    }
    private mutating func release(_ sets: [HeldSet], from slot: Int) {
        let octets = sets.reduce(0) { $0 + $1.cost }
        let pool = queues[slot].pool
        queues[slot].octets -= octets
        pools[pool].octets -= octets
        pools[pool].sets -= sets.count
    }
    private mutating func removeIfEmpty(_ slot: Int?) {
        guard let slot, queues[slot].sets.isEmpty else { return }
        if !queues[slot].ready.isEmpty { readyCount -= 1 }
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

/// Which templates came, by the low octet of their numbers: whether one is among them is a guess when it says yes.
struct TemplateNumbers: Sendable {
    private var bits: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    var isEmpty: Bool { bits.0 | bits.1 | bits.2 | bits.3 == 0 }
    func contains(_ number: UInt16) -> Bool {
        let bit = UInt64(1) << UInt64(number & 63)
        return switch number >> 6 & 3 {
        case 0: bits.0 & bit != 0
        case 1: bits.1 & bit != 0
        case 2: bits.2 & bit != 0
        default: bits.3 & bit != 0
        }
    }
    mutating func insert(_ number: UInt16) {
        let bit = UInt64(1) << UInt64(number & 63)
        switch number >> 6 & 3 {
        case 0: bits.0 |= bit
        case 1: bits.1 |= bit
        case 2: bits.2 |= bit
        default: bits.3 |= bit
        }
    }
}
