/// Which batches were taken in, and what each sensor has sent in all, where the log itself does not know it for ever: a
/// stream forgets a key after its window. A value: whoever owns a group saves it with the detectors' states, so that
/// after a replay the two agree.
///
/// Invariants: a key is new once; an epoch's sequences are a few ranges, since they count without gaps. Bodies' digests
/// are not here: beyond the stream's window a key again is a repeat, whatever its bytes.
internal import Delivery
internal import FlowModel
internal import Foundation
package import Identity

package struct KeyIndex: Equatable, Sendable {
    private struct Book: Equatable, Codable {
        /// By epoch: sequences from the first to the second, inclusive, rising and apart.
        var epochs: [String: [[UInt64]]] = [:]
        /// Epochs, oldest first.
        var order: [String] = []
        var batches: UInt64 = 0, rows: UInt64 = 0, flows: UInt64 = 0, octets: UInt64 = 0, packets: UInt64 = 0
    }
    /// Of one sensor, which begins one at each start; the oldest beyond it is forgotten.
    package static let epochsMax = 4_096
    private var books: [String: Book] = [:]
    /// Epochs given up to make room.
    package private(set) var forgotten = 0

    package init() {}

    private static func name(_ sensor: SensorIdentity) -> String { "\(sensor.tenant)/\(sensor.site)/\(sensor.name)" }

    /// Notes a batch.
    /// - Returns: false when its key was noted before; then nothing has changed.
    package mutating func take(_ batch: LoggedBatch) -> Bool {
        let name = Self.name(batch.sensor), epoch = "\(batch.key.epoch)"
        var book = books.removeValue(forKey: name) ?? Book()
        defer { books[name] = book }
        if book.epochs[epoch] == nil {
            if book.order.count >= Self.epochsMax {
                book.epochs[book.order.removeFirst()] = nil
                forgotten += 1
            }
            book.order.append(epoch)
        }
        guard Self.insert(batch.key.sequence, into: &book.epochs[epoch, default: []]) else { return false }
        book.batches &+= 1
        book.rows &+= UInt64(clamping: batch.rows)
        book.flows &+= batch.tally.flows
        book.octets &+= batch.tally.octets
        book.packets &+= batch.tally.packets
        return true
    }

    /// - Returns: false when it is there.
    private static func insert(_ sequence: UInt64, into ranges: inout [[UInt64]]) -> Bool {
        // Newest last, and nearly all come there.
        var place = ranges.count
        while place > 0, ranges[place - 1][0] > sequence { place -= 1 }
        let touchesBefore: Bool
        if place > 0 {
            let end = ranges[place - 1][1]
            guard end < sequence else { return false }
            touchesBefore = end == sequence - 1
        } else {
            touchesBefore = false
        }
        let touchesAfter = place < ranges.count && sequence < .max && ranges[place][0] == sequence + 1
        switch (touchesBefore, touchesAfter) {
        case (true, true):
            ranges[place - 1][1] = ranges[place][1]
            ranges.remove(at: place)
        case (true, false): ranges[place - 1][1] = sequence
        case (false, true): ranges[place][0] = sequence
        case (false, false): ranges.insert([sequence, sequence], at: place)
        }
        return true
    }

    /// What every sensor of `tenant` has sent, by site and name.
    package func totals(of tenant: TenantID) -> [SensorTotal] {
        books.compactMap { name, book in
            let parts = name.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == tenant.rawValue else { return nil }
            var total = SensorTotal(
                sensor: SensorIdentity(tenant: tenant, site: String(parts[1]), name: String(parts[2])),
                batches: book.batches, rows: book.rows)
            (total.tally.flows, total.tally.octets, total.tally.packets) = (book.flows, book.octets, book.packets)
            return total
        }.sorted { ($0.sensor.site, $0.sensor.name) < ($1.sensor.site, $1.sensor.name) }
    }

    // MARK: Snapshots

    private struct Snapshot: Codable {
        var version = 1
        let books: [String: Book], forgotten: Int
    }
    package func snapshot() -> [UInt8] {
        let data = try? JSONEncoder().encode(Snapshot(books: books, forgotten: forgotten))
        return [UInt8](data ?? Data())
    }
    /// - Returns: nil for what is no snapshot, or one that is not sound.
    package init?(restoring snapshot: [UInt8]) {
        guard let read = try? JSONDecoder().decode(Snapshot.self, from: Data(snapshot)), read.version == 1,
            read.books.values.allSatisfy(Self.isSound)
        else { return nil }
        (books, forgotten) = (read.books, read.forgotten)
    }
    private static func isSound(_ book: Book) -> Bool {
        book.order.count == book.epochs.count && book.order.allSatisfy { book.epochs[$0] != nil }
            && book.epochs.values.allSatisfy { ranges in
                ranges.allSatisfy { $0.count == 2 && $0[0] <= $0[1] }
                    && zip(ranges, ranges.dropFirst()).allSatisfy { $0[1] < $1[0] }
            }
    }
}
