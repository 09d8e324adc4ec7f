/// A fold's state as bytes, and as the state of a fold with another model.
package import Detect
import FlowModel
package import Identity

extension ModelFold {
    /// The whole state but the model itself; equal states give equal bytes. Take it between two calls of `observe`.
    package func snapshot() -> [UInt8] {
        var writer = SnapshotWriter()
        for word in [1, StableHash.of(tenant.rawValue), UInt64(promoted.version)] as [UInt64] { writer.add(word) }
        for word in [cut.width, watermark, closed] { writer.add(word) }
        for part in ModelCounts.parts { writer.add(counts[keyPath: part]) }
        recent.save(to: &writer)
        writer.add(filling.count)
        for (window, hosts) in filling.sorted(by: { $0.key < $1.key }) {
            writer.add(window)
            writer.add(hosts.count)
            for (host, state) in hosts.sorted(by: { $0.key < $1.key }) {
                writer.add(host.high)
                writer.add(host.low)
                state.save(to: &writer)
            }
        }
        writer.add(said.count)
        for (key, value) in said.sorted(by: { $0.key < $1.key }) {
            for word in [UInt64(key.rule.rawValue), key.host.high, key.host.low] { writer.add(word) }
            writer.add(key.epoch)
            writer.add(value.update)
            writer.add(value.score)
        }
        return writer.finish()
    }

    /// The state that `snapshot` wrote, under the same version of the model or another: windows that fill go on, if
    /// they are of one width; how far things have drifted begins anew with each version.
    /// - Throws: `SnapshotError`; then start anew.
    package init(
        restoring snapshot: [UInt8], tenant: TenantID, promoted: PromotedModel, parameters: DetectorParameters,
        limits: Limits = Limits()
    ) throws(SnapshotError) {
        var reader = try SnapshotReader(snapshot)
        guard try reader.next() == 1 else { throw .notASnapshot }
        guard try reader.next() == StableHash.of(tenant.rawValue) else { throw .otherTenant }
        self.init(tenant: tenant, promoted: promoted, parameters: parameters, limits: limits)
        let isSame = try reader.next() == UInt64(promoted.version), width = try reader.nextSigned()
        guard width > 0 else { throw .damaged }
        let time = EventTime.range.upperBound
        (watermark, closed) = (try reader.nextSigned(), try reader.nextSigned())
        guard (0...time).contains(watermark), (-time...time).contains(closed) else { throw .damaged }
        for part in ModelCounts.parts { counts[keyPath: part] = try reader.next() }
        recent = try DriftCounts(from: &reader)
        try restoreWindows(from: &reader)
        try restoreSaid(from: &reader)
        try reader.finish()
        if !isSame { recent = DriftCounts() }
        if width != cut.width {
            (filling, fillingCount) = ([:], 0)
            // The window that lies half in what was seen under the other width is not scored.
            closed = watermark / cut.width + 1
        }
    }

    private mutating func restoreWindows(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) {
            let window = try reader.nextSigned()
            guard (0...EventTime.range.upperBound / 1_000).contains(window), filling[window] == nil else {
                throw .damaged
            }
            var hosts: [IPAddress: HostWindow] = [:]
            for _ in 0..<(try reader.nextCount()) {
                let host = IPAddress(high: try reader.next(), low: try reader.next())
                guard hosts.updateValue(try HostWindow(from: &reader), forKey: host) == nil else { throw .damaged }
            }
            fillingCount += hosts.count
            filling[window] = hosts
        }
    }
    private mutating func restoreSaid(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) {
            guard let rule = ModelRule(rawValue: try reader.nextSmall(UInt8.self)) else { throw .damaged }
            let host = IPAddress(high: try reader.next(), low: try reader.next()), epoch = try reader.nextSigned()
            let update = Int(try reader.nextSmall(UInt32.self)), score = try reader.nextDouble()
            guard score.isFinite else { throw .damaged }
            said[SaidKey(rule: rule, host: host, epoch: epoch)] = Said(update: update, score: score)
        }
    }
}
