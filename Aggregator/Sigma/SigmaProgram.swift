/// Predicates as a list of steps, each a test with where to go next: no tree, no reference counting, no memory while
/// it runs.
///
/// Invariants: a step leads only to steps made before it, so every run ends; operands lie in `words`.
import FilterLanguage
import FlowModel

struct SigmaProgram: Sendable {
    struct Step: Sendable {
        enum Kind: UInt8, Sendable {
            /// A number below 65,536 by its bit; a number within one range; among ranges.
            case bit, range, ranges
            case address, addressText, sameAddress, sameNumber, timePart
        }
        var kind: Kind
        /// Those of the columns that the kind asks for.
        var number = NumberColumn.sourcePort, otherNumber = NumberColumn.sourcePort
        var address = AddressColumn.source, otherAddress = AddressColumn.source
        var part = TimePart.minute
        /// Where its operand begins in `words` (or which pattern), and of how many words it is.
        var operand: Int32 = 0, length: Int32 = 0
        /// The next step, or `accept` or `reject`.
        var onTrue: Int32 = 0, onFalse: Int32 = 0
    }
    static let accept: Int32 = -1, reject: Int32 = -2

    private(set) var steps: [Step] = []
    private(set) var words: [UInt64] = []
    private(set) var patterns: [TextPattern] = []
    private var operands: [SigmaTest: (Int32, Int32)] = [:]

    init() {}

    /// Adds a predicate, already folded.
    /// - Returns: where to begin.
    mutating func add(_ predicate: SigmaPredicate) -> Int32 {
        emit(predicate, onTrue: Self.accept, onFalse: Self.reject)
    }

    /// Whether the record of `sight` is accepted from `entry` on.
    @inline(__always)
    func run(_ entry: Int32, _ columns: borrowing FlowColumns, _ sight: inout RowSight) -> Bool {
        var at = entry
        while at >= 0 {
            let step = steps[Int(at)]
            at = holds(step, columns, &sight) ? step.onTrue : step.onFalse
        }
        return at == Self.accept
    }

    @inline(__always)
    private func holds(_ step: Step, _ columns: borrowing FlowColumns, _ sight: inout RowSight) -> Bool {
        switch step.kind {
        case .bit:
            let value = sight.number(step.number, columns)
            guard value < 65_536, Int32(value >> 6) < step.length else { return false }
            return words[Int(step.operand) + Int(value >> 6)] >> (value & 63) & 1 == 1
        case .range:
            let value = sight.number(step.number, columns)
            return words[Int(step.operand)] <= value && value <= words[Int(step.operand) + 1]
        case .ranges:
            return isAmong(sight.number(step.number, columns), step)
        case .address:
            return isAmong(sight.address(step.address, columns), step)
        default: return holdsRarer(step, columns, &sight)
        }
    }

    private func holdsRarer(_ step: Step, _ columns: borrowing FlowColumns, _ sight: inout RowSight) -> Bool {
        switch step.kind {
        case .addressText:
            let address = sight.address(step.address, columns)
            return !address.isAbsent && patterns[Int(step.operand)].matches(address)
        case .sameAddress:
            let address = sight.address(step.address, columns)
            return !address.isAbsent && address == sight.address(step.otherAddress, columns)
        case .sameNumber:
            let number = sight.number(step.number, columns)
            return number != NumberColumn.absent && number == sight.number(step.otherNumber, columns)
        case .timePart:
            let time = sight.number(step.number, columns)
            return time != NumberColumn.absent && isAmong(step.part.value(of: time), step)
        default: return false
        }
    }

    /// Ranges lie as lower, upper, lower, upper, rising.
    private func isAmong(_ value: UInt64, _ step: Step) -> Bool {
        var low = 0, high = Int(step.length) / 2
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if words[Int(step.operand) + 2 * middle + 1] < value { low = middle + 1 } else { high = middle }
        }
        return low < Int(step.length) / 2 && words[Int(step.operand) + 2 * low] <= value
    }
    private func isAmong(_ address: IPAddress, _ step: Step) -> Bool {
        let count = Int(step.length) / 4, base = Int(step.operand)
        var low = 0, high = count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2, at = base + 4 * middle
            if IPAddress(high: words[at + 2], low: words[at + 3]) < address { low = middle + 1 } else { high = middle }
        }
        guard low < count else { return false }
        return !(address < IPAddress(high: words[base + 4 * low], low: words[base + 4 * low + 1]))
    }
}

extension SigmaProgram {
    private mutating func emit(_ predicate: SigmaPredicate, onTrue: Int32, onFalse: Int32) -> Int32 {
        switch predicate {
        case .constant(let value): return value ? onTrue : onFalse
        case .not(let inner): return emit(inner, onTrue: onFalse, onFalse: onTrue)
        case .and(let members):
            // From the last to the first: each leads to the one that was made before it.
            return Self.cheapestFirst(members).reversed().reduce(onTrue) { next, member in
                emit(member, onTrue: next, onFalse: onFalse)
            }
        case .or(let members):
            return Self.cheapestFirst(members).reversed().reduce(onFalse) { next, member in
                emit(member, onTrue: onTrue, onFalse: next)
            }
        case .test(let test): return emit(test, onTrue: onTrue, onFalse: onFalse)
        }
    }

