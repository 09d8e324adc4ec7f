internal import Delivery

/// The bodies that came last, for as long as nobody has answered for them: a sensor that keeps up sends what it still
/// has in memory, and the system may forget what it wrote. Pages that the kernel can use again at once cost a quarter
/// of fresh ones (Handbook, "Delivery").
struct RecentBodies {
    static let bytesMax = 4 << 20
    private var bodies: [BatchKey: [UInt8]] = [:]
    private var order: [BatchKey] = [], first = 0
    private var bytes = 0

    subscript(key: BatchKey) -> [UInt8]? { bodies[key] }

    mutating func add(_ body: [UInt8], as key: BatchKey) {
        guard body.count <= Self.bytesMax, bodies.updateValue(body, forKey: key) == nil else { return }
        order.append(key)
        bytes += body.count
        // Ends: each turn passes one; those that were answered are passed as well, so the list stays short.
        while first < order.count, bytes > Self.bytesMax || bodies[order[first]] == nil {
            remove(order[first])
            first += 1
        }
        if first > 64, first > order.count / 2 {
            order.removeFirst(first)
            first = 0
        }
    }
    mutating func remove(_ key: BatchKey) {
        if let body = bodies.removeValue(forKey: key) { bytes -= body.count }
    }
}
