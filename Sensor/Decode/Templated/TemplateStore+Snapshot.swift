import FlowModel
import WireBytes

/// Why saved templates can't be used. The sensor then starts without any, as if for the first time.
package enum SnapshotFault: Error, Equatable {
    case tooShort, notASnapshot
    case unknownVersion(UInt16)
    case checksumWrong
    /// The checksum is right and the content is not: at this octet.
    case malformed(offset: Int)
}

/// What became of saved templates.
package struct SnapshotReport: Sendable, Equatable {
    /// Taken back, on probation until their exporter sends them again.
    package var restored = 0
    /// Not heard of for longer than `DecodeLimits.templateAgeMaxMilliseconds`.
    package var tooOld = 0
    /// Beyond the limits.
    package var refused = 0
    /// Sampling rates taken back, on probation until their exporter tells them again; and those of exporters not heard
    /// of for that long.
    package var ratesRestored = 0, ratesTooOld = 0

    package init(
        restored: Int = 0, tooOld: Int = 0, refused: Int = 0, ratesRestored: Int = 0, ratesTooOld: Int = 0
    ) {
        (self.restored, self.tooOld, self.refused) = (restored, tooOld, refused)
        (self.ratesRestored, self.ratesTooOld) = (ratesRestored, ratesTooOld)
    }
}

/// Saved templates, little-endian:
///
///     snapshot  | "WEIRTMPL" :8 | version=2 :2 | exporters :4 | exporter … | rates (`SavedRates`) | CRC-32C of all
///               before :4 |
///     exporter  | address :16 | domain :4 | protocol :1 | flags :1 | streams :2 | stream … |
///     stream    | source port :2 | local port :2 | flags :1 | templates :2 | template … |
///     template  | number :2 | flags :1 | last used, ms since 1970 UTC :8 | length :2 | definition |
///     flags     1 has served data, 2 options template
///
/// Templates of TCP and TLS sessions end with their session and are not saved. Definitions are the octets that the
/// exporter sent (`TemplateDefinition`), so that a later version of the decoder makes its own layouts of them.
/// Version 1 had no rates.
enum TemplateSnapshot {
    static let magic = Array("WEIRTMPL".utf8), version: UInt16 = 2, versionMin: UInt16 = 1
    static let headBytes = 14, checksumBytes = 4

    struct Flags: OptionSet {
        let rawValue: UInt8
        static let hasServed = Flags(rawValue: 1), isOptions = Flags(rawValue: 2)
    }
    struct Entry {
        let key: ExporterKey
        let origin: DatagramOrigin
        let exporterFlags: Flags, streamFlags: Flags
        let id: UInt16
        var template: Template
    }
}

extension TemplateStore {
    /// All templates that outlive the process, as octets: the head of a snapshot.
    fileprivate func snapshotHead() -> [UInt8] {
        let saved = exporters.filter { exporter in
            exporter.streams.contains { $0.session == 0 && !$0.ids.isEmpty }
        }
        var bytes = TemplateSnapshot.magic
        bytes.appendLE(TemplateSnapshot.version)
        bytes.appendLE(UInt32(truncatingIfNeeded: saved.count))
        for exporter in saved {
            bytes.appendLE(exporter.key.address.high)
            bytes.appendLE(exporter.key.address.low)
            bytes.appendLE(exporter.key.observationDomain)
            bytes.append(exporter.key.exportProtocol.rawValue)
            bytes.append(flags(exporter.hasServed))
            let streams = exporter.streams.filter { $0.session == 0 && !$0.ids.isEmpty }
            bytes.appendLE(UInt16(truncatingIfNeeded: streams.count))
            for stream in streams { append(stream, to: &bytes) }
        }
        return bytes
    }
    private func append(_ stream: Stream, to bytes: inout [UInt8]) {
        bytes.appendLE(stream.sourcePort)
        bytes.appendLE(stream.localPort)
        bytes.append(flags(stream.hasServed))
        bytes.appendLE(UInt16(truncatingIfNeeded: stream.ids.count))
        for (id, template) in zip(stream.ids, stream.templates) {
            bytes.appendLE(id)
            bytes.append(flags(template.hasServed, template.isOptions))
            bytes.appendLE(UInt64(bitPattern: template.lastUsedMilliseconds))
            bytes.appendLE(UInt16(truncatingIfNeeded: template.definition.count))
            bytes += template.definition
        }
    }
    private func flags(_ hasServed: Bool, _ isOptions: Bool = false) -> UInt8 {
        var flags: TemplateSnapshot.Flags = hasServed ? .hasServed : []
        if isOptions { flags.insert(.isOptions) }
        return flags.rawValue
    }

