/// The last batches that became durable, as they are in the file, so that who follows the log need not have them read
/// and copied out of it. Bounded: the oldest make room. A value, kept behind a lock.
struct RecentBatches {
    private let bytesMax: Int
    /// By offset: every durable batch after `floor`, up to `last`, which follow one another.
    private var batches: [Int64: LogAppend] = [:]
    private var floor: Int64, last: Int64, bytes = 0

    /// - Parameter head: the largest durable offset: what came before is in the file only.
    init(bytesMax: Int, head: Int64) { (self.bytesMax, floor, last) = (bytesMax, head, head) }

    /// Takes the next batch that is durable.
    /// - Parameter batch: its body as it is in the file.
    mutating func note(_ batch: LogAppend, at offset: Int64) {
        // A new log's first offset follows nothing.
        if offset != last + 1 { self = RecentBatches(bytesMax: bytesMax, head: offset - 1) }
        last = offset
        batches[offset] = batch
        bytes += Self.cost(batch)
        while bytes > bytesMax, floor < last { dropFirst() }  // ends: each turn drops one
    }
    /// Lets go of what the file gives up, too: from now on the file is asked about it.
    mutating func trim(through offset: Int64) {
        while floor < min(offset, last) { dropFirst() }  // ends: each turn drops one
    }
    private mutating func dropFirst() {
        floor += 1
        if let dropped = batches.removeValue(forKey: floor) { bytes -= Self.cost(dropped) }
    }
    /// With what surrounds a body, so that many small ones are not many.
    private static func cost(_ batch: LogAppend) -> Int { batch.body.count + 256 }

    /// As `FlowLog.read`, with bodies as they are in the file; nil when the file has to be asked.
    func read(after offset: Int64, limit: Int, bytesMax: Int) -> [(offset: Int64, batch: LogAppend)]? {
        guard offset >= floor else { return nil }
        var found: [(offset: Int64, batch: LogAppend)] = [], bytes = 0, next = offset
        while found.count < limit, next < last {  // ends: `next` grows
            next += 1
            guard let batch = batches[next] else { return nil }
            bytes += batch.body.count
            guard found.isEmpty || bytes <= bytesMax else { break }
            found.append((next, batch))
        }
        return found
    }
}
