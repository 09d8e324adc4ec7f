/// Sigma over a tenant's batches, as a fold like the detectors': (state, batches in log order) → (state, findings).
///
/// Invariants: the same batches in the same order give the same findings, bit for bit, also across a snapshot; no
/// clock but the records' own times. Memory is bounded by `SigmaParameters`; what is dropped is counted by name.
package import Detect
package import FlowModel
package import Identity

package struct SigmaParameters: Equatable, Sendable {
    /// Groups of all rules together, and samples, values and hosts in them.
    package var groupsMax = 100_000, itemsMax = 1_000_000
    /// How long after its end a window is asked that must be whole, in ms of event time.
    package var closeDelayMilliseconds: Int64 = 60_000
    /// A running attack is said again when it has doubled, and else at most this often, in ms of receive time.
    package var updatePaceMilliseconds: Int64 = 60_000

    package init() {}
    var fingerprint: UInt64 { StableHash.of("\(self)") }
}

/// What is not counted, by name.
package struct SigmaLosses: Equatable, Sendable {
    /// Groups dropped because the table was full; events whose window was over; events without a field that they are
    /// grouped or measured by; values beyond what one group holds.
    package var evicted: UInt64 = 0, late: UInt64 = 0, ungrouped: UInt64 = 0, forgotten: UInt64 = 0
    package init() {}
}

package struct SigmaFold: Sendable {
    package let tenant: TenantID
    package let rules: SigmaRuleSet
    package let parameters: SigmaParameters
    /// Records looked at, and matches of each rule, since the beginning, snapshots included.
    package internal(set) var records: UInt64 = 0
    package internal(set) var matches: [UInt64]
    /// How often each of `SigmaRuleSet.watched` came true, by group and window, whether it raised a finding or not.
    package internal(set) var raised: [UInt64]
    var lost = SigmaLosses()
    var table: SigmaTable
    /// Latest times so far, in ms: by the sensors' clocks, and of events.
    var received = Int64.min, watermark = Int64.min
    /// Keys touched by this batch, by watch, each once and in the order of touching.
    private var touched: [[SigmaKey]]
    /// Windows that wait for their end, by when they are asked.
    var due: [Int64: Set<SigmaKey>] = [:]
    private var scratch: [SigmaMatch] = []

    package init(tenant: TenantID, rules: SigmaRuleSet, parameters: SigmaParameters = .init()) {
        (self.tenant, self.rules, self.parameters) = (tenant, rules, parameters)
        table = SigmaTable(groupsMax: parameters.groupsMax, itemsMax: parameters.itemsMax)
        touched = [[SigmaKey]](repeating: [], count: rules.watches.count)
        matches = [UInt64](repeating: 0, count: rules.rules.count)
        raised = [UInt64](repeating: 0, count: rules.watches.count)
    }

    package var losses: SigmaLosses {
        var losses = lost
        losses.evicted = table.evictions
        return losses
    }
    /// Groups held now.
    package var groups: Int { table.count }

    /// Takes in some rows of a batch, in log order.
    /// - Returns: what became known or has grown much, each id at most once, ordered by start and id.
    package mutating func observe(_ columns: FlowColumns, rows: Range<Int>) -> [Finding] {
        advance(columns, rows)
        scratch.removeAll(keepingCapacity: true)
        rules.matcher.match(columns, rows: rows, into: &scratch)
        let found = scratch
        for match in found { take(match, columns) }
        records = records.adding(UInt64(rows.count))
        return settle(isLast: false)
    }
    package mutating func observe(_ columns: FlowColumns) -> [Finding] { observe(columns, rows: columns.rows) }

    /// The last word: windows that are not over are asked, and all that has grown is said.
    package mutating func finish() -> [Finding] {
        for key in table.sortedKeys where rules.watches[key.watch].isRising { touched[key.watch].append(key) }
        return settle(isLast: true)
    }

    private mutating func advance(_ columns: FlowColumns, _ rows: Range<Int>) {
        let limit = EventTime.range.upperBound
        for row in rows {
            let moment = min(columns.receiveMilliseconds[row], limit)
            received = max(received, moment)
            let end = min(max(columns.flowEndMilliseconds[row], columns.flowStartMilliseconds[row]), limit)
            watermark = max(watermark, moment > 0 ? min(end, moment) : end)
        }
    }

    private mutating func take(_ match: SigmaMatch, _ columns: FlowColumns) {
        let rule = Int(match.rule)
        matches[rule] = matches[rule].adding(1)
        let feeds = rules.watchesOfRule[rule]
        guard !feeds.isEmpty else { return }
        var sight = RowSight(row: Int(match.row))
        let event = SigmaEvent(columns, &sight)
        for feed in feeds {
            let input = rules.watches[feed.watch].inputs[feed.input]
            guard input.countsAnswers || !event.isAnswer else { continue }
            guard let (group, values) = input.columns(columns, &sight) else {
                lost.ungrouped = lost.ungrouped.adding(1)
                continue
            }
            add(event, feed, group, values)
        }
    }

    private mutating func add(_ event: SigmaEvent, _ feed: SigmaFeed, _ group: SigmaGroup, _ values: SigmaGroup) {
        let watch = rules.watches[feed.watch]
        let key = SigmaKey(watch: feed.watch, epoch: event.time / watch.span, values: group)
        if !watch.isRising {
            let moment = (key.epoch + 1) * watch.span + parameters.closeDelayMilliseconds
            guard moment > watermark else {
                lost.late = lost.late.adding(1)
                return
            }
            due[moment, default: []].insert(key)
        }
        let (forgotten, isFirst) = table.update(key) { entry in
            let before = entry.forgotten, isFirst = !entry.isTouched
            entry.add(event, as: watch.kind, input: feed.input, values: values)
            entry.isTouched = true
            return (entry.forgotten - before, isFirst)
        }
        if isFirst, watch.isRising { touched[feed.watch].append(key) }
        if forgotten > 0 { lost.forgotten = lost.forgotten.adding(forgotten) }
    }
}

