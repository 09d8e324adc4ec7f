/// From ports and addresses to the rules that ask for them.
///
/// Invariants: list 0 is empty; a list's rules rise; segments of addresses rise and leave no gap.
import FilterLanguage
import FlowModel

struct RuleIndex: Sendable {
    /// Rules that must be run for every record.
    fileprivate(set) var always: [RuleCandidate] = []
    /// All lists, one behind the other, and where each begins.
    fileprivate(set) var candidates: [RuleCandidate] = []
    fileprivate var starts: [Int32] = [0, 0]
    /// A list for each port; empty when no rule asks for one.
    fileprivate var sourcePorts: [UInt16] = [], destinationPorts: [UInt16] = []
    /// The same for each transport.
    fileprivate var transports: [UInt16] = []
    fileprivate var sources = AddressIndex(), destinations = AddressIndex()

    var hasAddresses: Bool { !sources.isEmpty || !destinations.isEmpty }

    @inline(__always)
    func range(of list: UInt16) -> Range<Int> { Int(starts[Int(list)])..<Int(starts[Int(list) + 1]) }
    @inline(__always)
    func list(source: UInt16, destination: UInt16) -> (source: UInt16, destination: UInt16) {
        (
            sourcePorts.isEmpty ? 0 : sourcePorts[Int(source)],
            destinationPorts.isEmpty ? 0 : destinationPorts[Int(destination)]
        )
    }
    @inline(__always)
    func list(transport: UInt8) -> UInt16 { transports.isEmpty ? 0 : transports[Int(transport)] }
    @inline(__always) func list(source: IPAddress) -> UInt16 { sources.list(source) }
    @inline(__always) func list(destination: IPAddress) -> UInt16 { destinations.list(destination) }
}

struct AddressIndex: Sendable {
    /// Where each segment begins, and its list.
    fileprivate(set) var begins: [IPAddress] = []
    fileprivate var lists: [UInt16] = []
    /// One bit for the first 16 bits of an address, IPv4 and others: none of a rule's lie there where it is 0.
    fileprivate var sieveV4 = [UInt64](repeating: 0, count: 1_024), sieveV6 = [UInt64](repeating: 0, count: 1_024)

    var isEmpty: Bool { begins.isEmpty }

    @inline(__always)
    func list(_ address: IPAddress) -> UInt16 {
        guard !begins.isEmpty else { return 0 }
        let first = address.isV4 ? Int(address.v4 >> 16) : Int(address.high >> 48)
        let sieve = address.isV4 ? sieveV4[first >> 6] : sieveV6[first >> 6]
        guard sieve >> UInt64(first & 63) & 1 == 1 else { return 0 }
        return search(address)
    }
    private func search(_ address: IPAddress) -> UInt16 {
        var low = 0, high = begins.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if address < begins[middle] { high = middle } else { low = middle + 1 }
        }
        return low == 0 ? 0 : lists[low - 1]
    }
}

struct RuleIndexBuilder {
    private var index = RuleIndex()
    private var sourcePorts: [Int32: NumberSet] = [:], destinationPorts: [Int32: NumberSet] = [:]
    private var transports: [Int32: NumberSet] = [:]
    private var sources: [(Int32, ClosedRange<IPAddress>)] = [], destinations: [(Int32, ClosedRange<IPAddress>)] = []
    private var known: [[Int32]: UInt16] = [[]: 0]
    private var guards: [Int32: RuleGuard] = [:]
    private var always: Set<Int32> = []

    init() {}

    mutating func add(_ rule: Int32, _ path: AccessPath, _ guarding: RuleGuard) {
        guards[rule] = guarding
        guard let keys = path.keys else {
            always.insert(rule)
            return
        }
        for key in keys {
            switch key {
            case .sourcePort(let set): Self.join(&sourcePorts, rule, set)
            case .destinationPort(let set): Self.join(&destinationPorts, rule, set)
            case .transport(let set): Self.join(&transports, rule, set)
            case .source(let set): sources += set.ranges.map { (rule, $0) }
            case .destination(let set): destinations += set.ranges.map { (rule, $0) }
            }
        }
    }
    private static func join(_ ports: inout [Int32: NumberSet], _ rule: Int32, _ set: NumberSet) {
        ports[rule] = NumberSet((ports[rule]?.ranges ?? []) + set.ranges)
    }

