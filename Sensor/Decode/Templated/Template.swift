import FlowModel
import WireBytes

/// A template as it is kept.
struct Template: Sendable {
    /// Its counts and fields as they came: whether two templates are the same is a comparison of octets.
    let definition: [UInt8]
    let isOptions: Bool
    /// Not heard of since a restart, the exporter's or this process's: to be used while nothing contradicts.
    var isOnProbation = false
    /// A data set was decoded with it.
    var hasServed = false
    /// When it was sent or used last, in ms since 1970 UTC; to the second.
    var lastUsedMilliseconds: Int64
    /// Made when a data set first needs it.
    var plan: TemplatePlan?

    /// What it takes in memory, in octets: with the array's head, the allocator's share and its place in its stream.
    var cost: Int { Self.cost(ofDefinition: definition.count) }
    static func cost(ofDefinition octets: Int) -> Int { octets + 160 }
}

/// A template's layout, ready to be applied. Objects, so that a data set costs one reference count and no copy.
enum TemplatePlan: Sendable {
    case flows(FlowPlan)
    case options(OptionsPlan)

    var shape: RecordShape {
        switch self {
        case .flows(let plan): plan.shape
        case .options(let plan): plan.shape
        }
    }
}

/// How records follow one another in a set.
struct RecordShape: Sendable {
    /// Octets of one record; with variable-length fields the least that one can have. At least 1.
    let recordLength: Int
    /// How many plain records one costs.
    let recordWeight: Int
    /// The length of each field when some are variable; empty otherwise.
    let variableLengths: [UInt16]
    @inline(__always) var isFixed: Bool { variableLengths.isEmpty }

    /// - Parameter weight: of a record of fixed length; with variable lengths its fields are found one by one.
    init(_ fields: [FieldSpec], weight: Int) {
        let isVariable = fields.contains(where: \.isVariable)
        recordLength = max(fields.reduce(0) { $0 + ($1.isVariable ? 1 : Int($1.length)) }, 1)
        recordWeight = isVariable ? max(weight, 2) : weight
        variableLengths = isVariable ? fields.map(\.length) : []
    }

    /// Whether `data` can be records of this layout: whole ones, with at most three zeros behind the last. False is
    /// sure proof that it is not; true is none that it is.
    func fits(_ data: RawSpan) -> Bool {
        var rest = data.byteCount % recordLength
        if !isFixed {
            var offset = 0
            while data.byteCount - offset >= recordLength {  // ends: a record has at least 1 octet
                guard let end = end(ofRecordAt: offset, in: data) else { break }
                offset = end
            }
            rest = data.byteCount - offset
        }
        return rest <= 3 && isZero(data, from: data.byteCount - rest)
    }
    private func end(ofRecordAt start: Int, in data: RawSpan) -> Int? {
        var offset = start
        for length in variableLengths {
            guard let place = variablePlace(of: length, in: data, at: offset) else { return nil }
            offset = place.offset + place.width
        }
        return offset
    }
}

/// The octets of a template between its number and its end.
enum TemplateDefinition {
    /// The fields; nil when the octets are cut off, left over, or make no template.
    ///
    ///     NetFlow v9, IPFIX | field count :2 | fields |
    ///     NetFlow v9 options | octets of scopes :2 | octets of options :2 | fields |   RFC 3954 §6.1
    ///     IPFIX options      | field count :2 | scope count :2 | fields |              RFC 7011 §3.4.2.2
    static func fields(_ definition: RawSpan, isOptions: Bool, isNetFlow9: Bool) -> [FieldSpec]? {
        guard definition.byteCount >= (isOptions ? 4 : 2) else { return nil }
        var fieldCount = Int(definition.be16(at: 0))
        var scopeCount = 0
        var offset = 2
        if isOptions {
            scopeCount = Int(definition.be16(at: 2))
            offset = 4
            if isNetFlow9 { (scopeCount, fieldCount) = (fieldCount / 4, (fieldCount + scopeCount) / 4) }
        }
        var fields: [FieldSpec] = []
        for index in 0..<fieldCount {
            guard definition.byteCount - offset >= 4 else { return nil }
            var field = FieldSpec(
                id: definition.be16(at: offset), length: definition.be16(at: offset + 2),
                isScope: index < scopeCount)
            offset += 4
            //= RFC 7011 §3.2
            // The highest bit says that an enterprise number follows. NetFlow v9 has no enterprises.
            if !isNetFlow9, field.id & 0x8000 != 0 {
                guard definition.byteCount - offset >= 4 else { return nil }
                field.id &= 0x7FFF
                field.enterprise = definition.be32(at: offset)
                offset += 4
            }
            fields.append(field)
        }
        // A record without octets would be in a set endlessly often.
        guard offset == definition.byteCount, fields.contains(where: { $0.length > 0 }) else {
            return nil
        }
        return fields
    }
}

/// The plans of all layouts in use, each once: most exporters of one make send the same templates.
struct PlanShelf: Sendable {
    private struct Key: Hashable, Sendable {
        let definition: [UInt8], isOptions: Bool, isNetFlow9: Bool
    }
    private var plans: [Key: TemplatePlan] = [:]
    private var fieldsPlanned = 0
    private let fieldsMax: Int, extras: ExtraSelection

    init(fieldsMax: Int, extras: ExtraSelection) {
        (self.fieldsMax, self.extras) = (fieldsMax, extras)
    }

    /// Whether there is no room for one more layout, so that all must be dropped first.
    var isFull: Bool { fieldsPlanned >= fieldsMax }
    mutating func removeAll() {
        plans.removeAll()
        fieldsPlanned = 0
    }

    /// What working layouts out may cost a datagram, in units of one that is on the shelf; and what a new one costs.
    static let costMax = 24
    private static let costOfNew = 4, fieldsPerCost = 32

    /// - Parameter left: what it costs is taken off.
    mutating func plan(for template: Template, isNetFlow9: Bool, _ left: inout Int) -> TemplatePlan? {
        left -= 1
        let key = Key(
            definition: template.definition, isOptions: template.isOptions, isNetFlow9: isNetFlow9)
        if let known = plans[key] { return known }
        let fields = template.definition.withBytes {
            TemplateDefinition.fields($0, isOptions: template.isOptions, isNetFlow9: isNetFlow9)
        }
        guard let fields else { return nil }
        let plan: TemplatePlan =
            template.isOptions
            ? .options(OptionsPlan(fields: fields, isNetFlow9: isNetFlow9))
            : .flows(FlowPlan(fields: fields, extras: extras))
        left -= Self.costOfNew - 1 + fields.count / Self.fieldsPerCost
        plans[key] = plan
        fieldsPlanned += fields.count
        return plan
    }
}
