import FlowModel
import WireBytes

/// An options template: read record by record, for the few elements that later records depend on.
struct OptionsPlan: Sendable {
    let fields: [FieldSpec]
    /// The least that one record can have, at least 1 in a stored template.
    let recordLengthMin: Int
    let isNetFlow9: Bool

    init(fields: [FieldSpec], isNetFlow9: Bool) {
        self.fields = fields
        self.isNetFlow9 = isNetFlow9
        recordLengthMin = fields.reduce(0) { $0 + ($1.isVariable ? 1 : Int($1.length)) }
    }

    /// What one options record says that matters here.
    struct Statement {
        private(set) var values: [UInt16: UInt64] = [:]
        private(set) var interface: UInt32?
        /// When the exporter started, in ms since 1970 UTC; 0 not said.
        var systemInitMilliseconds: Int64 {
            Int64(exactly: values[Element.systemInitTime] ?? 0) ?? 0
        }

        /// Elements beside the rate itself: 48 and 302 name the sampler.
        private static let wanted: Set<UInt16> = [
            Element.samplingInterval, Element.flowSamplerID, Element.samplerRandomInterval, Element.selectorID,
            Element.packetInterval, Element.packetSpace, Element.samplingSize, Element.samplingPopulation,
            Element.systemInitTime,
        ]

        mutating func read(_ field: FieldSpec, _ data: RawSpan, _ offset: Int, _ width: Int, isNetFlow9: Bool) {
            guard field.enterprise == 0, (1...8).contains(width) else { return }
            let value = data.beInteger(at: offset, width: width)
            if field.isScope {
                // NetFlow v9 numbers its scopes by itself: 2 is the interface (RFC 3954 §6.1).
                let isInterface = isNetFlow9 ? field.id == 2 : field.id == Element.ingressInterfaceID
                if isInterface { interface = UInt32(truncatingIfNeeded: value) }
                if isNetFlow9 { return }
            }
            if Self.wanted.contains(field.id), values[field.id] == nil { values[field.id] = value }
        }

        /// The sampling rate said, 0 for none.
        var interval: Float {
            for (first, second, form) in [
                (Element.packetInterval, Element.packetSpace, Form.intervalAndSpace),
                (Element.samplingSize, Element.samplingPopulation, .sizeAndPopulation),
            ] {
                guard let a = values[first], let b = values[second] else { continue }
                let ratio = SamplingRates.ratio(form, a, b)
                if ratio > 0 { return ratio }
            }
            for id in [Element.samplingInterval, Element.samplerRandomInterval] {
                if let value = values[id], value > 0 { return Float(value) }
            }
            return 0
        }
        /// Whose rate it is.
        var scope: SamplingRates.Scope {
            if let id = values[Element.selectorID] ?? values[Element.flowSamplerID] { return .selector(id) }
            if let interface, interface != 0 { return .interface(interface) }
            return .domain
        }
    }
}

extension DatagramDecoder {
    /// Reads the records of an options data set. Returns how many there were.
    mutating func learnOptions(_ data: RawSpan, by plan: OptionsPlan, at place: TemplateStore.Place) -> Int {
        var offset = 0, records = 0
        while data.byteCount - offset >= plan.recordLengthMin {  // ends: a record has at least 1 octet
            var statement = OptionsPlan.Statement()
            for field in plan.fields {
                guard let value = variablePlace(of: field.length, in: data, at: offset) else { return records }
                statement.read(field, data, value.offset, value.width, isNetFlow9: plan.isNetFlow9)
                offset = value.offset + value.width
            }
            records += 1
            store.learn(statement, at: place)
        }
        return records
    }
}

//= RFC 7011 §7
/// Where the value of a field with the template's `length` begins and how long it is; nil when `data` ends before.
/// A variable length is one octet, or 255 and two more.
func variablePlace(of length: UInt16, in data: RawSpan, at offset: Int) -> (offset: Int, width: Int)? {
    var start = offset, width = Int(length)
    if length == FieldSpec.variableLength {
        guard data.byteCount - start >= 1 else { return nil }
        width = Int(data.u8(at: start))
        start += 1
        if width == 255 {
            guard data.byteCount - start >= 2 else { return nil }
            width = Int(data.be16(at: start))
            start += 2
        }
    }
    return data.byteCount - start >= width ? (start, width) : nil
}
