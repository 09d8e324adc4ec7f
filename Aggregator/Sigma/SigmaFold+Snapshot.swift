/// A fold's state as bytes, and as the state of another fold whose rules are others.
package import Detect
package import Identity

extension SigmaFold {
    /// The whole state as bytes; equal states give equal bytes. Take it between two calls of `observe`.
    package func snapshot() -> [UInt8] {
        var writer = SnapshotWriter()
        writer.add(parameters.fingerprint)
        writer.add(StableHash.of(tenant.rawValue))
        writer.add(records)
        writer.add(received)
        writer.add(watermark)
        for (identities, counts) in [(rules.ruleIdentities, matches), (rules.watchIdentities, raised)] {
            writer.add(counts.count)
            for (identity, count) in zip(identities, counts) {
                writer.add(identity)
                writer.add(count)
            }
        }
        for count in [lost.late, lost.ungrouped, lost.forgotten] { writer.add(count) }
        table.save(to: &writer)
        return writer.finish()
    }

    /// The state that `snapshot` wrote, of the same rules or others: what counts the same things in the same way goes
    /// on, what is gone is dropped, what is new begins with nothing.
    /// - Throws: `SnapshotError`; then start anew.
    package init(
        restoring snapshot: [UInt8], tenant: TenantID, rules: SigmaRuleSet, parameters: SigmaParameters = .init()
    ) throws(SnapshotError) {
        var reader = try SnapshotReader(snapshot)
        guard try reader.next() == parameters.fingerprint else { throw .otherParameters }
        guard try reader.next() == StableHash.of(tenant.rawValue) else { throw .otherTenant }
        self.init(tenant: tenant, rules: rules, parameters: parameters)
        try restore(from: &reader)
        try reader.finish()
    }

    private mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        records = try reader.next()
        received = try reader.nextSigned()
        watermark = try reader.nextSigned()
        _ = try Self.counts(from: &reader, rules.ruleIdentities, into: &matches)
        let places = try Self.counts(from: &reader, rules.watchIdentities, into: &raised)
        lost.late = try reader.next()
        lost.ungrouped = try reader.next()
        lost.forgotten = try reader.next()
        try table.restore(from: &reader)
        for key in table.sortedKeys {
            guard key.watch < places.count, (0...EventTime.range.upperBound).contains(key.epoch) else {
                throw .damaged
            }
        }
        table.renumber(places)
        for key in table.sortedKeys {
            let watch = rules.watches[key.watch]
            guard !watch.isRising else { continue }
            let (end, overflows) = (key.epoch + 1).multipliedReportingOverflow(by: watch.span)
            guard !overflows else { throw .damaged }
            due[end &+ parameters.closeDelayMilliseconds, default: []].insert(key)
        }
    }

    /// - Returns: for each place of the snapshot the place now, nil for what is gone.
    private static func counts(
        from reader: inout SnapshotReader, _ identities: [UInt64], into counts: inout [UInt64]
    ) throws(SnapshotError) -> [Int?] {
        let known = [UInt64: Int](zip(identities, identities.indices), uniquingKeysWith: { first, _ in first })
        var places: [Int?] = []
        for _ in 0..<(try reader.nextCount()) {
            let place = known[try reader.next()], count = try reader.next()
            if let place { counts[place] = count }
            places.append(place)
        }
        return places
    }
}
