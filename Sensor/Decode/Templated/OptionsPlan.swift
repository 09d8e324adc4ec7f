package import FlowModel
import WireBytes

/// An options template: read record by record, for the few elements that later records depend on. Of one that has none
/// of them (names of interfaces, of applications …) the records are only counted.
final class OptionsPlan: Sendable {
    let fields: [FieldSpec]
    let shape: RecordShape
    /// What each field is for; nil for one that is passed over.
    fileprivate let uses: [Use?]
    fileprivate let scope: ScopeKind
    var isOfNoUse: Bool { uses.allSatisfy { $0 == nil } }

    /// Values that are read.
    fileprivate enum Use: Int, Sendable, CaseIterable {
        case interval, randomInterval, selector, sequence, interface, lineCard, systemInit, probability
        case packetInterval, packetSpace, timeInterval, timeSpace, size, population
    }
    fileprivate enum ScopeKind: Sendable { case system, domain, lineCard, interface }

    init(fields: [FieldSpec], isNetFlow9: Bool) {
        self.fields = fields
        shape = RecordShape(fields, weight: 2)  // what they say is looked up
        uses = fields.map { isNetFlow9 && $0.isScope ? Self.use(ofScope9: $0.id) : Self.use(of: $0) }
        scope = Self.scope(fields.filter(\.isScope), isNetFlow9: isNetFlow9)
    }

    //= RFC 3954 §6.1
    /// NetFlow v9 numbers its scopes by itself: 1 system, 2 interface, 3 line card, 4 cache, 5 template.
    private static func use(ofScope9 id: UInt16) -> Use? { id == 2 ? .interface : id == 3 ? .lineCard : nil }

    private static func use(of field: FieldSpec) -> Use? {
        guard field.enterprise == 0 else { return nil }
        switch field.id {
        case Element.samplingInterval: return .interval
        case Element.samplerRandomInterval: return .randomInterval
        case Element.flowSamplerID, Element.selectorID: return .selector
        case Element.selectionSequenceID: return .sequence
        case Element.ingressInterfaceID, Element.ingressPhysicalInterfaceID: return field.isScope ? .interface : nil
        case Element.lineCardID: return field.isScope ? .lineCard : nil
        case Element.systemInitTime: return .systemInit
        case Element.samplingProbability: return .probability
        case Element.packetInterval: return .packetInterval
        case Element.packetSpace: return .packetSpace
        case Element.timeInterval: return .timeInterval
        case Element.timeSpace: return .timeSpace
        case Element.samplingSize: return .size
        case Element.samplingPopulation: return .population
        default: return nil
        }
    }
    private static func scope(_ scopes: [FieldSpec], isNetFlow9: Bool) -> ScopeKind {
        if isNetFlow9 {
            let ids = scopes.map(\.id)
            return ids.contains(2) ? .interface : ids.contains(3) ? .lineCard : ids == [1] ? .system : .domain
        }
        let ids = scopes.filter { $0.enterprise == 0 }.map(\.id)
        if ids.contains(where: { $0 == Element.ingressInterfaceID || $0 == Element.ingressPhysicalInterfaceID }) {
            return .interface
        }
        if ids.contains(Element.lineCardID) { return .lineCard }
        // The exporter by its address or its process, and nothing narrower.
        return !ids.isEmpty && ids.allSatisfy { [130, 131, 144].contains($0) } ? .system : .domain
    }

    /// What one options record says that matters here.
    struct Statement {
        private var values = [UInt64](repeating: 0, count: Use.allCases.count)
        private var present: UInt32 = 0
        private var selectors: [UInt64] = []
        private let kind: ScopeKind

        init(_ plan: OptionsPlan) { kind = plan.scope }

        /// Forgets the record before.
        mutating func reset() {
            present = 0
            selectors.removeAll(keepingCapacity: true)
        }

        fileprivate mutating func read(_ use: Use, _ data: RawSpan, _ offset: Int, _ width: Int) {
            guard (1...8).contains(width) else { return }
            let value = data.beInteger(at: offset, width: width)
            if use == .selector, selectors.count < 8 { selectors.append(value) }
            guard present & 1 << UInt32(use.rawValue) == 0 else { return }
            present |= 1 << UInt32(use.rawValue)
            values[use.rawValue] = value
        }
        private func value(_ use: Use) -> UInt64? {
            present & 1 << UInt32(use.rawValue) != 0 ? values[use.rawValue] : nil
        }