    /// Takes saved templates back, beside those that are known already.
    /// - Parameter now: in ms since 1970 UTC.
    fileprivate mutating func restore(_ entries: [TemplateSnapshot.Entry], now: Int64) -> SnapshotReport {
        var report = SnapshotReport()
        for entry in entries {
            guard now &- entry.template.lastUsedMilliseconds <= limits.templateAgeMaxMilliseconds else {
                report.tooOld += 1
                continue
            }
            if take(entry) { report.restored += 1 } else { report.refused += 1 }
        }
        return report
    }
    private mutating func take(_ entry: TemplateSnapshot.Entry) -> Bool {
        var place = place(of: entry.key, entry.origin)
        if let exporter = place.exporter, let stream = place.stream,
            let slot = exporters[exporter].streams[stream].slot(of: entry.id)
        {
            // What was heard since the start is newer; of what several snapshots have, the one used last is.
            let known = exporters[exporter].streams[stream].templates[slot]
            guard known.isOnProbation, known.lastUsedMilliseconds < entry.template.lastUsedMilliseconds else {
                return false
            }
        }
        guard entry.template.definition.count <= 4 + 8 * limits.fieldsPerTemplateMax else { return false }
        let lesson = learn(entry.id, entry.template, of: entry.key, entry.origin, &place)
        guard lesson == .new || lesson == .replaced, let exporter = place.exporter, let stream = place.stream
        else { return false }
        if entry.exporterFlags.contains(.hasServed) { exporters[exporter].hasServed = true }
        if entry.streamFlags.contains(.hasServed) { exporters[exporter].streams[stream].hasServed = true }
        return lesson == .new  // the one that was replaced counts as restored already
    }
}

/// Reads a snapshot: hostile octets like any other, though they carry a checksum.
private struct SnapshotReader {
    private var offset = TemplateSnapshot.headBytes
    private(set) var entries: [TemplateSnapshot.Entry] = []
    private(set) var rates: [SavedRates] = []

    mutating func read(_ bytes: RawSpan) throws(SnapshotFault) {
        let end = bytes.byteCount - TemplateSnapshot.checksumBytes
        guard end >= TemplateSnapshot.headBytes else { throw .tooShort }
        for (at, octet) in TemplateSnapshot.magic.enumerated() where bytes.u8(at: at) != octet { throw .notASnapshot }
        let version = bytes.le16(at: 8)
        guard (TemplateSnapshot.versionMin...TemplateSnapshot.version).contains(version) else {
            throw .unknownVersion(version)
        }
        guard CRC32C.checksum(bytes.extracting(0..<end)) == bytes.le32(at: end) else { throw .checksumWrong }
        let content = bytes.extracting(0..<end)
        for _ in 0..<bytes.le32(at: 10) { try readExporter(content) }  // ends: each reads octets or throws
        if version >= 2 {
            let at = try take(4, of: content)
            for _ in 0..<content.le32(at: at) { try readRates(content) }  // ends: as above
        }
        guard offset == end else { throw .malformed(offset: offset) }
    }

    private mutating func take(_ count: Int, of bytes: RawSpan) throws(SnapshotFault) -> Int {
        guard bytes.byteCount - offset >= count else { throw .malformed(offset: offset) }
        defer { offset += count }
        return offset
    }

    private mutating func readRates(_ bytes: RawSpan) throws(SnapshotFault) {
        let at = try take(33, of: bytes)
        var saved = SavedRates(
            try key(bytes, at: at), lastHeardMilliseconds: Int64(bitPattern: bytes.le64(at: at + 21)))
        for _ in 0..<bytes.le16(at: at + 29) {
            let at = try take(13, of: bytes)
            guard let scope = SavedRates.scope(bytes.u8(at: at), bytes.le64(at: at + 1)) else {
                throw .malformed(offset: at)
            }
            saved.rates.append((scope, Float(bitPattern: bytes.le32(at: at + 9))))
        }
        for _ in 0..<bytes.le16(at: at + 31) {
            let at = try take(9, of: bytes), count = Int(bytes.u8(at: at + 8))
            guard count <= SavedRates.selectorsMax else { throw .malformed(offset: at) }
            let start = try take(8 * count, of: bytes)
            saved.sequences.append(
                (bytes.le64(at: at), (0..<count).map { bytes.le64(at: start + 8 * $0) }))
        }
        rates.append(saved)
    }

