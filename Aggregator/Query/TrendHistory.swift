internal import BatchFormat
package import FilterLanguage
package import FlowModel
internal import FlowStore
package import QueryEngine

/// What a history of sums is about.
package enum TrendSubject: Hashable, Sendable {
    /// All of the tenant's traffic.
    case tenant
    /// What has an address of it on either side: one host is a network of full length.
    case host(IPNetwork)
    case service(FlowService)

    /// Which records. Those of a service are chosen as rollups choose them: by the smaller port, and by type and code
    /// of ICMP.
    package var expression: FilterExpression {
        switch self {
        case .tenant: return .any
        case .host(let network): return .test(.address(.either, AddressSet([network])))
        case .service(let service):
            let transport = FilterExpression.test(
                .number(.protocolIdentifier, NumberSet(UInt64(service.protocolIdentifier))))
            let port = NumberSet(UInt64(service.port))
            guard !IPProtocol.isICMP(service.protocolIdentifier) else {
                return .and([transport, .test(.number(.destinationPort, port))])
            }
            // A port that was summed away is 0 and doesn't count.
            let others = NumberSet([0...0, UInt64(service.port)...65_535])
            return .and([
                transport,
                .or([
                    .and([.test(.number(.sourcePort, port)), .test(.number(.destinationPort, others))]),
                    .and([.test(.number(.destinationPort, port)), .test(.number(.sourcePort, others))]),
                ]),
            ])
        }
    }
}

/// Evenly spaced sums of a subject, and what is known of the records behind them.
package struct TrendHistory: Equatable, Sendable {
    package struct Step: Equatable, Sendable {
        /// Nil where nothing is known, which is not zero: the tenant has no record of that time at all, or what it had
        /// is kept no more in the detail that is asked for.
        package var tally: Tally?
        /// Records that were looked at, and those of them that reached their sensor too late.
        package var records: UInt64 = 0, late: UInt64 = 0
        /// Largest of the records; 1 when none was sampled.
        package var samplingInterval: Double = 1
    }
    /// Newest records that are looked at for lateness and sampling, unless who asks wants fewer.
    package static let qualityRowsMax = 20_000_000
    /// Start of the first step, ms since 1970 UTC; length of each in ms.
    package let from: Int64, period: Int64
    package var steps: [Step]
    /// No record that ended before was looked at for its lateness and sampling; nil: all were.
    package var recordsFrom: Int64?
    /// No budget ended too early and nothing was unreadable.
    package var isComplete = true

    /// Nothing is known yet.
    package init(from: Int64, period: Int64, count: Int) {
        (self.from, self.period) = (from, period)
        steps = Array(repeating: Step(), count: count)
    }
    package func start(of place: Int) -> Int64 { from + Int64(place) * period }
    package func place(of time: Int64) -> Int? {
        let (span, overflows) = time.subtractingReportingOverflow(from)
        guard !overflows, span >= 0, span / period < Int64(steps.count) else { return nil }
        return Int(span / period)
    }
}

/// What rollups say of a subject, by step.
struct TrendRollups {
    /// Nil where the tenant has nothing.
    var tallies: [Tally?]
    /// More of the subject may be in what the rollup keeps no key for.
    var isUncertain: [Bool]

    /// Of a step's value, in parts: what may be missing.
    static let missingMax: UInt64 = 20

    init(_ answer: RollupAnswer, _ subject: TrendSubject, in history: TrendHistory) {
        tallies = Array(repeating: nil, count: history.steps.count)
        isUncertain = Array(repeating: false, count: history.steps.count)
        for bucket in answer.buckets {
            guard let place = history.place(of: bucket.start) else { continue }
            var sum = Tally()
            switch subject {
            case .tenant:
                sum = bucket.other
                for entry in bucket.entries.values { sum += entry }
            case .service(let service):
                let key = RollupKey.service(protocolIdentifier: service.protocolIdentifier, port: service.port)
                sum = bucket.entries[key] ?? Tally()
                isUncertain[place] = Self.isUncertain(sum, bucket.other)
            case .host:
                isUncertain[place] = true
            }
            if let before = tallies[place] { sum += before }
            tallies[place] = sum
        }
    }
    private static func isUncertain(_ sum: Tally, _ other: Tally) -> Bool {
        func exceeds(_ rest: UInt64, _ value: UInt64) -> Bool { rest > value / missingMax }
        return exceeds(other.octets, sum.octets) || exceeds(other.packets, sum.packets)
            || exceeds(other.flows, sum.flows)
    }
}

/// Counts records by step, late ones, and the sampling.
struct TrendQualityConsumer: BlockConsumer {
    var history: TrendHistory
    /// A record that reached its sensor so long after its step's end is late; ms.
    let lateAfter: Int64
    var fields: FieldSet { [.flowEndMilliseconds, .receiveMilliseconds, .samplingInterval] }

    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        let ends = block.columns.flowEndMilliseconds.span, receipts = block.columns.receiveMilliseconds.span
        let intervals = block.columns.samplingInterval.span
        for row in rows {
            let row = Int(row)
            guard let place = history.place(of: ends[row]) else { continue }
            history.steps[place].records += 1
            let closed = history.start(of: place) &+ history.period &+ lateAfter
            if receipts[row] > closed { history.steps[place].late += 1 }
            let interval = Double(intervals[row])
            if interval > history.steps[place].samplingInterval { history.steps[place].samplingInterval = interval }
        }
    }
}
