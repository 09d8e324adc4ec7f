import FlowModel

/// Counts what is missing between the datagrams of each exporter, in the exporter's own units.
///
/// An exporter has one sequence as a rule, whatever ports it sends from. Several behind one address and domain show
/// themselves, and are then kept apart by source port, and by their numbers where they share even that.
/// Invariants: bounded by `DecodeLimits`; a number never counts as missing what its sender can't have sent; when
/// sequences can't be followed for want of room nothing is said, and decoding goes on. A value without a clock.
/// Not here: what the numbers are (`SequenceMark`), samples' own sequences of sFlow.
struct SequenceBook: Sendable {
    fileprivate struct Entry: Sendable {
        let key: ExporterKey
        let isProtected: Bool
        var lanes: [SequenceLane]
        /// The lane of the last datagram.
        var recent = 0
        var lastHeardMilliseconds: Int64
        var hasSeveralSenders = false
        /// Units passed over behind sets that could not be read; what those turn out to hold is taken off.
        var doubt: Int64 = 0
        var setsHeld = 0
        /// Some of those sets were given up: what remains of the doubt can't be told from their records.
        var isDoubtTainted = false
    }

    private let settings: DecodeSettings
    private var limits: DecodeLimits { settings.limits }
    private var entries: [Entry] = []
    private var index: [ExporterKey: Int] = [:]
    private var places = PlaceHints()
    private var hand = 0

    init(settings: DecodeSettings) { self.settings = settings }

    /// Notes a datagram's number.
    /// - Parameter sender: session << 16 | source port.
    /// - Returns: nil when nothing is missing and nothing changed.
    @inline(__always)
    mutating func note(
        _ mark: SequenceMark, of key: ExporterKey, sender: UInt64, at now: Int64
    ) -> SequenceOutcome? {
        guard let place = place(of: key) else {
            admit(mark, key, sender, now)
            return nil
        }
        entries[place].lastHeardMilliseconds = now
        let recent = entries[place].recent
        if entries[place].lanes[recent].sender == sender, entries[place].lanes[recent].follows(mark, at: now) {
            return nil
        }
        let outcome = entries[place].note(mark, sender, at: now, limits)
        return outcome.isEmpty ? nil : outcome
    }

    private mutating func place(of key: ExporterKey) -> Int? {
        if let hint = places[key], hint < entries.count, entries[hint].key == key { return hint }
        guard let found = index[key] else { return nil }
        places[key] = found
        return found
    }

    private mutating func admit(_ mark: SequenceMark, _ key: ExporterKey, _ sender: UInt64, _ now: Int64) {
        let entry = Entry(
            key: key, isProtected: settings.isProtected(key.address),
            lanes: [SequenceLane(mark, sender: sender, at: now)], lastHeardMilliseconds: now)
        if entries.count < limits.sequencesMax || (entry.isProtected && entries.count < roomMax) {
            index[key] = entries.count
            entries.append(entry)
        } else if let victim = victim(now) {
            index[entries[victim].key] = nil
            index[key] = victim
            entries[victim] = entry
        }
    }
    private var roomMax: Int { limits.sequencesMax + limits.protectedExportersMax }

    /// One that may be forgotten among the next few: a flood of new senders must not cost a search each.
    private mutating func victim(_ now: Int64) -> Int? {
        for _ in 0..<min(8, entries.count) {
            hand = hand + 1 < entries.count ? hand + 1 : 0
            let entry = entries[hand], silence = now &- entry.lastHeardMilliseconds
            let isNewcomer = entry.lanes.allSatisfy { $0.datagrams < 8 }
            let patience = isNewcomer ? limits.newcomerIdleMilliseconds : limits.idleMilliseconds
            if !entry.isProtected, silence >= patience { return hand }
        }
        return nil
    }

    // MARK: Sets that were read later, or never

    /// The datagram just noted has data sets that wait for their template, or others that never can be read: how many
    /// records they have is not known yet, or won't be.
    mutating func unread(held sets: Int, isLossy: Bool, of key: ExporterKey) {
        guard let place = place(of: key) else { return }
        entries[place].setsHeld += sets
        if isLossy { entries[place].isDoubtTainted = true }
    }
    /// A set that waited had as many records.
    mutating func explained(_ records: Int, of key: ExporterKey) -> SequenceOutcome? {
        guard let place = place(of: key) else { return nil }
        entries[place].doubt &-= Int64(records)
        return entries[place].settle(one: true)
    }
    /// Sets that waited are lost: they are counted as such, not as missing.
    mutating func givenUp(_ sets: UInt64, of key: ExporterKey) {
        guard let place = place(of: key) else { return }
        entries[place].isDoubtTainted = true
        for _ in 0..<min(sets, UInt64(max(entries[place].setsHeld, 0))) { _ = entries[place].settle(one: true) }
    }
}