    /// Who it is, of the protocols that have templates.
    private func key(_ bytes: RawSpan, at offset: Int) throws(SnapshotFault) -> ExporterKey {
        guard let exportProtocol = ExportProtocol(rawValue: bytes.u8(at: offset + 20)),
            exportProtocol == .netflow9 || exportProtocol == .ipfix
        else { throw .malformed(offset: offset) }
        return ExporterKey(
            address: IPAddress(high: bytes.le64(at: offset), low: bytes.le64(at: offset + 8)),
            observationDomain: bytes.le32(at: offset + 16), exportProtocol: exportProtocol)
    }

    private mutating func readExporter(_ bytes: RawSpan) throws(SnapshotFault) {
        let at = try take(24, of: bytes), key = try key(bytes, at: at)
        let flags = TemplateSnapshot.Flags(rawValue: bytes.u8(at: at + 21))
        for _ in 0..<bytes.le16(at: at + 22) { try readStream(bytes, of: key, flags) }
    }

    private mutating func readStream(
        _ bytes: RawSpan, of key: ExporterKey, _ exporterFlags: TemplateSnapshot.Flags
    ) throws(SnapshotFault) {
        let at = try take(7, of: bytes)
        let flags = TemplateSnapshot.Flags(rawValue: bytes.u8(at: at + 4))
        for _ in 0..<bytes.le16(at: at + 5) {
            let start = offset
            let (id, template) = try readTemplate(bytes, of: key.exportProtocol)
            guard id >= MessageHeader.dataSetMin else { throw .malformed(offset: start) }
            let origin = DatagramOrigin(
                source: key.address, sourcePort: bytes.le16(at: at), localPort: bytes.le16(at: at + 2),
                receiveMilliseconds: template.lastUsedMilliseconds)
            entries.append(
                .init(
                    key: key, origin: origin, exporterFlags: exporterFlags, streamFlags: flags, id: id,
                    template: template))
        }
    }

    private mutating func readTemplate(
        _ bytes: RawSpan, of exportProtocol: ExportProtocol
    ) throws(SnapshotFault) -> (id: UInt16, Template) {
        let at = try take(13, of: bytes), start = try take(Int(bytes.le16(at: at + 11)), of: bytes)
        let definition = bytes.extracting(start..<offset)
        let flags = TemplateSnapshot.Flags(rawValue: bytes.u8(at: at + 2))
        let isOptions = flags.contains(.isOptions)
        guard
            TemplateDefinition.fields(definition, isOptions: isOptions, isNetFlow9: exportProtocol == .netflow9) != nil
        else { throw .malformed(offset: start) }
        var template = Template(
            definition: definition.copied(), isOptions: isOptions,
            lastUsedMilliseconds: Int64(bitPattern: bytes.le64(at: at + 3)))
        template.isOnProbation = true
        template.hasServed = flags.contains(.hasServed)
        return (bytes.le16(at: at), template)
    }
}

extension DatagramDecoder {
    /// Changes whenever a snapshot would differ in what matters: save one when it has changed.
    package var templatesVersion: UInt64 { store.version &+ samplings.version }
    /// The templates of all exporters that send datagrams, and the sampling rates that exporters told, to be saved and
    /// taken back by `restore`.
    package func snapshot() -> [UInt8] {
        var bytes = store.snapshotHead()
        samplings.appendSnapshot(to: &bytes)
        bytes.appendLE(bytes.withBytes { CRC32C.checksum($0) })
        return bytes
    }
    /// Takes back what `snapshot` gave, before any datagram is decoded. Restored templates are on probation: they serve
    /// while nothing contradicts; a data set that can't be of their layout waits, as one without a template does. So
    /// are rates: an exporter that tells another one for the same scope has told none before.
    /// - Parameter now: in ms since 1970 UTC.
    /// - Throws: when anything is wrong with `bytes`; nothing of them is used then.
    package mutating func restore(_ bytes: [UInt8], now: Int64) throws(SnapshotFault) -> SnapshotReport {
        var reader = SnapshotReader()
        try bytes.withBytes { span throws(SnapshotFault) in try reader.read(span) }
        var report = store.restore(reader.entries, now: now)
        for saved in reader.rates {
            if now &- saved.lastHeardMilliseconds > limits.templateAgeMaxMilliseconds {
                report.ratesTooOld += saved.rates.count
            } else {
                report.ratesRestored += samplings.restore(saved)
            }
        }
        return report
    }
}
