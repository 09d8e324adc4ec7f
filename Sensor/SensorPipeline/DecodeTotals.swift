package import Decode

/// What decoding has met besides records and losses, since the start: the counters of `DecodeResult`, added up.
package struct DecodeTotals: Sendable, Equatable {
    /// One counter. Its raw value is its name in `weir_decode_…_total`.
    package enum Figure: String, CaseIterable, Sendable {
        case templatesLearned = "templates_learned"
        case templatesReplaced = "templates_replaced"
        case templatesConfirmed = "templates_confirmed"
        case templatesWithdrawn = "templates_withdrawn"
        case withdrawalsIgnored = "withdrawals_ignored"
        case setsHeld = "sets_held"
        case setsReplayed = "sets_replayed"
        case optionRecords = "option_records"
        case ratesLearned = "sampling_rates_learned"
        case ratesChanged = "sampling_rates_changed"
        case samplingMismatches = "sampling_mismatches"
        case samplesSkipped = "samples_skipped"
        case samplesMissing = "samples_missing"
        case samplesLate = "samples_late"
        case samplesDropped = "samples_dropped"
        case counterSamples = "counter_samples"
        case discardedPackets = "discarded_packets"
        case furtherAgents = "further_agents"
        case reverseSidesEmpty = "reverse_sides_empty"
        case paddingNotZero = "padding_not_zero"
        case extrasOmitted = "extras_omitted"
        case ratesConfirmed = "sampling_rates_confirmed"
        case messagesMalformed = "messages_malformed"
        case timesClamped = "times_clamped"
        case eventFlowsForgotten = "event_flows_forgotten"

        package var help: String {
            switch self {
            case .templatesLearned: "Templates learned or changed."
            case .templatesReplaced: "Templates that took the place of another layout under their number."
            case .templatesConfirmed: "Saved templates that came again with the same content."
            case .templatesWithdrawn: "Templates taken away by their exporter, over TCP or TLS."
            case .withdrawalsIgnored: "Template withdrawals over UDP, which mean nothing there."
            case .setsHeld: "Data sets kept until their template comes."
            case .setsReplayed: "Data sets decoded after their template came."
            case .optionRecords: "Data records of options templates."
            case .ratesLearned: "Sampling rates told in options, not known before."
            case .ratesChanged: "Sampling rates told in options that differ from before."
            case .samplingMismatches: "sFlow sources found sampling at another rate than they state."
            case .samplesSkipped: "sFlow samples of a format that is not read."
            case .samplesMissing: "sFlow samples that never came, by their sequence; late ones included."
            case .samplesLate: "sFlow samples that came after being counted as missing."
            case .samplesDropped: "sFlow samples that agents say they lost themselves."
            case .counterSamples: "sFlow samples of interface and device counters."
            case .discardedPackets: "sFlow samples of packets that were discarded."
            case .furtherAgents: "sFlow agents that share a socket address with an earlier one."
            case .reverseSidesEmpty: "Biflows whose reverse side had counted nothing."
            case .paddingNotZero: "Sets and messages that end with something other than zeros."
            case .extrasOmitted: "Records without their further elements, for want of room."
            case .ratesConfirmed: "Saved sampling rates that their exporter told again."
            case .messagesMalformed: "Datagrams and messages with lengths that can't be."
            case .timesClamped: "Records whose start or end could not be."
            case .eventFlowsForgotten: "Firewall connections whose updates were forgotten, for want of room."
            }
        }
    }
    private var counts = [UInt64](repeating: 0, count: Figure.allCases.count)
    /// Records within sFlow samples that are not read.
    package private(set) var recordsSkipped: [SFlowRecord: UInt64] = [:]

    package init() {}
    package private(set) subscript(figure: Figure) -> UInt64 {
        get { Figure.allCases.firstIndex(of: figure).map { counts[$0] } ?? 0 }
        set {
            guard let index = Figure.allCases.firstIndex(of: figure) else { return }
            counts[index] = newValue
        }
    }

    mutating func add(_ other: DecodeTotals) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        for (record, count) in other.recordsSkipped { recordsSkipped[record, default: 0] &+= count }
    }
    /// Most datagrams bring records and nothing else: that costs one comparison.
    mutating func note(_ result: borrowing DecodeResult) {
        guard result.isEventful else { return }
        for figure in Figure.allCases {
            let count = Self.count(figure, in: result)
            if count > 0 { self[figure] &+= count }
        }
        for (record, count) in result.recordsSkipped { recordsSkipped[record, default: 0] &+= count }
    }
    private static func count(_ figure: Figure, in result: borrowing DecodeResult) -> UInt64 {
        switch figure {
        case .samplesMissing: result.samplesMissing
        case .samplesLate: result.samplesLate
        case .samplesDropped: result.samplesDropped
        case .samplingMismatches: UInt64(result.samplingMismatches.count)
        case .counterSamples: UInt64(result.counterSamples.count)
        case .furtherAgents: result.agentsAtAddress > 0 ? 1 : 0
        case .templatesLearned: UInt64(max(result.templatesLearned, 0))
        case .templatesReplaced: UInt64(max(result.templatesReplaced, 0))
        case .templatesConfirmed: UInt64(max(result.templatesConfirmed, 0))
        case .templatesWithdrawn: UInt64(max(result.templatesWithdrawn, 0))
        case .withdrawalsIgnored: UInt64(max(result.withdrawalsIgnored, 0))
        case .setsHeld: UInt64(max(result.setsHeld, 0))
        case .setsReplayed: UInt64(max(result.setsReplayed, 0))
        case .optionRecords: UInt64(max(result.optionRecords, 0))
        case .ratesLearned: UInt64(max(result.ratesLearned, 0))
        case .ratesChanged: UInt64(max(result.ratesChanged, 0))
        case .samplesSkipped: UInt64(max(result.samplesSkipped, 0))
        case .discardedPackets: UInt64(max(result.discardedPackets, 0))
        case .reverseSidesEmpty: UInt64(max(result.reverseSidesEmpty, 0))
        case .paddingNotZero: UInt64(max(result.paddingNotZero, 0))
        case .extrasOmitted: UInt64(max(result.extrasOmitted, 0))
        case .ratesConfirmed: UInt64(max(result.ratesConfirmed, 0))
        case .messagesMalformed: result.isMalformed ? 1 : 0
        case .timesClamped: UInt64(max(result.timesClamped, 0))
        case .eventFlowsForgotten: UInt64(max(result.eventFlowsForgotten, 0))
        }
    }
}

extension DecodeResult {
    /// Whether any of the counters that `DecodeTotals` adds up is not 0.
    fileprivate var isEventful: Bool {
        let templates = templatesLearned | templatesReplaced | templatesConfirmed | templatesWithdrawn
        let sets = withdrawalsIgnored | setsHeld | setsReplayed | optionRecords | ratesLearned | ratesChanged
        let samples = samplesMissing | samplesLate | samplesDropped
        let records = reverseSidesEmpty | paddingNotZero | extrasOmitted | timesClamped | eventFlowsForgotten
        let agents = samplesSkipped | discardedPackets | agentsAtAddress | ratesConfirmed
        return templates | sets | records | agents != 0 || samples != 0 || !counterSamples.isEmpty
            || !samplingMismatches.isEmpty || !recordsSkipped.isEmpty || isMalformed
    }
}