extension SigmaFold {
    private mutating func settle(isLast: Bool) -> [Finding] {
        var findings: [Finding] = []
        for watch in rules.watches.indices {
            if rules.watches[watch].isRising {
                // Matches of one watch may be events of later ones, never of this or an earlier one.
                for key in touched[watch] { ask(key, isLast, &findings) }
                touched[watch].removeAll(keepingCapacity: true)
            } else {
                close(watch, until: isLast ? .max : watermark, &findings)
            }
        }
        return findings.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }

    private mutating func ask(_ key: SigmaKey, _ isLast: Bool, _ findings: inout [Finding]) {
        let (received, pace) = (received, parameters.updatePaceMilliseconds)
        // What is not to be said need not be asked for. The order changes nothing: who isn't raised is always due.
        let next = table.updateKnown(key) { entry in
            entry.isTouched = false
            var next = entry.announcement
            let isDue = next.isDue(
                magnitude: Double(entry.evidence.flows), received: received, pace: pace, isLast: isLast)
            return isDue ? next : nil
        }
        guard case .some(.some(let announcement)) = next, let entry = table[key] else { return }
        let watch = rules.watches[key.watch]
        let previous = watch.kind == .match ? nil : table[key.previous]
        let unsaid = previous.flatMap { $0.announcement.isRaised ? nil : $0 }
        guard let answer = watch.rising(entry, after: unsaid) else { return }
        table.update(key) { $0.announcement = announcement }
        say(key, watch, entry, unsaid, answer, announcement, isNew: !entry.announcement.isRaised, &findings)
    }

    /// Asks the windows of one watch that are over.
    private mutating func close(_ number: Int, until end: Int64, _ findings: inout [Finding]) {
        let watch = rules.watches[number]
        for moment in due.keys.filter({ $0 <= end }).sorted() {
            let keys = due[moment]?.filter { $0.watch == number } ?? []
            guard !keys.isEmpty else { continue }
            due[moment]?.subtract(keys)
            if due[moment]?.isEmpty == true { due[moment] = nil }
            for key in keys.sorted() {
                guard let entry = table.remove(key),
                    let answer = watch.closing(entry, end: (key.epoch + 1) * watch.span)
                else { continue }
                var announcement = SigmaAnnouncement()
                _ = announcement.isDue(magnitude: 1, received: received, pace: 0, isLast: true)
                say(key, watch, entry, nil, answer, announcement, isNew: true, &findings)
            }
        }
    }

    private mutating func say(
        _ key: SigmaKey, _ watch: SigmaWatch, _ entry: SigmaEntry, _ previous: SigmaEntry?, _ answer: SigmaAnswer,
        _ announcement: SigmaAnnouncement, isNew: Bool, _ findings: inout [Finding]
    ) {
        if watch.raises {
            let evidence = previous.map { entry.evidence.joined(to: $0.evidence) } ?? entry.evidence
            findings.append(
                Finding(
                    tenant, watch, key, evidence, answer, update: announcement.update,
                    isLeast: entry.forgotten > 0))
        }
        guard isNew else { return }
        raised[key.watch] = raised[key.watch].adding(1)
        var event = SigmaEvent(answer, entry.evidence)
        for feed in rules.watchesOfWatch[key.watch] {
            guard case .watch(let group, let values) = rules.watches[feed.watch].inputs[feed.input].origin else {
                continue
            }
            event.isAnswer = false
            add(event, feed, key.values.chosen(group), key.values.chosen(values))
        }
    }
}
