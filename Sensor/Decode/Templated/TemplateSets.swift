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
                return result.lose(.badTemplate)
            }
            if head.isWithdrawal {
                //= RFC 7011 §8.4
                // Over UDP there are no withdrawals: one that was late would take away a template in use.
                result.withdrawalsIgnored += 1
                offset = head.fieldsAt
                continue
            }
            guard let end = fieldsEnd(head, body, message.header) else { return result.lose(.badTemplate) }
            learn(head, body.extracting(head.definitionAt..<end), &message, &result)
            if message.isRefused { return }
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
        if store.knows(head.id, definition, isOptions: head.isOptions, at: message.place) { return }
        let isNetFlow9 = message.header.isNetFlow9
        let fields = fields(
            of: head, definition.extracting((head.fieldsAt - head.definitionAt)..<definition.byteCount),
            isNetFlow9: isNetFlow9)
        // A record without octets would be in a set endlessly often.
        guard fields.contains(where: { $0.length > 0 }) else { return result.lose(.badTemplate) }
        let template = Template(
            definition: definition.copied(), isOptions: head.isOptions, fieldCount: head.fieldCount,
            body: head.isOptions
                ? .options(OptionsPlan(fields: fields, isNetFlow9: isNetFlow9)) : .flows(FlowPlan(fields: fields)))
        switch store.learn(head.id, template, key: message.header.key, message.origin, &message.place) {
        case .new: result.templatesLearned += 1
        case .replaced:
            result.templatesLearned += 1
            result.templatesReplaced += 1
        case .noRoom: result.lose(.templateLimit)
        case .noRoomForExporter:
            message.isRefused = true
            result.losses[.exporterLimit] = 1
        }
    }

    private func fields(of head: TemplateHead, _ definition: RawSpan, isNetFlow9: Bool) -> [FieldSpec] {
        var fields: [FieldSpec] = [], offset = 0
        for index in 0..<head.fieldCount {
            var field = FieldSpec(
                id: definition.be16(at: offset), length: definition.be16(at: offset + 2),
                isScope: index < head.scopeCount)
            offset += 4
            if !isNetFlow9, field.id & 0x8000 != 0 {
                field.id &= 0x7FFF
                field.enterprise = definition.be32(at: offset)
                offset += 4
            }
            fields.append(field)
        }
        return fields
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
