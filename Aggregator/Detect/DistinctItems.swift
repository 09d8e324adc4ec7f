/// A bounded set of distinct things (ports, hosts, sessions) with the event time each was first seen.
///
/// Sorted by value, so lookups are binary searches, evidence lists come in order and equal sets are equal bytes.
import FlowModel

struct DistinctItem {
    /// A host, or a port in the low word.
    var value: IPAddress
    /// Earliest event time, in ms.
    var time: Int64
    /// The contact was answered, or the answer had been asked for.
    var isAnswered: Bool
    /// Octets of one session; how many sessions the item stands for. Only password guessing uses these.
    var octets: UInt32 = 0, weight: UInt32 = 1
}

struct DistinctItems: Sendable {
    /// The only item: most sets never have a second, and then need no memory of their own.
    private var lone: DistinctItem?
    /// All, once there were two.
    private var many: [DistinctItem] = []
    private(set) var answered = 0

    /// By value, rising.
    var list: [DistinctItem] { lone.map { [$0] } ?? many }

    enum Change { case added, becameAnswered, known, full }

    var count: Int { lone == nil ? many.count : 1 }
    var unanswered: Int { count - answered }
    func contains(_ value: IPAddress) -> Bool {
        if let lone { return lone.value == value }
        let index = lowerBound(value)
        return index < many.count && many[index].value == value
    }

    /// Adds `item` or, when its value is there, keeps the earlier time and remembers that it was answered.
    mutating func insert(_ item: DistinctItem, max itemsMax: Int) -> Change {
        if var only = lone {
            if only.value == item.value {
                let change = only.merge(item)
                lone = only
                if change == .becameAnswered { answered += 1 }
                return change
            }
            guard itemsMax > 1 else { return .full }
            many = [only]
            lone = nil
        } else if many.isEmpty {
            guard itemsMax > 0 else { return .full }
            lone = item
            if item.isAnswered { answered += 1 }
            return .added
        }
        return insertAmongMany(item, max: itemsMax)
    }
    private mutating func insertAmongMany(_ item: DistinctItem, max itemsMax: Int) -> Change {
        let index = lowerBound(item.value)
        if index < many.count, many[index].value == item.value {
            let change = many[index].merge(item)
            if change == .becameAnswered { answered += 1 }
            return change
        }
        guard many.count < itemsMax else { return .full }
        many.insert(item, at: index)
        if item.isAnswered { answered += 1 }
        return .added
    }

    private func lowerBound(_ value: IPAddress) -> Int {
        var low = 0, high = many.count
        if let last = many.last, last.value < value { return high }
        while low < high {
            let middle = (low + high) / 2
            if many[middle].value < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(count)
        for item in list {
            writer.add(item.value.high)
            writer.add(item.value.low)
            writer.add(item.time)
            writer.add(item.isAnswered)
            writer.add(UInt64(item.octets))
            writer.add(UInt64(item.weight))
        }
    }
    init() {}
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) {
            let value = IPAddress(high: try reader.next(), low: try reader.next())
            if let last = lone ?? many.last, !(last.value < value) { throw .damaged }
            let item = DistinctItem(
                value: value, time: try reader.nextSigned(), isAnswered: try reader.nextBool(),
                octets: try reader.nextSmall(UInt32.self), weight: try reader.nextSmall(UInt32.self))
            _ = insert(item, max: .max)
        }
    }
}

extension DistinctItem {
    /// Takes over what another of the same value says: the earlier time, and that it was answered.
    fileprivate mutating func merge(_ other: DistinctItem) -> DistinctItems.Change {
        time = min(time, other.time)
        guard other.isAnswered, !isAnswered else { return .known }
        isAnswered = true
        return .becameAnswered
    }
}

extension IPAddress {
    /// A port, or any other small number, as an item's value.
    init(port: UInt16) { self.init(high: 0, low: UInt64(port)) }
}
