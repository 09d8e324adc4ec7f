package import FlowModel

/// How a record's counters are spread over time: what rollups do, and what every series of records must do to agree
/// with them.
///
/// Octets and packets are spread evenly over [start, end]: by time t, ⌊value × (t − start) ÷ (end − start)⌋ of them are
/// counted, so that parts of every length add up to the whole. Flows count where the record ends. A record without a
/// duration, or with one over `durationMax`, which no exporter's timeout makes, counts where it ends.
package struct TimeShare: Sendable {
    /// 1 hour: routers' active timeouts are at most half of it, and what a record can cost stays bounded.
    package static let durationMax: Int64 = 3_600_000

    private let start: Int64
    private let end: Int64
    private let tally: Tally

    /// - Parameters:
    ///   - start: the record's flowStartMilliseconds.
    ///   - end: its flowEndMilliseconds.
    package init(start: Int64, end: Int64, tally: Tally) {
        let (duration, overflows) = end.subtractingReportingOverflow(start)
        self.start = overflows || duration <= 0 || duration > Self.durationMax ? end : start
        self.end = end
        self.tally = tally
    }

    /// Calls `body` with the start of each bucket that has a part of the record, rising, and that part.
    @inline(__always)
    package func forEachBucket(of period: RollupPeriod, _ body: (_ start: Int64, _ part: Tally) -> Void) {
        let last = Self.bucket(of: end, period)
        var bucket = Self.bucket(of: start, period)
        var octets: UInt64 = 0, packets: UInt64 = 0
        while bucket < last {  // ends: at most `durationMax` ÷ a minute turns
            let end = bucket &+ period.rawValue
            let (octetsByEnd, packetsByEnd) = (counted(tally.octets, by: end), counted(tally.packets, by: end))
            body(bucket, Tally(flows: 0, octets: octetsByEnd &- octets, packets: packetsByEnd &- packets))
            (bucket, octets, packets) = (end, octetsByEnd, packetsByEnd)
        }
        body(last, Tally(flows: tally.flows, octets: tally.octets &- octets, packets: tally.packets &- packets))
    }

    /// The start of the bucket that `time` lies in.
    package static func bucket(of time: Int64, _ period: RollupPeriod) -> Int64 {
        let rest = time % period.rawValue
        return rest >= 0 ? time - rest : (time - rest).subtractingReportingOverflow(period.rawValue).partialValue
    }

    private func counted(_ value: UInt64, by time: Int64) -> UInt64 {
        guard time > start else { return 0 }
        guard time < end else { return value }
        // Both differences are at most `durationMax`, and the quotient is below `value`.
        let (short, isLong) = value.multipliedReportingOverflow(by: UInt64(time - start))
        // A fraction of the time.
        guard isLong else { return short / UInt64(end - start) }
        let product = value.multipliedFullWidth(by: UInt64(time - start))
        return UInt64(end - start).dividingFullWidth(product).quotient
    }
}