        /// When the exporter started, in ms since 1970 UTC; 0 not said.
        var systemInitMilliseconds: Int64 { Int64(exactly: value(.systemInit) ?? 0) ?? 0 }

        //= RFC 5477 §8.2
        /// The sampling rate said, 0 for none.
        var interval: Float {
            for (first, second, form) in [
                (Use.packetInterval, Use.packetSpace, Form.intervalAndSpace),
                (.timeInterval, .timeSpace, .intervalAndSpace), (.size, .population, .sizeAndPopulation),
            ] {
                guard let a = value(first), let b = value(second) else { continue }
                let rate = SamplingRatio.rate(form, a, b)
                if rate > 0 { return rate }
            }
            if let probability = value(.probability).map({ Double(bitPattern: $0) }), probability > 0, probability <= 1
            {
                return Float(1 / probability)
            }
            for use in [Use.interval, .randomInterval] {
                if let value = value(use), value > 0 { return Float(value) }
            }
            return 0
        }
        /// Whose rate it is.
        var scope: SamplingRates.Scope {
            if let id = value(.selector) { return .selector(id) }
            switch kind {
            case .interface:
                guard let id = value(.interface), id != 0 else { return .domain }
                return .interface(UInt32(truncatingIfNeeded: id))
            case .lineCard: return value(.lineCard).map { .lineCard($0) } ?? .domain
            case .system: return .system
            case .domain: return .domain
            }
        }
        /// A report of which selectors a sequence has.
        var selectionSequence: (UInt64, [UInt64])? {
            guard let sequence = value(.sequence), !selectors.isEmpty, interval == 0 else { return nil }
            return (sequence, selectors)
        }
    }
}

extension DatagramDecoder {
    /// Reads the records of an options data set. Returns how many there were.
    mutating func learnOptions(
        _ whole: RawSpan, by plan: OptionsPlan, _ message: Message, _ result: inout DecodeResult
    ) -> Int {
        let data = begin(
            whole, plan.shape.recordLength, weight: plan.shape.recordWeight, isFixed: plan.shape.isFixed, &result)
        let records = readOptions(data, by: plan, message, &result)
        result.optionRecords += records
        charge(data, data.byteCount / plan.shape.recordLength, weight: plan.shape.recordWeight)
        return records
    }
    private mutating func readOptions(
        _ data: RawSpan, by plan: OptionsPlan, _ message: Message, _ result: inout DecodeResult
    ) -> Int {
        if plan.isOfNoUse, plan.shape.isFixed { return data.byteCount / plan.shape.recordLength }
        var offset = 0, records = 0
        var statement = OptionsPlan.Statement(plan)
        while data.byteCount - offset >= plan.shape.recordLength, records < work.records {  // ends: both bound it
            statement.reset()
            guard let end = plan.read(data, at: offset, into: &statement) else { return records }
            offset = end
            records += 1
            store.learn(statement, at: message.place)
            guard let exporter = result.exporter else { continue }
            switch samplings.learn(statement, of: exporter, now: message.origin.receiveMilliseconds) {
            case .new: result.ratesLearned += 1
            case .changed: result.ratesChanged += 1
            case .confirmed: result.ratesConfirmed += 1
            case .known, .noRoom: break
            }
        }
        return records
    }

    /// The sampling rate of rows that came before it was told, as known by now: of an exporter's records that name no
    /// sampler of their own. 0 when it still isn't known.
    package func lateSampling(for exporter: ExporterKey, ingressInterface: UInt32) -> Float {
        samplings.rate(for: exporter, ingressInterface: ingressInterface)
    }
}

extension OptionsPlan {
    /// Reads the record at `start`. Returns where it ends, nil when that is not within `data`.
    fileprivate func read(_ data: RawSpan, at start: Int, into statement: inout Statement) -> Int? {
        var offset = start
        for index in fields.indices {
            guard let value = variablePlace(of: fields[index].length, in: data, at: offset) else { return nil }
            if let use = uses[index] { statement.read(use, data, value.offset, value.width) }
            offset = value.offset + value.width
        }
        return offset
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
