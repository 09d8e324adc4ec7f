/// What happens to datagrams on the way: lost, doubled, changed, overtaken, by seed.
struct Network: Sendable {
    private static let lateShare = 0.1
    private let knobs: SimulationKnobs
    private var dice: Dice
    /// Datagrams that are late, at most `knobs.reorder`, each with how many more it lets go before it.
    private var late: [(batch: DatagramBatch, places: Int)] = []
    private(set) var lost = DatagramTally(), lostDatagrams: UInt64 = 0
    private(set) var doubled = DatagramTally(), doubledDatagrams: UInt64 = 0
    private(set) var corruptDatagrams: UInt64 = 0, lateDatagrams: UInt64 = 0

    init(_ knobs: SimulationKnobs, dice: Dice) {
        (self.knobs, self.dice) = (knobs, dice)
    }
    var isPerfect: Bool {
        knobs.loss == 0 && knobs.duplicates == 0 && knobs.corrupt == 0 && knobs.reorder == 0
    }

    /// Lets the datagrams of `sent` pass to `received`.
    mutating func pass(_ sent: DatagramBatch, to received: inout DatagramBatch) {
        for item in sent.items {
            if dice.happens(knobs.loss) {
                lost += item.tally
                lostDatagrams += 1
            } else if knobs.reorder > 0, late.count < knobs.reorder, dice.happens(Self.lateShare) {
                var alone = DatagramBatch()
                alone.append(item, of: sent)
                // One more, since the turn below counts this one, too.
                late.append((alone, 2 + dice.below(knobs.reorder)))
                lateDatagrams += 1
            } else {
                deliver(item, of: sent, to: &received)
            }
            if !late.isEmpty { releaseLate(to: &received) }
        }
    }
    /// Lets the late ones arrive.
    mutating func finish(to received: inout DatagramBatch) {
        for (batch, _) in late { for item in batch.items { deliver(item, of: batch, to: &received) } }
        late = []
    }

    private mutating func releaseLate(to received: inout DatagramBatch) {
        for index in late.indices { late[index].places -= 1 }
        let due = late.filter { $0.places <= 0 }
        guard !due.isEmpty else { return }
        late.removeAll { $0.places <= 0 }
        for (batch, _) in due { for item in batch.items { deliver(item, of: batch, to: &received) } }
    }
    private mutating func deliver(
        _ item: DatagramBatch.Item, of batch: DatagramBatch, to received: inout DatagramBatch
    ) {
        received.append(item, of: batch)
        if dice.happens(knobs.corrupt), let range = received.items.last?.range, !range.isEmpty {
            received.bytes[range.lowerBound + dice.below(range.count)] ^= UInt8(1 + dice.below(255))
            corruptDatagrams += 1
        }
        guard dice.happens(knobs.duplicates) else { return }
        received.append(item, of: batch)
        doubled += item.tally
        doubledDatagrams += 1
    }
}
