import FlowModel
import WireBytes

/// The sets of a NetFlow v9 or IPFIX message, in their order: a template serves from the very next set on.
extension DatagramDecoder {
    //= RFC 7011 §3.3.2
    /// A set is | number :2 | length with these four octets :2 | content |. One that can't be used is skipped by its
    /// length; one with an impossible length ends the message, and what came before it stays.
    mutating func decodeSets(
        _ datagram: RawSpan, _ header: MessageHeader, from origin: DatagramOrigin,
        into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        result.exporter = header.key
        var message = Message(
            header: header, origin: origin,
            place: store.place(of: header.key, origin, uptime: header.uptime))
        var offset = header.length
        while header.end - offset >= 4 {  // ends: each turn adds at least 4
            let number = datagram.be16(at: offset)
            let length = Int(datagram.be16(at: offset + 2))
            // Some exporters forget a set's padding, 3 octets at most, in the message's length.
            let end = min(header.end + 3, datagram.byteCount)
            guard length >= 4, length <= end - offset else {
                // Some exporters fill the datagram up with zeros, which no set begins with.
                if !isZero(datagram.extracting(offset..<header.end), from: 0) {
                    result.loseMalformed(.badSet)
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
            !(found.isOnProbation || found.isBorrowed) || found.plan.shape.fits(body)
        else { return hold(body, number, message, &result) }
        let badBefore = result.losses.isEmpty ? nil : result.losses[.badSet]
        guard let records = decodeRecords(body, by: found.plan, found.isBorrowed, message, into: &columns, &result)
        else { return }
        if !result.losses.isEmpty, result.losses[.badSet] != badBefore {
            result.sequence?.isExact = message.header.isNetFlow9
        }
        census?.count(records, by: number, of: message.header.key)
        if !found.hasServed, records > 0 { store.served(number, at: message.place) }
        if !message.header.isNetFlow9 { result.sequence?.units &+= UInt32(truncatingIfNeeded: records) }
    }

    /// Returns how many records the set had; nil when there is no room for its exporter. More than one datagram may
    /// have are not read, and their set is one that is bad.
    @inline(__always)
    private mutating func decodeRecords(
        _ body: RawSpan, by plan: TemplatePlan, _ isBorrowed: Bool, _ message: Message,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int? {
        switch plan {
        case .flows(let plan):
            decodeFlows(body, by: plan, message, isBorrowed: isBorrowed, into: &columns, &result)
        case .options(let plan): learnOptions(body, by: plan, message, &result)
        }
    }

    // MARK: Hold and replay

    /// Keeps a data set until its template comes, if it may.
    private mutating func hold(
        _ body: RawSpan, _ number: UInt16, _ message: Message, _ result: inout DecodeResult
    ) {
        result.sequence?.isExact = message.header.isNetFlow9
        let set = HeldSet(
            template: number, origin: message.origin,
            exportMilliseconds: message.header.exportMilliseconds,
            uptime: message.header.uptime, body: isRepeat ? [] : body.copied())
        let key = message.header.key
        if !isRepeat, held.keep(set, of: key, isKnown: isKnown(key, message.place)) {
            result.setsHeld += 1
            if store.hasDeferredPlan { held.setReady([number], of: key) }
        } else {
            result.lose(.noTemplate)
        }
        store.hasDeferredPlan = false
    }
    private func isKnown(_ key: ExporterKey, _ place: TemplateStore.Place) -> Bool {
        place.exporter != nil || settings.isProtected(key.address)
    }

    /// Decodes sets of the exporter whose template came, the oldest first and as many as there is work left for; the
    /// others go on waiting. Their records say when they were received and exported; options of this datagram are known
    /// to them already.
    /// - Parameter isFirst: nothing else was decoded, so that one set may be as large as it is.
    mutating func replay(
        _ key: ExporterKey, isFirst: Bool, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        let sets = held.take(of: key, octets: work.replayOctets, isFirst: isFirst)
        var waiting: [HeldSet] = []
        var undone: ArraySlice<HeldSet> = []
        var records = isFirst ? Int.max : work.records
        for (place, set) in sets.enumerated() {
            switch replay(set, of: key, &records, into: &columns, &result) {
            case .decoded: result.setsReplayed += 1
            case .waiting: waiting.append(set)
            case .tooMuch: undone = sets[place...]
            }
            if !undone.isEmpty { break }
            if records == .max { records = max(work.records, 0) }
        }
        held.putBack(waiting, undone: Array(undone), of: key)
    }
    private enum Replayed { case decoded, waiting, tooMuch }

    private mutating func replay(
        _ set: HeldSet, of key: ExporterKey, _ recordsLeft: inout Int, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) -> Replayed {
        let message = Message(replaying: set, of: key, at: store.place(of: key, set.origin))
        return set.body.withBytes { body in
            let plan = store.plan(set.template, at: message.place, session: set.origin.session, now: .max)
            if store.hasDeferredPlan {
                store.hasDeferredPlan = false
                return .tooMuch
            }
            guard let found = plan, !(found.isOnProbation || found.isBorrowed) || found.plan.shape.fits(body)
            else { return .waiting }
            let events = work.events
            work = DatagramWork(octets: body.byteCount)
            if recordsLeft < .max { work.events = events }
            let most = min(
                body.byteCount / found.plan.shape.recordLength &* found.plan.shape.recordWeight, work.records)
            guard most <= recordsLeft else { return .tooMuch }
            if recordsLeft < .max { recordsLeft -= most }
            let first = columns.count
            let records = decodeRecords(
                body, by: found.plan, found.isBorrowed, message, into: &columns, &result)
            if let records { census?.count(records, by: set.template, of: key) }
            for row in first..<columns.count { columns.flags[row] |= RecordFlags.held.rawValue }
            if key.exportProtocol == .ipfix, let told = sequences.explained(records ?? 0, of: key) {
                result.missing = result.missing.map { $0.adding(told) } ?? told
            }
            return .decoded
        }
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
