/// Whose packets were seen first, where both directions of a conversation are in one batch: for records whose flags
/// don't tell who began.
///
/// Method: records of one exporter with each other's addresses and ports are one conversation; the direction whose
/// first record began earlier is the opener's. TCP counts when both began with a SYN (a record of a slice that was cut
/// out of the middle says nothing), other datagrams only where ports tell nothing: of a question and its answer that
/// were cut into slices either may begin first. Sampled records are left out, whose first packets were not seen.
/// Invariants: a function of the batch's records alone; a batch costs a bounded number of steps a record, whatever
/// addresses its sender chose.
import FlowModel

struct FirstSeen {
    private struct Conversation {
        /// The first record of it, whose direction is "there".
        let row: Int32
        var there: Int64, back = Int64.max
    }
    private var conversations: [Conversation] = []
    /// Places of conversations, plus one, by their hash; 0 is free.
    private var slots: [UInt32] = []
    /// By row less the first: its conversation's place plus one, negative for the direction back; 0 for none.
    private var placeOfRow: [Int32] = []
    private let firstRow: Int

    /// Slots that are looked at before a conversation is given up.
    private static let probesMax = 8

    /// Of some rows of a batch.
    init(_ columns: borrowing FlowColumns, rows: Range<Int>) {
        firstRow = rows.lowerBound
        for row in rows where Self.isCandidate(columns, row) {
            if slots.isEmpty { makeRoom(for: rows) }
            add(columns, row)
        }
    }
    private mutating func makeRoom(for rows: Range<Int>) {
        placeOfRow = [Int32](repeating: 0, count: rows.count)
        var size = 64
        while size < 2 * rows.count { size *= 2 }  // ends: doubles
        slots = [UInt32](repeating: 0, count: size)
    }

    @inline(__always)
    func initiator(row: Int) -> Initiator {
        guard !placeOfRow.isEmpty else { return .unknown }
        let place = placeOfRow[row - firstRow]
        guard place != 0 else { return .unknown }
        let known = conversations[Int(abs(place)) - 1]
        guard known.back != .max, known.there != known.back else { return .unknown }
        return (known.there < known.back) == (place > 0) ? .source : .destination
    }

    /// Worth a look: it may tell something, of itself or of the other direction's record.
    @inline(__always)
    private static func isCandidate(_ columns: borrowing FlowColumns, _ row: Int) -> Bool {
        let transport = columns.protocolIdentifier[row]
        if transport == Bit.tcp {
            guard columns.tcpControlBits[row] & Bit.syn != 0 else { return false }
        } else {
            guard transport == Bit.udp,
                PortKind(columns.sourceTransportPort[row]) == PortKind(columns.destinationTransportPort[row])
            else { return false }
        }
        return columns.flags[row] & unfit == 0 && columns.samplingInterval[row] <= 1
            && columns.sourceTransportPort[row] != 0 && columns.destinationTransportPort[row] != 0
    }
    private static let unfit = Bit.observedElsewhere | Bit.portsSummed | Bit.timesEstimated | Bit.denied

    private mutating func add(_ columns: borrowing FlowColumns, _ row: Int) {
        let start = columns.flowStartMilliseconds[row], mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: Self.hash(columns, row)) & mask
        for _ in 0..<Self.probesMax {
            guard slots[slot] != 0 else {
                conversations.append(Conversation(row: Int32(truncatingIfNeeded: row), there: start))
                slots[slot] = UInt32(conversations.count)
                placeOfRow[row - firstRow] = Int32(conversations.count)
                return
            }
            let place = Int(slots[slot]) - 1
            switch Self.direction(columns, row, beside: Int(conversations[place].row)) {
            case .source:
                conversations[place].there = min(conversations[place].there, start)
                placeOfRow[row - firstRow] = Int32(place + 1)
                return
            case .destination:
                conversations[place].back = min(conversations[place].back, start)
                placeOfRow[row - firstRow] = -Int32(place + 1)
                return
            case .unknown: slot = (slot + 1) & mask
            }
        }
    }

    /// `source`: in the other's direction; `destination`: in the opposite one; `unknown`: another conversation.
    @inline(__always)
    private static func direction(_ columns: borrowing FlowColumns, _ row: Int, beside other: Int) -> Initiator {
        guard columns.protocolIdentifier[row] == columns.protocolIdentifier[other],
            columns.exporter[row] == columns.exporter[other]
        else { return .unknown }
        let ports = (columns.sourceTransportPort[row], columns.destinationTransportPort[row])
        if ports == (columns.sourceTransportPort[other], columns.destinationTransportPort[other]),
            columns.sourceLow[row] == columns.sourceLow[other], columns.sourceHigh[row] == columns.sourceHigh[other],
            columns.destinationLow[row] == columns.destinationLow[other],
            columns.destinationHigh[row] == columns.destinationHigh[other]
        {
            return .source
        }
        let isTurned =
            ports == (columns.destinationTransportPort[other], columns.sourceTransportPort[other])
            && columns.sourceLow[row] == columns.destinationLow[other]
            && columns.sourceHigh[row] == columns.destinationHigh[other]
            && columns.destinationLow[row] == columns.sourceLow[other]
            && columns.destinationHigh[row] == columns.sourceHigh[other]
        return isTurned ? .destination : .unknown
    }

    /// The same for both directions.
    @inline(__always)
    private static func hash(_ columns: borrowing FlowColumns, _ row: Int) -> UInt64 {
        func end(_ high: UInt64, _ low: UInt64, _ port: UInt16) -> UInt64 {
            let product = (high ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(
                by: low ^ UInt64(port) &* 0xBF58_476D_1CE4_E5B9 ^ 0x94D0_49BB_1331_11EB)
            return product.high ^ product.low
        }
        let sum =
            end(columns.sourceHigh[row], columns.sourceLow[row], columns.sourceTransportPort[row])
            &+ end(columns.destinationHigh[row], columns.destinationLow[row], columns.destinationTransportPort[row])
        return sum ^ (sum >> 32)
    }
}
