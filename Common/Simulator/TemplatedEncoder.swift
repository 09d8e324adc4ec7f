internal import FlowModel

/// NetFlow v9 and IPFIX: messages of sets, and the templates that say what is in them.
///
/// A message has the records of one template. Templates and the sampling rate go first in the message at hand when no
/// other is being filled, and else in one of their own: what is sent earlier is never described later.
extension ExportEncoder {
    private var isIPFIX: Bool { exportProtocol == .ipfix }
    private static let optionsTemplateID: UInt16 = 512

    mutating func appendTemplated(_ seen: Sighting, _ now: Int64, into batch: inout DatagramBatch) {
        let isV4 = seen.flow.sourceIPAddress.isV4
        if knobs.firewallEvents, isV4 { return appendEvents(of: seen, now, into: &batch) }
        let slot: Slot = !isV4 ? .v6 : seen.translatedAddress != 0 && usesTranslation ? .translated : .v4
        prepare(slot, now, into: &batch)
        appendRecord(seen, slot, event: nil)
        note(seen, in: slot)
        flushIfFull(slot, now, into: &batch)
    }
    private mutating func flushIfFull(_ slot: Slot, _ now: Int64, into batch: inout DatagramBatch) {
        // The header, a record more, and padding must still fit.
        let room = Self.payloadBytesMax - 24 - layouts[slot.rawValue].recordBytesMax
        if open[slot.rawValue].body.count > room { flush(slot, now, into: &batch) }
    }

    /// A firewall tells what happens to a connection, not what flows: that it was made, now and then how it goes, that
    /// it ended with so much (the whole, not what came since), or that it was refused.
    private mutating func appendEvents(of seen: Sighting, _ now: Int64, into batch: inout DatagramBatch) {
        let isUpdated = seen.flow.sourceTransportPort & 7 == 0
        let events: [FirewallEvent] =
            seen.reverse == nil ? [.denied] : isUpdated ? [.created, .updated, .deleted] : [.created, .deleted]
        for event in events {
            var told = seen
            switch event {
            case .created, .denied:
                (told.flow.octetDeltaCount, told.flow.packetDeltaCount) = (0, 0)
                told.reverse?.octets = 0
                told.reverse?.packets = 0
            case .updated:
                told.flow.octetDeltaCount /= 2
                told.flow.packetDeltaCount /= 2
                told.reverse = nil
            case .deleted: break
            }
            prepare(.event, now, into: &batch)
            appendRecord(told, .event, event: event)
            open[Slot.event.rawValue].tally.records += 1
            if event == .deleted {
                open[Slot.event.rawValue].tally.records -= 1
                note(told, in: .event)
            }
            flushIfFull(.event, now, into: &batch)
        }
    }

    // MARK: Messages

    /// Makes sure that a data set for `slot` is open.
    private mutating func prepare(_ slot: Slot, _ now: Int64, into batch: inout DatagramBatch) {
        let index = slot.rawValue
        // Differences from the export time hold only while that stays.
        if knobs.times == .delta, open[index].isOpen, open[index].openedAt / 1_000 != now / 1_000 {
            flush(slot, now, into: &batch)
        }
        guard !open[index].isOpen else { return }
        for other in Slot.allCases where open[other.rawValue].isOpen && open[other.rawValue].tally.templates > 0 {
            flush(other, now, into: &batch)
        }
        if now >= templatesDueAt {
            let others = Slot.allCases.contains { open[$0.rawValue].isOpen }
            appendTemplates(to: slot, now)
            if others || open[index].body.count > Self.payloadBytesMax / 2 { flush(slot, now, into: &batch) }
        }
        begin(slot, now)
        if knobs.unknownSets {
            // RFC 7011 §3.3.2: 4 to 255 are nobody's.
            open[index].body.put16(200)
            open[index].body.put16(12)
            open[index].body.put64(0x0102_0304_0506_0708)
        }
        open[index].setStart = open[index].body.count
        open[index].body.put16(layouts[index].id)
        open[index].body.put16(0)
    }

    /// Closes the data set and writes the header that goes before it.
    mutating func finishTemplated(_ slot: Slot, _ now: Int64, into out: inout [UInt8]) {
        let index = slot.rawValue
        let hasData = open[index].tally.records > 0
        if hasData {
            pad(&open[index].body, from: open[index].setStart)
            open[index].body.set16(UInt16(open[index].body.count - open[index].setStart), at: open[index].setStart + 2)
        }
        let time = knobs.times == .delta && hasData ? open[index].openedAt : now
        writeHeader(open[index].tally, bodyBytes: open[index].body.count, clock(time), into: &out)
    }
    private func pad(_ body: inout [UInt8], from start: Int) {
        // RFC 3954 §5.3: a set ends on a 32-bit boundary. IPFIX leaves it to the exporter (RFC 7011 §3.3.1).
        guard !isIPFIX || knobs.padding != nil else { return }
        let octet: UInt8 = knobs.padding == .nonzero ? 0xA5 : 0
        var count = (4 - (body.count - start) % 4) % 4
        if count == 0, knobs.padding != nil, isIPFIX { count = 4 }
        body += [UInt8](repeating: octet, count: count)
    }

