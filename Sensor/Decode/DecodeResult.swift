package import FlowModel

/// What one datagram came to. Records themselves are in the columns; this says where, and what was not decoded.
package struct DecodeResult: Sendable, Equatable {
    /// nil only when the datagram was refused before its header could be read.
    package var exporter: ExporterKey?
    /// The rows added to the columns; empty when there were none.
    package var rows: Range<Int>
    /// Usually empty. A datagram-unit loss means that nothing of the datagram was used; set-unit and record-unit
    /// losses leave the rest of it decoded.
    package var losses: [Loss: UInt64] = [:]
    /// The header's sequence number and by how much this datagram moves it on; nil when there is no header.
    package var sequence: SequenceMark?

    /// Templates and options templates not known before, or with another content than before.
    package var templatesLearned = 0
    /// Those of `templatesLearned` that took the place of another layout under the same number.
    package var templatesReplaced = 0
    /// Template withdrawals, which mean nothing over UDP.
    package var withdrawalsIgnored = 0
    /// Data records of options templates: read for sampling rates and clocks, not flows.
    package var optionRecords = 0
    /// sFlow counter samples and samples of unknown format, skipped by their length.
    package var samplesSkipped = 0
    /// Biflow records whose reverse side had counted nothing, so that no second record was made of it.
    package var reverseSidesEmpty = 0
    /// Sets, and messages, with something other than zeros behind their last record.
    package var paddingNotZero = 0

    package init(row: Int) { rows = row..<row }

    mutating func lose(_ reason: Loss, _ count: UInt64 = 1) { losses[reason, default: 0] &+= count }
}

/// For counting what is missing between two datagrams of one exporter.
package struct SequenceMark: Sendable, Equatable {
    /// As in the header. NetFlow v5 and IPFIX: records before this datagram. NetFlow v9 and sFlow: datagrams.
    package var number: UInt32
    /// What the next datagram's number is expected to be higher by. Unit as `number`.
    package var units: UInt32
    /// False when sets without a template make `units` a lower bound.
    package var isExact: Bool

    package init(number: UInt32, units: UInt32, isExact: Bool) {
        (self.number, self.units, self.isExact) = (number, units, isExact)
    }
}
