package import FlowModel

/// What one datagram came to. Records themselves are in the columns; this says where, and what was not decoded.
package struct DecodeResult: Sendable, Equatable {
    /// nil only when the datagram was refused before its header could be read. All rows are this exporter's.
    package var exporter: ExporterKey?
    /// The rows added to the columns, those of earlier data sets that had waited for this datagram's templates
    /// included; empty when there were none.
    package var rows: Range<Int>
    /// Usually empty. A datagram-unit loss means that nothing of the datagram was used; set-unit and record-unit
    /// losses leave the rest of it decoded.
    package var losses = [Loss: UInt64]()
    /// The header's sequence number and by how much this datagram moves it on; nil when there is no header.
    package var sequence: SequenceMark?
    /// What the sequence number told about datagrams before this one; nil when it was the expected one.
    package var missing: SequenceOutcome?

    /// Templates and options templates not known before, or with another content than before.
    package var templatesLearned = 0
    /// Those of `templatesLearned` that took the place of another layout under the same number. An exporter that does
    /// so again and again is flapping: see `DatagramDecoder.templateChurn(of:)`.
    package var templatesReplaced = 0
    /// Templates on probation that came again with the same content.
    package var templatesConfirmed = 0
    /// Templates taken away by their exporter, over TCP or TLS.
    package var templatesWithdrawn = 0
    /// Template withdrawals over UDP, which mean nothing there.
    package var withdrawalsIgnored = 0
    /// Data sets without a template yet, kept to be decoded later. Not lost unless counted as such later on.
    package var setsHeld = 0
    /// Data sets of earlier datagrams that were decoded now.
    package var setsReplayed = 0
    /// Data records of options templates: read for sampling rates and clocks, not flows.
    package var optionRecords = 0
    /// sFlow samples of a format that isn't read, skipped by their length.
    package var samplesSkipped = 0
    /// What sFlow agents have counted themselves.
    package var counterSamples: [CounterSample] = []
    /// Flow samples of packets that were discarded, each reported for itself.
    package var discardedPackets = 0
    /// By their sequence numbers, samples between two of one data source that didn't arrive; those of lost datagrams
    /// too.
    package var samplesMissing: UInt64 = 0
    /// Samples that came after younger ones of their data source: some of those counted as missing before.
    package var samplesLate: UInt64 = 0
    /// Samples that agents say they lost themselves, for want of resources.
    package var samplesDropped: UInt64 = 0
    /// Data sources whose pool doesn't grow by the rate that they state: volumes of theirs are wrong.
    package var samplingMismatches: [SamplingMismatch] = []
    /// This is the first datagram of a further sFlow agent behind one socket address: how many there are now, else 0.
    package var agentsAtAddress = 0
    /// Biflow records whose reverse side had counted nothing, so that no second record was made of it.
    package var reverseSidesEmpty = 0
    /// Sets, and messages, with something other than zeros behind their last record.
    package var paddingNotZero = 0
    /// Rows without the elements that no column holds, because there is no room for more of them.
    package var extrasOmitted = 0
    /// Rows whose start or end could not be (flag `timesClamped`).
    package var timesClamped = 0
    /// Sampling rates told in options that were not known before: rows without a rate may have one now.
    package var ratesLearned = 0
    /// Sampling rates told in options that differ from what was told before for the same scope.
    package var ratesChanged = 0
    /// Sampling rates of a saved state that their exporter told again.
    package var ratesConfirmed = 0
    /// Records within sFlow samples that are not read, by what they are.
    package var recordsSkipped = [SFlowRecord: UInt64]()
    /// Lengths in it can't be (RFC 7011 §9): what came before them is decoded all the same.
    package var isMalformed = false
    /// Connections of firewalls whose updates could not be remembered: their end will count them a second time.
    package var eventFlowsForgotten = 0

    /// Inline: what it makes is large, and would be copied.
    @inline(__always)
    package init(row: Int) { rows = row..<row }

    /// Nothing of the datagram was used.
    var isRefused: Bool { losses.keys.contains { $0.unit == .datagrams } }

    mutating func lose(_ reason: Loss, _ count: UInt64 = 1) { losses[reason, default: 0] &+= count }

    //= RFC 7011 §9
    /// A set, a record or a message is longer than what it stands in, or shorter than its own head.
    mutating func loseMalformed(_ reason: Loss) {
        lose(reason)
        isMalformed = true
    }
}

/// What a datagram says about its place among its sender's.
package struct SequenceMark: Sendable, Equatable {
    /// As in the header. NetFlow v5 and IPFIX: records before this datagram. NetFlow v9 and sFlow: datagrams.
    package var number: UInt32
    /// What the next datagram's number is expected to be higher by. Unit as `number`.
    package var units: UInt32
    /// False when sets without a template make `units` a lower bound.
    package var isExact: Bool
    /// ms since the sender's start, modulo 2^32, where the header has it: tells a restart from loss.
    package var uptime: UInt32?

    package init(number: UInt32, units: UInt32, isExact: Bool, uptime: UInt32? = nil) {
        (self.number, self.units, self.isExact, self.uptime) = (number, units, isExact, uptime)
    }
}