    private mutating func writeHeader(
        _ tally: DatagramTally, bodyBytes: Int, _ clock: Int64, into out: inout [UInt8]
    ) {
        let data = tally.records + tally.optionRecords
        out.put16(isIPFIX ? 10 : 9)
        if isIPFIX {
            out.put16(UInt16(16 + bodyBytes))
        } else {
            out.put16(UInt16(truncatingIfNeeded: data + tally.templates + (knobs.countWrong ? 7 : 0)))
            // The header tells its time in whole seconds, so its uptime is that of the second's beginning: else all
            // of its records would be off by the rest.
            out.put32(uptime(clock / 1_000 * 1_000))
        }
        out.put32(UInt32(truncatingIfNeeded: clock / 1_000))
        out.put32(sequence)
        out.put32(identity.domain)
        // RFC 7011 §3.1 counts data records, those of options too; RFC 3954 §5.1 counts packets.
        sequence &+= isIPFIX ? UInt32(data) : 1
    }

    // MARK: Templates

    private mutating func appendTemplates(to slot: Slot, _ now: Int64) {
        let index = slot.rawValue
        begin(slot, now)
        open[index].setStart = open[index].body.count
        let start = open[index].body.count
        open[index].body.put16(isIPFIX ? 2 : 0)
        open[index].body.put16(0)
        for layout in layouts where isUsed(layout) {
            layout.appendTemplate(to: &open[index].body)
            open[index].tally.templates += 1
        }
        open[index].body.set16(UInt16(open[index].body.count - start), at: start + 2)
        let tellsRate = samplingInterval > 1 && !knobs.samplingUnknown && knobs.samplingForm != .record
        if tellsRate, now >= optionsFrom { appendOptions(to: index) }
        // A stream's templates hold as long as the connection does (RFC 7011 §8.4).
        templatesDueAt = isStream ? .max : now + knobs.templateEveryMilliseconds
        if tellsRate, now < optionsFrom { templatesDueAt = min(templatesDueAt, optionsFrom) }
    }
    private func isUsed(_ layout: Layout) -> Bool {
        if layout.id == Slot.event.templateID { return knobs.firewallEvents }
        return layout.id != knobs.templateMissing?.templateID
    }

    /// The sampling rate as an options template with its data.
    private mutating func appendOptions(to index: Int) {
        let options = SamplingOptions(
            form: knobs.samplingForm, interval: samplingInterval, isIPFIX: isIPFIX, domain: identity.domain)
        options.append(id: Self.optionsTemplateID, to: &open[index].body)
        open[index].tally.templates += 1
        open[index].tally.optionRecords += UInt64(options.records.count)
    }

    /// RFC 7011 §8.1: a template without fields takes back the one with its number.
    mutating func withdraw(_ now: Int64, into batch: inout DatagramBatch) {
        let start = batch.bytes.count
        writeHeader(DatagramTally(), bodyBytes: 8, clock(now), into: &batch.bytes)
        for word in [2, 8, Slot.v4.templateID, 0] as [UInt16] { batch.bytes.put16(word) }
        send(from: start, DatagramTally(), into: &batch)
    }
}

/// The forms in which exporters tell their sampling rate.
struct SamplingOptions: Sendable {
    let isIPFIX: Bool
    /// Element (NetFlow v9: scope type) and length; one scope each.
    let scope: (element: UInt16, length: UInt16)
    let fields: [(element: UInt16, length: UInt16)]
    /// Values, scope first.
    let records: [[UInt64]]

    init(form: SimulationKnobs.SamplingForm, interval: UInt32, isIPFIX: Bool, domain: UInt32) {
        self.isIPFIX = isIPFIX
        let rate = UInt64(interval), whole: (UInt16, UInt16) = isIPFIX ? (149, 4) : (1, 4)
        switch form {
        case .interval, .record:
            (scope, fields, records) = (whole, [(34, 4), (35, 1)], [[UInt64(domain), rate, 2]])
        case .random:
            (scope, fields, records) = (whole, [(48, 1), (49, 1), (50, 4)], [[UInt64(domain), 1, 2, rate]])
        case .selector:
            if isIPFIX {
                (scope, fields, records) = ((302, 8), [(304, 2), (305, 4), (306, 4)], [[1, 1, 1, rate - 1]])
            } else {
                scope = whole
                fields = [(302, 8), (304, 2), (305, 4), (306, 4)]
                records = [[UInt64(domain), 1, 1, 1, rate - 1]]
            }
        case .population:
            (scope, fields, records) = (whole, [(309, 4), (310, 4)], [[UInt64(domain), 1, rate]])
        case .interface:
            (scope, fields) = (isIPFIX ? (10, 4) : (2, 4), [(34, 4)])
            records = (1...10).map { [$0, rate] }
        }
    }

    func append(id: UInt16, to out: inout [UInt8]) {
        let start = out.count
        out.put16(isIPFIX ? 3 : 1)
        out.put16(0)
        out.put16(id)
        if isIPFIX {
            out.put16(UInt16(1 + fields.count))
            out.put16(1)
        } else {
            out.put16(4)
            out.put16(UInt16(4 * fields.count))
        }
        for field in [scope] + fields {
            out.put16(field.element)
            out.put16(field.length)
        }
        close(&out, from: start)
        let dataStart = out.count
        out.put16(id)
        out.put16(0)
        for record in records {
            for (value, field) in zip(record, [scope] + fields) { out.put(value, width: Int(field.length)) }
        }
        close(&out, from: dataStart)
    }
    private func close(_ out: inout [UInt8], from start: Int) {
        if !isIPFIX { out += [UInt8](repeating: 0, count: (4 - (out.count - start) % 4) % 4) }
        out.set16(UInt16(out.count - start), at: start + 2)
    }
}
