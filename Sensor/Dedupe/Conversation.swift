/// What is remembered of a conversation: who is canonical for it, and the latest stretch of time that its rows cover.
/// 40 octets.
///
/// While its part of a window is gone through, an entry is one row, linked to the one before it of the same
/// conversation; the last of them becomes what is remembered.
struct Conversation: BitwiseCopyable {
    /// `ConversationHash` of its 5-tuple.
    let hash: UInt64
    /// `.none` when the entry has been given up.
    var point: ObservationPoint
    private var end: Int64
    private var span: UInt32
    private var weight: Float
    private var sampling: Float
    /// Of a row of the part at hand its `link`, else `pending`.
    private var word: UInt32 = 0

    static let none = Conversation(
        hash: 0, Sighting(point: .none, start: 0, end: 0, weight: 0, sampling: 0, row: Sighting.noRow))

    @inline(__always)
    init(hash: UInt64, _ sighting: Sighting) {
        self.hash = hash
        point = sighting.point
        end = sighting.end
        span = UInt32(clamping: sighting.end &- sighting.start)
        weight = sighting.weight
        sampling = sighting.sampling
    }
    /// Depends on both of the cache lines that it may lie in.
    var ends: UInt64 { hash ^ UInt64(word) }

    /// An observer that is still to be told to the canonical observer's next row; 0 for none.
    var pending: UInt32 {
        @inline(__always) get { word }
        @inline(__always) set { word = newValue }
    }
    var link: RowLink {
        @inline(__always) get { RowLink(bits: word) }
        @inline(__always) set { word = newValue.bits }
    }

    /// As a sighting of `row`.
    @inline(__always)
    func sighting(_ row: UInt32) -> Sighting {
        Sighting(point: point, start: end &- Int64(span), end: end, weight: weight, sampling: sampling, row: row)
    }
    @inline(__always)
    mutating func cover(_ sighting: Sighting) {
        point = sighting.point
        end = sighting.end
        span = UInt32(clamping: sighting.end &- sighting.start)
        weight = sighting.weight
        sampling = sighting.sampling
    }
}

/// What a row of the part at hand knows of the others of its conversation.
struct RowLink: BitwiseCopyable {
    fileprivate(set) var bits: UInt32 = 0
    private static let superseded: UInt32 = 1 << 31, before: UInt32 = 1 << 30

    static let none = RowLink()

    /// A later row is linked to this one.
    var isSuperseded: Bool {
        @inline(__always) get { bits & Self.superseded != 0 }
        @inline(__always) set { bits = newValue ? bits | Self.superseded : bits & ~Self.superseded }
    }
    /// Not linked to anything earlier.
    var isFirst: Bool {
        @inline(__always) get { bits & ~Self.superseded == 0 }
    }
    /// The place of the earlier row in the part; nil when there is none.
    var row: Int? {
        @inline(__always) get {
            let number = bits & ~Self.superseded
            return number == 0 || number & Self.before != 0 ? nil : Int(number) &- 1
        }
        @inline(__always) set { set(newValue, 0) }
    }
    /// The number of what was remembered from before the part; nil when there is no such thing.
    var memory: Int? {
        @inline(__always) get { bits & Self.before == 0 ? nil : Int(bits & (Self.before &- 1)) &- 1 }
        @inline(__always) set { set(newValue, Self.before) }
    }
    @inline(__always)
    private mutating func set(_ number: Int?, _ kind: UInt32) {
        bits &= Self.superseded
        if let number { bits |= kind | UInt32(truncatingIfNeeded: number &+ 1) & (Self.before &- 1) }
    }
}
