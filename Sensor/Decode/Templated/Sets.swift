import FlowModel
import WireBytes

/// The sets of a NetFlow v9 or IPFIX message, in their order: a template serves from the very next set on.
extension DatagramDecoder {
    //= RFC 7011 §3.3.2
    /// A set is | number :2 | length with these four octets :2 | content |. One that can't be used is skipped by its
    /// length; one with an impossible length ends the message, and what came before it stays.
    mutating func decodeSets(
        _ datagram: RawSpan, _ header: MessageHeader, from origin: DatagramOrigin, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        result.exporter = header.key
        var message = Message(
            header: header, origin: origin, place: store.place(of: header.key, origin, uptime: header.uptime))
        var offset = header.length
        while header.end - offset >= 4 {  // ends: each turn adds at least 4
            let number = datagram.be16(at: offset), length = Int(datagram.be16(at: offset + 2))
            // Some exporters forget a set's padding, 3 octets at most, in the message's length.
            let end = min(header.end + 3, datagram.byteCount)
            guard length >= 4, length <= end - offset else {
                // Some exporters fill the datagram up with zeros, which no set begins with.
                if !isZero(datagram.extracting(offset..<header.end), from: 0) {
                    result.lose(.badSet)
                    result.sequence?.isExact = header.isNetFlow9
                }
                break
            }
            let body = datagram.extracting((offset + 4)..<(offset + length))
            work.sets -= 1
            guard work.sets >= 0 else {
                result.lose(.badSet)
                result.sequence?.isExact = header.isNetFlow9
                break
            }
            if number >= MessageHeader.dataSetMin {
                decodeData(body, number, message, into: &columns, &result)
            } else if number == header.templateSet || number == header.optionsTemplateSet {
                learnTemplates(body, isOptions: number == header.optionsTemplateSet, &message, &result)
                if message.isRefused { break }
            } else {
                result.lose(.badSet)
            }
            offset += length
        }
    }

    private mutating func decodeData(
        _ body: RawSpan, _ number: UInt16, _ message: Message, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        if body.byteCount == 0 { return }
        guard
            let found = store.plan(
                number, at: message.place, session: message.origin.session,
                now: message.origin.receiveMilliseconds),
            !(found.isOnProbation || found.isBorrowed) || found.plan.fits(body)
        else { return hold(body, number, message, &result) }
        let badBefore = result.losses.isEmpty ? nil : result.losses[.badSet]
        guard let records = decodeRecords(body, by: found, message, into: &columns, &result) else { return }
        if !result.losses.isEmpty, result.losses[.badSet] != badBefore {
            result.sequence?.isExact = message.header.isNetFlow9
        }
        census?.count(records, by: number, of: message.header.key)
        if !found.hasServed, records > 0 { store.served(number, at: message.place) }
        if !message.header.isNetFlow9 { result.sequence?.units &+= UInt32(truncatingIfNeeded: records) }
    }

    /// Returns how many records the set had; nil when there is no room for its exporter. More than one datagram may
    /// have are not read, and their set is one that is bad.
    private mutating func decodeRecords(
        _ whole: RawSpan, by found: TemplateStore.Found, _ message: Message,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int? {
        var body = whole
        if let octets = found.plan.octets(ofRecords: work.records), octets < whole.byteCount - 3 {
            body = whole.extracting(0..<octets)
            result.lose(.badSet)
        }
        defer { work.records = max(work.records - body.byteCount / found.plan.recordLength, 0) }
        if let plan = found.plan.flows {
            guard let exporter = number(of: message.header.key, in: &columns) else {
                result.losses[.exporterLimit] = 1
                return nil
            }
            var context = RecordContext(
                exporter: exporter, receiveMilliseconds: message.origin.receiveMilliseconds)
            context.exportMilliseconds = message.header.exportMilliseconds
            context.uptime = message.header.uptime
            context.systemInitMilliseconds = store.systemInitMilliseconds(at: message.place)
            context.isBorrowed = found.isBorrowed
            return decodeFlows(body, by: plan, context, message.place, into: &columns, &result)
        }
        guard let plan = found.plan.options else { return nil }
        let records = learnOptions(body, by: plan, message, &result)
        result.optionRecords += records
        return records
    }

    /// The exporter's number in the columns.
    @inline(__always)
    private mutating func number(of key: ExporterKey, in columns: inout FlowColumns) -> UInt32? {
        if let hint = columnHints[key], hint < columns.exporters.count, columns.exporters[hint] == key {
            return UInt32(truncatingIfNeeded: hint)
        }
        let number = columns.intern(key)
        columnHints[key] = number.map(Int.init)
        return number
    }

    // MARK: Hold and replay

    /// Keeps a data set until its template comes, if it may.
    private mutating func hold(
        _ body: RawSpan, _ number: UInt16, _ message: Message, _ result: inout DecodeResult
    ) {
        result.sequence?.isExact = message.header.isNetFlow9
        let set = HeldSet(
            template: number, origin: message.origin, exportMilliseconds: message.header.exportMilliseconds,
            uptime: message.header.uptime, body: isRepeat ? [] : body.copied())
        let key = message.header.key
        if !isRepeat, held.keep(set, of: key, isKnown: isKnown(key, message.place)) {
            result.setsHeld += 1
        } else {
            result.lose(.noTemplate)
        }
    }
    private func isKnown(_ key: ExporterKey, _ place: TemplateStore.Place) -> Bool {
        place.exporter != nil || settings.isProtected(key.address)
    }

    /// Decodes the sets that waited for `templates` of the exporter, the oldest first. Their records say when they
    /// were received and exported; options of this datagram are known to them already.
    mutating func replay(_ key: ExporterKey, into columns: inout FlowColumns, _ result: inout DecodeResult) {
        let sets = held.take(learnedTemplates, of: key)
        var waiting: [HeldSet] = []
        for set in sets {
            let message = Message(replaying: set, of: key, at: store.place(of: key, set.origin))
            let isDecoded = set.body.withBytes { body in
                guard
                    let found = store.plan(
                        set.template, at: message.place, session: set.origin.session, now: .max),
                    !(found.isOnProbation || found.isBorrowed) || found.plan.fits(body)
                else { return false }
                let first = columns.count
                work = DatagramWork(octets: body.byteCount)
                let records = decodeRecords(body, by: found, message, into: &columns, &result)
                if let records { census?.count(records, by: set.template, of: key) }
                for row in first..<columns.count { columns.flags[row] |= RecordFlags.held.rawValue }
                if key.exportProtocol == .ipfix, let told = sequences.explained(records ?? 0, of: key) {
                    result.missing = result.missing.map { $0.adding(told) } ?? told
                }
                return true
            }
            if isDecoded { result.setsReplayed += 1 } else { waiting.append(set) }
        }
        held.putBack(waiting, of: key, isKnown: true)
    }
}

/// One message on its way through the decoder.
struct Message {
    let header: MessageHeader
    let origin: DatagramOrigin
    var place: TemplateStore.Place
    /// There is no room for this exporter: nothing of the message can be used.
    var isRefused = false

    init(header: MessageHeader, origin: DatagramOrigin, place: TemplateStore.Place) {
        (self.header, self.origin, self.place) = (header, origin, place)
    }
    /// The message that a set which waited came in, as far as its records need it.
    init(replaying set: HeldSet, of key: ExporterKey, at place: TemplateStore.Place) {
        let header = MessageHeader(
            key: key, length: 0, end: 0, exportMilliseconds: set.exportMilliseconds, uptime: set.uptime,
            isNetFlow9: key.exportProtocol == .netflow9)
        self.init(header: header, origin: set.origin, place: place)
    }
}
