import FlowModel
import WireBytes

/// The fields of a template that no column holds: they go with each record as they came.
struct ExtraPlan: ~Copyable, Sendable {
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

    /// Of the fields with these `indices` those that `selection` includes, which may be none.
    init(_ indices: [Int], of fields: TemplateFields, _ selection: ExtraSelection, isReverse: Bool = false) {
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
        (self.fields, self.places, self.octets, self.runs, self.opposite) = (shape, places, octets, runs, opposite)
    }
    var isEmpty: Bool { runs.isEmpty }
    /// Octets from one entry to the next, when all have fixed lengths.
    var step: Int { Self.headerBytes + octets }
    /// The shape's number before an entry's values.
    static let headerBytes = 2
}

extension FlowColumns {
    /// Takes along the extra fields of `count` records of fixed length. Returns the first one's place, those of the
    /// others follow each `plan.step` behind; 0 when there is no room for all.
    mutating func addExtras(
        _ plan: borrowing ExtraPlan, _ count: Int, _ data: RawSpan, at start: Int, stride: Int
    ) -> UInt32 {
        guard let shape = extras.shape(plan.fields) else { return 0 }
        guard plan.runs.count == 1, !plan.opposite.exists else {
            return addManyExtras(plan, shape, count, data, at: start, stride: stride)
        }
        let run = plan.runs[0]
        return extras.add(octets: count &* plan.step) {
            $0.appendRuns(count, of: run.length, from: data, at: start + run.source, stride: stride, stamp: shape)
        }
    }
    /// The same for fields in several places, or one that turns.
    private mutating func addManyExtras(
        _ plan: borrowing ExtraPlan, _ shape: UInt16, _ count: Int, _ data: RawSpan, at start: Int, stride: Int
    ) -> UInt32 {
        let step = plan.step, opposite = plan.opposite, runs = plan.runs
        return extras.add(octets: count &* step) { entries in
            entries.append(repeating: 0, count: count &* step)
            var octets = entries.mutableSpan
            octets.copyRuns(
                count, of: runs[0].length, from: data, at: start + runs[0].source, stride: stride, to: 0, step: step,
                stamp: shape)
            for run in runs.dropFirst() {
                octets.copyRuns(
                    count, of: run.length, from: data, at: start + run.source, stride: stride, to: run.target,
                    step: step)
            }
            if opposite.exists { octets.turnDirection(at: opposite.offset) }
        }
    }

    /// The same for one record whose fields lie at `places`, one for each of the template's.
    mutating func addExtras(_ plan: borrowing ExtraPlan, _ data: RawSpan, _ places: [FieldPlace]) -> UInt32 {
        guard let shape = extras.shape(plan.fields) else { return 0 }
        let size = plan.places.reduce(2 * plan.fields.count) { $0 + places[$1.field].width }
        let fields = plan.fields, wherePlanned = plan.places, opposite = plan.opposite
        return extras.add(shape) { octets in
            octets.append(addingCapacity: size) { entry in
                for index in fields.indices {
                    let value = places[wherePlanned[index].field]
                    if fields[index].length == ExtraField.variableLength {
                        entry.append(UInt8(truncatingIfNeeded: value.width >> 8))
                        entry.append(UInt8(truncatingIfNeeded: value.width))
                    }
                    let turns = wherePlanned[index].field == opposite.field
                    for at in value.offset..<(value.offset + value.width) {
                        entry.append(turns ? data.u8(at: at).otherDirection : data.u8(at: at))
                    }
                }
            }
        }
    }
}

extension MutableSpan where Element == UInt8 {
    fileprivate mutating func turnDirection(at offset: Int) { self[offset] = self[offset].otherDirection }
}
extension UInt8 {
    /// biflowDirection seen from the other end: 1 the initiator is the source, 2 the destination; others stay.
    fileprivate var otherDirection: UInt8 { self == 1 || self == 2 ? 3 - self : self }
}
