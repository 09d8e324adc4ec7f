package import FlowModel
import WireBytes

/// Which templates exporters sent and how many records came by each: for commands that look at a capture. A service
/// goes without, see `DatagramDecoder.census`.
///
/// Invariants: an entry for each layout in the order of arrival; a number that gets another layout gets another entry;
/// at most `entriesMax` entries, what is beyond is counted in `omitted`.
package struct TemplateCensus: Sendable {
    package struct Entry: Sendable, Equatable {
        package let exporter: ExporterKey
        package let id: UInt16
        package let isOptions: Bool
        /// How many fields say what the others are about; 0 unless `isOptions`. In NetFlow v9 these have numbers of
        /// their own (RFC 3954 §6.1).
        package let scopeCount: Int
        /// In the template's order; of options the scopes first.
        package let fields: [ExtraField]
        /// Data records decoded by it. Of records that became two, one in each direction, one.
        package internal(set) var records: UInt64 = 0
    }
    package private(set) var entries: [Entry] = []
    /// Templates and records without an entry.
    package private(set) var omitted: UInt64 = 0
    private var latest: [ExporterKey: [UInt16: Int]] = [:]

    package static let entriesMax = 65_536

    package init() {}

    mutating func learn(_ id: UInt16, _ definition: RawSpan, isOptions: Bool, of exporter: ExporterKey) {
        let isNetFlow9 = exporter.exportProtocol == .netflow9
        guard entries.count < Self.entriesMax,
            let specs = TemplateDefinition.fields(definition, isOptions: isOptions, isNetFlow9: isNetFlow9)
        else {
            omitted &+= 1
            return
        }
        let entry = Entry(
            exporter: exporter, id: id, isOptions: isOptions, scopeCount: specs.count { $0.isScope },
            fields: specs.map { ExtraField($0.key, length: $0.length) })
        if let known = latest[exporter]?[id], entries[known].fields == entry.fields { return }
        latest[exporter, default: [:]][id] = entries.count
        entries.append(entry)
    }

    mutating func count(_ records: Int, by id: UInt16, of exporter: ExporterKey) {
        guard let entry = latest[exporter]?[id] else {
            omitted &+= UInt64(records)
            return
        }
        entries[entry].records &+= UInt64(records)
    }
}
