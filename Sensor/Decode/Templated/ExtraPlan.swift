import FlowModel
import WireBytes

/// The fields of a template that no column holds: they go with each record as they came.
final class ExtraPlan: Sendable {
    let fields: [ExtraField]
    let places: [FieldPlace]
    /// Octets of all values together, when all have fixed lengths.
    let octets: Int
    /// Neighbouring fields are copied as one.
    let runs: [Run]
    /// For the reverse side of a biflow: biflowDirection, which is the opposite there.
    let opposite: FieldPlace

    struct Run: Equatable, Sendable {
        /// Counted from the record's first octet, and from the entry's.
        var source: Int, target: Int
        var length: Int
    }

    /// nil when `selection` includes none of the fields with these `indices`.
    init?(_ indices: [Int], of fields: TemplateFields, _ selection: ExtraSelection, isReverse: Bool = false) {
        var shape: [ExtraField] = [], places: [FieldPlace] = [], runs: [Run] = [], octets = 0
        var opposite = FieldPlace.none
        for index in indices {
            let spec = fields.specs[index], place = fields.places[index]
            let key = isReverse ? Element.forward(of: spec.key) ?? spec.key : spec.key
            guard selection.includes(key) else { continue }
            if isReverse, spec.key == ElementKey(id: Element.biflowDirection), spec.length == 1 {
                opposite = FieldPlace(offset: Self.headerBytes + octets, width: 1, field: index)
            }
            shape.append(ExtraField(key, length: spec.length))
            places.append(place)
            let target = Self.headerBytes + octets
            if let last = runs.last, last.source + last.length == place.offset {
                runs[runs.count - 1].length += place.width
            } else {
                runs.append(Run(source: place.offset, target: target, length: place.width))
            }
            octets += place.width
        }
        guard !shape.isEmpty else { return nil }
        (self.fields, self.places, self.octets, self.runs, self.opposite) = (shape, places, octets, runs, opposite)
    }
    /// The shape's number before an entry's values.
    static let headerBytes = 2
}

extension FlowColumns {
    /// Takes along the extra fields of records of fixed length. Returns how many rows go without.
    mutating func addExtras(
        _ plan: ExtraPlan, _ rows: Range<Int>, _ data: RawSpan, at start: Int, stride: Int
    ) -> Int {
        guard !rows.isEmpty else { return 0 }
        let step = ExtraPlan.headerBytes + plan.octets
        guard let shape = extras.shape(plan.fields) else { return rows.count }
        let first = extras.add(count: rows.count, valueOctets: plan.octets) { octets, entries in
            octets.copyRuns(
                rows.count, of: plan.runs[0].length, from: data, at: start + plan.runs[0].source, stride: stride,
                to: entries, step: step, stamp: shape)
            for index in plan.runs.indices.dropFirst() {
                let run = plan.runs[index]
                octets.copyRuns(
                    rows.count, of: run.length, from: data, at: start + run.source, stride: stride,
                    to: entries + run.target, step: step)
            }
            if plan.opposite.exists { octets.turnDirection(at: entries + plan.opposite.offset) }
        }
        guard let entries = first else { return rows.count }
        var places = extra.mutableSpan
        places.count(rows, from: UInt32(truncatingIfNeeded: entries) &+ 1, by: UInt32(truncatingIfNeeded: step))
        return 0
    }

    /// The same for one record whose fields lie at `places`, one for each of the template's.
    mutating func addExtras(_ plan: ExtraPlan, _ row: Int, _ data: RawSpan, _ places: [FieldPlace]) -> Int {
        guard let shape = extras.shape(plan.fields) else { return 1 }
        let size = plan.places.reduce(2 * plan.fields.count) { $0 + places[$1.field].width }
        let place = extras.add(shape) { octets in
            octets.append(addingCapacity: size) { entry in
                for index in plan.fields.indices {
                    let value = places[plan.places[index].field]
                    if plan.fields[index].length == ExtraField.variableLength {
                        entry.append(UInt8(truncatingIfNeeded: value.width >> 8))
                        entry.append(UInt8(truncatingIfNeeded: value.width))
                    }
                    let turns = plan.places[index].field == plan.opposite.field
                    for at in value.offset..<(value.offset + value.width) {
                        entry.append(turns ? data.u8(at: at).otherDirection : data.u8(at: at))
                    }
                }
            }
        }
        extra[row] = place
        return place == 0 ? 1 : 0
    }
}

extension MutableSpan where Element == UInt8 {
    fileprivate mutating func turnDirection(at offset: Int) { self[offset] = self[offset].otherDirection }
}
extension UInt8 {
    /// biflowDirection seen from the other end: 1 the initiator is the source, 2 the destination; others stay.
    fileprivate var otherDirection: UInt8 { self == 1 || self == 2 ? 3 - self : self }
}