    /// In any order the result is the same.
    private static func cheapestFirst(_ members: [SigmaPredicate]) -> [SigmaPredicate] {
        members.enumerated().sorted { ($0.element.cost, $0.offset) < ($1.element.cost, $1.offset) }.map(\.element)
    }

    private mutating func emit(_ test: SigmaTest, onTrue: Int32, onFalse: Int32) -> Int32 {
        var step: Step
        switch test {
        case .number(let column, let set): step = Step(kind: Self.kind(of: set), number: column)
        case .address(let column, _): step = Step(kind: .address, address: column)
        case .addressText(let column, _): step = Step(kind: .addressText, address: column)
        case .sameAddress(let a, let b): step = Step(kind: .sameAddress, address: a, otherAddress: b)
        case .sameNumber(let a, let b): step = Step(kind: .sameNumber, number: a, otherNumber: b)
        case .timePart(let column, let part, _): step = Step(kind: .timePart, number: column, part: part)
        }
        (step.operand, step.length) = operand(of: test, step.kind)
        (step.onTrue, step.onFalse) = (onTrue, onFalse)
        steps.append(step)
        return Int32(steps.count - 1)
    }
    private static func kind(of set: NumberSet) -> Step.Kind {
        if set.ranges.count == 1 { return .range }
        return set.ranges.last.map { $0.upperBound < 65_536 } ?? false ? .bit : .ranges
    }

    private mutating func operand(of test: SigmaTest, _ kind: Step.Kind) -> (Int32, Int32) {
        if let known = operands[test] { return known }
        let start = Int32(words.count)
        switch test {
        case .number(_, let set) where kind == .bit: words += Self.bits(set)
        case .number(_, let set), .timePart(_, _, let set):
            for range in set.ranges { words += [range.lowerBound, range.upperBound] }
        case .address(_, let set):
            for range in set.ranges {
                words += [range.lowerBound.high, range.lowerBound.low, range.upperBound.high, range.upperBound.low]
            }
        case .addressText(_, let pattern):
            patterns.append(pattern)
            operands[test] = (Int32(patterns.count - 1), 0)
            return (Int32(patterns.count - 1), 0)
        case .sameAddress, .sameNumber: break
        }
        operands[test] = (start, Int32(words.count) - start)
        return (start, Int32(words.count) - start)
    }
    private static func bits(_ set: NumberSet) -> [UInt64] {
        let last = Int(set.ranges.last?.upperBound ?? 0)
        var words = [UInt64](repeating: 0, count: last >> 6 + 1)
        for range in set.ranges {
            for value in Int(range.lowerBound)...Int(range.upperBound) { words[value >> 6] |= 1 << UInt64(value & 63) }
        }
        return words
    }
}

extension SigmaPredicate {
    /// Roughly, in ns.
    fileprivate var cost: Int {
        switch self {
        case .constant: 0
        case .test(.number(let column, _)): column.isPlain ? 1 : 12
        case .test(.address(let column, _)): column == .source || column == .destination ? 5 : 14
        case .test(.addressText): 200
        case .test: 15
        case .not(let inner): inner.cost
        case .and(let members), .or(let members): members.reduce(1) { min($0 + $1.cost, 1 << 20) }
        }
    }
}

extension NumberColumn {
    /// Read from one column as it is.
    fileprivate var isPlain: Bool {
        switch self {
        case .sourcePort, .destinationPort, .transport, .octets, .packets, .refused, .controlBits: true
        default: false
        }
    }
}

extension TextPattern {
    /// Whether the address's text matches; without making a string for IPv4, which are most.
    func matches(_ address: IPAddress) -> Bool {
        guard address.isV4 else { return matches(address.description) }
        var digits = SIMD16<UInt8>(), count = 0
        for shift in [UInt32(24), 16, 8, 0] {
            let octet = UInt8(truncatingIfNeeded: address.v4 >> shift)
            if octet >= 100 { Self.put(0x30 + octet / 100, &digits, &count) }
            if octet >= 10 { Self.put(0x30 + octet / 10 % 10, &digits, &count) }
            Self.put(0x30 + octet % 10, &digits, &count)
            if shift > 0 { Self.put(UInt8(ascii: "."), &digits, &count) }
        }
        let text = digits
        return matches(count: count) { text[$0] }
    }
    private static func put(_ octet: UInt8, _ digits: inout SIMD16<UInt8>, _ count: inout Int) {
        digits[count] = octet
        count += 1
    }
}