extension SequenceBook.Entry {
    fileprivate mutating func note(
        _ mark: SequenceMark, _ sender: UInt64, at now: Int64, _ limits: DecodeLimits
    ) -> SequenceOutcome {
        var outcome = SequenceOutcome(unit: SequenceUnit(key.exportProtocol))
        let near = outcome.unit.near
        guard let lane = lane(for: mark, sender, near: near) else {
            outcome.restarted = !hasSeveralSenders
            open(SequenceLane(mark, sender: sender, at: now), limits)
            return outcome
        }
        recent = lane
        let step = lanes[lane].step(mark, near: near, at: now)
        switch step {
        case .expected, .again: break
        case .gap(let units): outcome.missing = UInt64(units)
        case .late(let units): outcome.late = UInt64(units)
        case .doubtfulGap(let units): doubt &+= Int64(units)
        case .interleaved(let units):
            outcome.late = UInt64(units)
            outcome.severalSenders = !hasSeveralSenders
            hasSeveralSenders = true
            open(SequenceLane(mark, sender: sender, at: now), limits)
        case .jump:
            let before = lanes[lane]
            let takesTurns = lanes[lane].restart(mark, at: now)
            outcome.restarted = !takesTurns
            if takesTurns {
                outcome.severalSenders = !hasSeveralSenders
                hasSeveralSenders = true
                open(before, limits)
                recent = lane
            }
        }
        if step == .again, lanes[lane].sender != sender, !hasSeveralSenders {
            // Not next to the other port's numbers but among them: a sequence of its own.
            open(SequenceLane(mark, sender: sender, at: now), limits)
        } else if recent == lane, step != .again {
            lanes[lane].sender = sender
        }
        if !hasSeveralSenders, sendersTakingTurns > 1 {
            hasSeveralSenders = true
            outcome.severalSenders = true
        }
        if let settled = settle(one: false) { outcome.missing += settled.missing }
        return outcome
    }

    /// The lane that a datagram belongs to; nil when it begins one.
    private func lane(for mark: SequenceMark, _ sender: UInt64, near: UInt32) -> Int? {
        var own: Int?, exact: Int?, close: Int?
        for index in lanes.indices {
            let distance = lanes[index].distance(to: mark.number)
            if lanes[index].sender == sender,
                own.map({ distance.magnitude < lanes[$0].distance(to: mark.number).magnitude }) ?? true
            {
                own = index
            }
            if distance == 0 { exact = index }
            if distance.magnitude <= near { close = index }
        }
        if let own {
            if lanes[own].distance(to: mark.number).magnitude <= near || hasSeveralSenders { return own }
            return exact ?? own
        }
        if hasSeveralSenders { return exact }
        return exact ?? close
    }

    private mutating func open(_ lane: SequenceLane, _ limits: DecodeLimits) {
        if lanes.count >= limits.sequencesPerExporterMax {
            let silent = lanes.indices.min {
                lanes[$0].lastHeardMilliseconds < lanes[$1].lastHeardMilliseconds
            }
            if let silent { lanes.remove(at: silent) }
        }
        for index in lanes.indices { lanes[index].turns = 0 }
        lanes.append(lane)
        recent = lanes.count - 1
    }

    /// Senders with sequences of their own that go on at the same time.
    private var sendersTakingTurns: Int {
        guard lanes.count > 1 else { return 1 }
        var senders: Set<UInt64> = []
        for lane in lanes where lane.turns >= 3 { senders.insert(lane.sender) }
        return senders.count
    }

    /// Turns doubt into missing units once no set is waiting and the numbers behind them are known.
    /// - Parameter one: a set that waited waits no more.
    fileprivate mutating func settle(one: Bool) -> SequenceOutcome? {
        if one, setsHeld > 0 { setsHeld -= 1 }
        guard doubt != 0 || isDoubtTainted, setsHeld == 0, lanes.allSatisfy({ !$0.isInexact }) else { return nil }
        var outcome = SequenceOutcome(unit: SequenceUnit(key.exportProtocol))
        if !isDoubtTainted, doubt > 0 { outcome.missing = UInt64(doubt) }
        (doubt, isDoubtTainted) = (0, false)
        return outcome.isEmpty ? nil : outcome
    }
}
