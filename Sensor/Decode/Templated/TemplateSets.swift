import FlowModel
import WireBytes

/// Template sets and options template sets of both protocols.
extension DatagramDecoder {
    mutating func learnTemplates(
        _ body: RawSpan, isOptions: Bool, _ message: inout Message, _ result: inout DecodeResult
    ) {
        var offset = 0
        while body.byteCount - offset >= 4 {  // ends: each turn adds at least 4
            if isZero(body, from: offset) { return }  // padding
            guard let head = TemplateHead(body, at: offset, isOptions: isOptions, message.header) else {
                return result.loseMalformed(.badTemplate)
            }
            if head.isWithdrawal {
                withdraw(head, message, &result)
                offset = head.fieldsAt
                continue
            }
            guard let end = fieldsEnd(head, body, message.header) else { return result.loseMalformed(.badTemplate) }
            learn(head, body.extracting(head.definitionAt..<end), &message, &result)
            if message.isRefused || work.templates < 0 { return }
            offset = end
        }
    }

    /// Where the `count` fields of a template end; nil when that is behind the set's end.
    private func fieldsEnd(_ head: TemplateHead, _ body: RawSpan, _ header: MessageHeader) -> Int? {
        var offset = head.fieldsAt
        for _ in 0..<head.fieldCount {
            guard body.byteCount - offset >= 4 else { return nil }
            //= RFC 7011 §3.2
            // The highest bit says that an enterprise number follows. NetFlow v9 has no enterprises.
            let isLong = !header.isNetFlow9 && body.be16(at: offset) & 0x8000 != 0
            offset += isLong ? 8 : 4
        }
        return offset <= body.byteCount ? offset : nil
    }

    private mutating func learn(
        _ head: TemplateHead, _ definition: RawSpan, _ message: inout Message, _ result: inout DecodeResult
    ) {
        guard head.fieldCount <= limits.fieldsPerTemplateMax else { return result.lose(.templateLimit) }
        switch store.repeats(head.id, definition, isOptions: head.isOptions, at: message.place) {
        case .known: return
        case .confirmed:
            result.templatesConfirmed += 1
            return learnedTemplates.append(head.id)
        case .unknown: break
        }
        work.templates -= 1
        guard work.templates >= 0 else { return result.lose(.templateLimit) }
        guard hasLength(head, definition, message.header) else { return result.lose(.badTemplate) }
        let template = Template(
            definition: definition.copied(), isOptions: head.isOptions,
            lastUsedMilliseconds: message.origin.receiveMilliseconds)
        switch store.learn(head.id, template, of: message.header.key, message.origin, &message.place) {
        case .new: result.templatesLearned += 1
        case .replaced:
            result.templatesLearned += 1
            result.templatesReplaced += 1
        case .noRoom: return result.lose(.templateLimit)
        case .noRoomForExporter:
            // Sets of this message that wait for templates already go on waiting: the template alone is lost.
            guard result.setsHeld == 0 else { return result.lose(.templateLimit) }
            message.isRefused = true
            result.losses[.exporterLimit] = 1
            return
        }
        census?.learn(head.id, definition, isOptions: head.isOptions, of: message.header.key)
        learnedTemplates.append(head.id)
    }

    /// A record without octets would be in a set endlessly often.
    private func hasLength(_ head: TemplateHead, _ definition: RawSpan, _ header: MessageHeader) -> Bool {
        var offset = head.fieldsAt - head.definitionAt
        for _ in 0..<head.fieldCount {
            if definition.be16(at: offset + 2) > 0 { return true }
            offset += !header.isNetFlow9 && definition.be16(at: offset) & 0x8000 != 0 ? 8 : 4
        }
        return false
    }

    //= RFC 7011 §8.1
    //= RFC 7011 §8.4
    /// Over TCP a withdrawal ends a template, and one under the set's own number all of its kind. Over UDP there are
    /// none: one that was late would take away a template in use.
    private mutating func withdraw(_ head: TemplateHead, _ message: Message, _ result: inout DecodeResult) {
        guard message.origin.session != 0 else {
            result.withdrawalsIgnored += 1
            return
        }
        let id = head.id >= MessageHeader.dataSetMin ? head.id : nil
        result.templatesWithdrawn += store.withdraw(id, isOptions: head.isOptions, at: message.place)
    }
}

/// What stands before the fields of a template.
private struct TemplateHead {
    let id: UInt16
    let isOptions: Bool
    var fieldCount: Int, scopeCount = 0
    /// Where the counts begin, which tell the template from another just as the fields do, and where the fields begin.
    let definitionAt: Int
    var fieldsAt: Int
    var isWithdrawal = false

    /// Nil when the head is cut off or impossible.
    init?(_ body: RawSpan, at offset: Int, isOptions: Bool, _ header: MessageHeader) {
        id = body.be16(at: offset)
        self.isOptions = isOptions
        let second = Int(body.be16(at: offset + 2))
        fieldCount = second
        definitionAt = offset + 2
        fieldsAt = offset + 4
        if !header.isNetFlow9, second == 0 {
            // All templates are withdrawn under the set's own number.
            guard id >= MessageHeader.dataSetMin || id == header.templateSet || id == header.optionsTemplateSet
            else { return nil }
            isWithdrawal = true
            return
        }
        guard id >= MessageHeader.dataSetMin, second > 0 || isOptions else { return nil }
        guard isOptions else { return }
        guard body.byteCount - offset >= 6 else { return nil }
        let third = Int(body.be16(at: offset + 4))
        fieldsAt = offset + 6
        if header.isNetFlow9 {
            //= RFC 3954 §6.1
            // Octets of the scopes' and of the options' specifications, four for each.
            guard second % 4 == 0, third % 4 == 0, second + third > 0 else { return nil }
            (scopeCount, fieldCount) = (second / 4, (second + third) / 4)
        } else {
            //= RFC 7011 §3.4.2.2
            guard third <= second else { return nil }
            scopeCount = third
        }
    }
}
