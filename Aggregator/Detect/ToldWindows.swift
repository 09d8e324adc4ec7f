/// What was said of entries that a table has dropped since: late records may begin their windows anew.
///
/// Invariants: at most `keysMax`, of more the first go; which they are depends on the order of the log only. A window
/// that begins anew goes on with its updates, and is told again only when it is more than was said: one id is never
/// two findings, nor does a later word count less than an earlier one.
struct ToldWindows: Sendable {
    private var announcements: [WindowKey: Announcement] = [:]
    /// The same keys, in the order of their coming.
    private var order: [WindowKey] = []

    static let keysMax = 1_024

    /// Takes in what is dropped at once; of its keys none may be there.
    mutating func add(_ said: [(key: WindowKey, announcement: Announcement)]) {
        for one in said.suffix(Self.keysMax) {
            announcements[one.key] = one.announcement
            order.append(one.key)
        }
        let surplus = max(order.count - Self.keysMax, 0)
        for key in order.prefix(surplus) { announcements[key] = nil }
        order.removeFirst(surplus)
    }
    @inline(__always)
    mutating func take(_ key: WindowKey) -> Announcement? {
        announcements.isEmpty ? nil : taken(key)
    }
    private mutating func taken(_ key: WindowKey) -> Announcement? {
        guard let announcement = announcements.removeValue(forKey: key) else { return nil }
        order.removeAll { $0 == key }
        return announcement
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(order.count)
        for key in order {
            key.save(to: &writer)
            announcements[key]?.save(to: &writer)
        }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) {
            let key = try WindowKey(from: &reader)
            guard announcements[key] == nil, announcements.count < Self.keysMax else { throw .damaged }
            add([(key, try Announcement(from: &reader))])
        }
    }
}