    mutating func build() -> RuleIndex {
        index.sourcePorts = table(sourcePorts, last: 65_535)
        index.destinationPorts = table(destinationPorts, last: 65_535)
        index.transports = table(transports, last: 255)
        index.sources = addresses(sources)
        index.destinations = addresses(destinations)
        index.always = candidates(always.sorted())
        return index
    }

    private mutating func table(_ ports: [Int32: NumberSet], last: Int) -> [UInt16] {
        guard !ports.isEmpty else { return [] }
        var changes: [Int: [(rule: Int32, begins: Bool)]] = [:]
        for (rule, set) in ports {
            for range in set.ranges where range.lowerBound <= UInt64(last) {
                changes[Int(range.lowerBound), default: []].append((rule, true))
                changes[Int(min(range.upperBound, UInt64(last))) + 1, default: []].append((rule, false))
            }
        }
        var table = [UInt16](repeating: 0, count: last + 1), active: Set<Int32> = [], list: UInt16 = 0
        for port in 0...last {
            if let here = changes[port] {
                for change in here where !change.begins { active.remove(change.rule) }
                for change in here where change.begins { active.insert(change.rule) }
                list = number(of: active)
            }
            table[port] = list
        }
        return table
    }

    private mutating func addresses(_ ranges: [(Int32, ClosedRange<IPAddress>)]) -> AddressIndex {
        guard !ranges.isEmpty else { return AddressIndex() }
        var changes: [IPAddress: [(rule: Int32, step: Int)]] = [:], built = AddressIndex()
        for (rule, range) in ranges {
            changes[range.lowerBound, default: []].append((rule, 1))
            if let next = range.upperBound.successor { changes[next, default: []].append((rule, -1)) }
            built.admit(range)
        }
        var active: [Int32: Int] = [:]
        for (begin, here) in changes.sorted(by: { $0.key < $1.key }) {
            for change in here {
                let depth = (active[change.rule] ?? 0) + change.step
                active[change.rule] = depth == 0 ? nil : depth
            }
            built.begins.append(begin)
            built.lists.append(number(of: Set(active.keys)))
        }
        return built
    }

    /// The number of a list with these rules. When there are too many lists, the rules are run for every record.
    private mutating func number(of active: Set<Int32>) -> UInt16 {
        let list = active.sorted()
        if let number = known[list] { return number }
        guard known.count < Int(UInt16.max), index.candidates.count + list.count < 1 << 22 else {
            always.formUnion(list)
            return 0
        }
        let number = UInt16(known.count)
        known[list] = number
        index.candidates += candidates(list)
        index.starts.append(Int32(index.candidates.count))
        return number
    }
    private func candidates(_ rules: [Int32]) -> [RuleCandidate] {
        rules.map { RuleCandidate(rule: $0, guarding: guards[$0] ?? RuleGuard()) }
    }
}

extension AddressIndex {
    fileprivate mutating func admit(_ range: ClosedRange<IPAddress>) {
        let isV4 = range.lowerBound.isV4
        let lower = isV4 ? Int(range.lowerBound.v4 >> 16) : Int(range.lowerBound.high >> 48)
        let upper = isV4 ? Int(range.upperBound.v4 >> 16) : Int(range.upperBound.high >> 48)
        for first in lower...max(lower, upper) {
            if isV4 {
                sieveV4[first >> 6] |= 1 << UInt64(first & 63)
            } else {
                sieveV6[first >> 6] |= 1 << UInt64(first & 63)
            }
        }
    }
}

extension IPAddress {
    fileprivate var successor: IPAddress? {
        let (low, carries) = self.low.addingReportingOverflow(1)
        let (high, isOver) = self.high.addingReportingOverflow(carries ? 1 : 0)
        return isOver ? nil : IPAddress(high: high, low: low)
    }
}
