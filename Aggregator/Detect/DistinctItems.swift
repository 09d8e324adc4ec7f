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
    private(set) var list: [DistinctItem] = []
    private(set) var answered = 0

    enum Change { case added, becameAnswered, known, full }

    var count: Int { list.count }
    var unanswered: Int { list.count - answered }
    func contains(_ value: IPAddress) -> Bool {
        let index = lowerBound(value)
        return index < list.count && list[index].value == value
    }

    /// Adds `item` or, when its value is there, keeps the earlier time and remembers that it was answered.
    mutating func insert(_ item: DistinctItem, max itemsMax: Int) -> Change {
        let index = lowerBound(item.value)
        if index < list.count, list[index].value == item.value {
            list[index].time = min(list[index].time, item.time)
            guard item.isAnswered, !list[index].isAnswered else { return .known }
            list[index].isAnswered = true
            answered += 1
            return .becameAnswered
        }
        guard list.count < itemsMax else { return .full }
        list.insert(item, at: index)
        if item.isAnswered { answered += 1 }
        return .added
    }

    private func lowerBound(_ value: IPAddress) -> Int {
        var low = 0, high = list.count
        if let last = list.last, last.value < value { return high }
        while low < high {
            let middle = (low + high) / 2
            if list[middle].value < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(list.count)
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
        let count = try reader.nextCount()
        list.reserveCapacity(count)
        for _ in 0..<count {
            let value = IPAddress(high: try reader.next(), low: try reader.next())
            if let last = list.last, !(last.value < value) { throw .damaged }
            let item = DistinctItem(
                value: value, time: try reader.nextSigned(), isAnswered: try reader.nextBool(),
                octets: try reader.nextSmall(UInt32.self), weight: try reader.nextSmall(UInt32.self))
            list.append(item)
            if item.isAnswered { answered += 1 }
        }
    }
}

extension IPAddress {
    /// A port, or any other small number, as an item's value.
    init(port: UInt16) { self.init(high: 0, low: UInt64(port)) }
}
