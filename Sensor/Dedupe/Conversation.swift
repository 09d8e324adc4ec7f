/// What is remembered of a conversation: who is canonical for it, and the latest stretch of time that its rows cover.
/// 48 octets.
struct Conversation: BitwiseCopyable {
    /// `ConversationHash` of its 5-tuple.
    var hash: UInt64
    /// `.none` when the entry has been given up.
    var point: ObservationPoint
    private var end: Int64
    private var span: UInt32
    private var weight: Float
    private var sampling: Float
    /// Its first row in the part at hand, `Sighting.noRow` when it was known before.
    var row: UInt32
    /// 1 + the number of the last of its further rows in the part at hand, 0 for none.
    var chain: UInt32 = 0
    /// An observer that is still to be told to the canonical observer's next row; 0 for none.
    var pending: UInt32 = 0

    static let none = Conversation(
        hash: 0,
        Sighting(point: .none, start: 0, end: 0, weight: 0, sampling: 0, row: Sighting.noRow))

    @inline(__always)
    init(hash: UInt64, _ sighting: Sighting) {
        self.hash = hash
        point = sighting.point
        end = sighting.end
        span = UInt32(clamping: sighting.end - sighting.start)
        weight = sighting.weight
        sampling = sighting.sampling
        row = sighting.row
    }
    /// Depends on both of the cache lines that it may lie in.
    var ends: UInt64 { hash ^ UInt64(pending) }

    var coverage: Sighting {
        @inline(__always) get {
            Sighting(
                point: point, start: end - Int64(span), end: end, weight: weight, sampling: sampling, row: row)
        }
        @inline(__always) set {
            point = newValue.point
            end = newValue.end
            span = UInt32(clamping: newValue.end - newValue.start)
            weight = newValue.weight
            sampling = newValue.sampling
        }
    }
}

/// A further row of a conversation, with what it says: its columns are at hand when it is found, and not later.
struct FurtherRow: BitwiseCopyable {
    let sighting: Sighting
    /// Of the conversation's entry.
    let sequence: UInt32
    /// 1 + the number of the one before it, 0 for none.
    let next: UInt32
}
