internal import Decode
internal import FlowModel

/// How an exporter is doing: what makes its numbers, or what detectors make of them, less than they seem.
///
/// A value fed with each datagram; what is wrong comes from `issues(atMilliseconds:)`. Nothing is rewritten because of
/// it: a skewed clock is shown, not corrected.
package struct ExporterHealth: Sendable, Equatable {
    /// By the sensor's clock, in ms since 1970 UTC; 0 never.
    package private(set) var firstHeardMilliseconds: Int64 = 0
    package private(set) var lastHeardMilliseconds: Int64 = 0
    /// Mean time between datagrams in ms, the last ones weighing most.
    package private(set) var meanGapMilliseconds: Double = 0
    package private(set) var skew = ClockSkew()
    package private(set) var templatesReplaced: UInt64 = 0
    /// Packets on the link for each one looked at, of the last record; 0 unknown.
    package private(set) var samplingInterval: Float = 0
    package private(set) var samplingChanges: UInt64 = 0
    package private(set) var evidence: Evidence = []
    package private(set) var recordsSeen: UInt64 = 0

    /// What its records have been seen to have. Only ever grows.
    package struct Evidence: OptionSet, Sendable, Equatable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        package static let packets = Evidence(rawValue: 1 << 0)
        package static let octets = Evidence(rawValue: 1 << 1)
        package static let ports = Evidence(rawValue: 1 << 2)
        package static let tcpControlBits = Evidence(rawValue: 1 << 3)
        /// A start and an end of its own.
        package static let times = Evidence(rawValue: 1 << 4)
        package static let interfaces = Evidence(rawValue: 1 << 5)
        /// There was a TCP record, so flags could have been seen.
        package static let tcp = Evidence(rawValue: 1 << 6)
    }

    package init() {}

    mutating func note(_ result: DecodeResult, _ row: FlowRecord?, atMilliseconds now: Int64) {
        if lastHeardMilliseconds == 0 { firstHeardMilliseconds = now }
        let gap = Double(max(now &- lastHeardMilliseconds, 0))
        if lastHeardMilliseconds != 0 {
            meanGapMilliseconds += (gap - meanGapMilliseconds) / (meanGapMilliseconds == 0 ? 1 : 64)
        }
        lastHeardMilliseconds = now
        templatesReplaced &+= UInt64(max(result.templatesReplaced, 0))
        guard let row else { return }
        note(row, atMilliseconds: now)
    }
    private mutating func note(_ row: FlowRecord, atMilliseconds now: Int64) {
        recordsSeen &+= 1
        if row.exportMilliseconds != 0, !row.flags.contains(.held) {
            skew.note(export: row.exportMilliseconds, receive: now)
        }
        if row.samplingInterval > 0 {
            if samplingInterval > 0, samplingInterval != row.samplingInterval { samplingChanges &+= 1 }
            samplingInterval = row.samplingInterval
        }
        if row.packetDeltaCount > 0 { evidence.insert(.packets) }
        if row.octetDeltaCount > 0 { evidence.insert(.octets) }
        if row.sourceTransportPort != 0 || row.destinationTransportPort != 0 { evidence.insert(.ports) }
        if row.protocolIdentifier == IPProtocol.tcp { evidence.insert(.tcp) }
        if row.tcpControlBits != 0 { evidence.insert(.tcpControlBits) }
        if !row.flags.contains(.timesEstimated) { evidence.insert(.times) }
        if row.ingressInterface != 0 || row.egressInterface != 0 { evidence.insert(.interfaces) }
    }

    /// The same exporter as another thread saw it.
    mutating func add(_ other: ExporterHealth) {
        guard other.lastHeardMilliseconds != 0 else { return }
        let isNewer = other.lastHeardMilliseconds > lastHeardMilliseconds
        let firsts: [Int64] = [firstHeardMilliseconds, other.firstHeardMilliseconds]
        let first: Int64 = firsts.filter { $0 != 0 }.min() ?? 0
        var sum = isNewer ? other : self
        sum.firstHeardMilliseconds = first
        sum.evidence = evidence.union(other.evidence)
        sum.recordsSeen = recordsSeen &+ other.recordsSeen
        sum.templatesReplaced = templatesReplaced &+ other.templatesReplaced
        sum.samplingChanges = samplingChanges &+ other.samplingChanges
        self = sum
    }
}

/// How far an exporter's clock is from the sensor's: the largest of export time less receive time, lately. Waiting on
/// the way only ever makes it smaller, so the largest is nearest the truth. Export times in whole seconds are up to 1 s
/// behind. The present and the last span of a minute count.
package struct ClockSkew: Sendable, Equatable {
    private var present: Int64 = .min, last: Int64 = .min
    private var spanEnds: Int64 = 0
    private static let spanMilliseconds: Int64 = 60_000

    package init() {}

    mutating func note(export: Int64, receive: Int64) {
        if receive >= spanEnds || receive < spanEnds &- 2 &* Self.spanMilliseconds {
            last = present
            present = .min
            spanEnds = receive &+ Self.spanMilliseconds
        }
        present = max(present, export &- receive)
    }
    /// In ms, positive when the exporter's clock is ahead; nil before the first record.
    package var milliseconds: Int64? {
        let largest = max(present, last)
        return largest == .min ? nil : largest
    }
}
