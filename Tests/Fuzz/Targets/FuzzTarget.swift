/// What a fuzzer feeds: one function of any octets for each reader of hostile input, with the invariants that must hold
/// whatever they are. A crash, a hang or a thrown `Violation` is a find.
///
/// Invariants: the outcome is a function of the octets alone: no clock, no chance, nothing left from the input before.
/// Not here: the fuzzer (`Tests/Fuzz/Entry`), what a find becomes (`FuzzSeedTests`).
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// NetFlow v1, v5 and v7; v9; IPFIX; sFlow v2, v4 and v5: single datagrams and runs of them.
    case netflow, netflow9, ipfix, sflow
    /// Packets from their link header on.
    case packet
    /// Sealed batches, as octets and rebuilt from rows.
    case batch
    /// Segments of a store, changed, and rebuilt from rows.
    case segment
    /// pcap and pcapng files.
    case capture
    /// IPFIX messages in a stream of octets.
    case framer
    /// Saved templates.
    case snapshot
    /// Texts of Sigma rules, correlations and filters.
    case sigma
    /// Answers of DNS to questions for names.
    case names
    /// What exporters do over time, as a list of deeds: a decoder with little room, and the sensor's whole first half.
    case sequence

    /// - Throws: `Violation` when something that must hold does not.
    package func run(_ input: [UInt8]) throws(Violation) {
        switch self {
        case .netflow: try DatagramTarget(versions: [1, 5, 7]).run(input)
        case .netflow9: try DatagramTarget(versions: [9]).run(input)
        case .ipfix: try DatagramTarget(versions: [10]).run(input)
        case .sflow: try DatagramTarget(versions: [0]).run(input)
        case .packet: try PacketTarget.run(input)
        case .batch: try BatchTarget.run(input)
        case .segment: try SegmentTarget.run(input)
        case .capture: try CaptureTarget.run(input)
        case .framer: try FramerTarget.run(input)
        case .snapshot: try SnapshotTarget.run(input)
        case .sigma: try SigmaTarget.run(input)
        case .names: try NameTarget.run(input)
        case .sequence: try SequenceTarget.run(input)
        }
    }
}

/// Something that must hold and does not.
package struct Violation: Error, CustomStringConvertible {
    package let description: String
}

func hold(_ condition: Bool, _ what: @autoclosure () -> String) throws(Violation) {
    guard condition else { throw Violation(description: what()) }
}

/// An input read from front to end; zeros come after its end, so that every input means something.
struct Tape {
    let bytes: [UInt8]
    private(set) var at = 0
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isOver: Bool { at >= bytes.count }
    mutating func u8() -> UInt8 {
        guard at < bytes.count else { return 0 }
        at += 1
        return bytes[at - 1]
    }
    mutating func u16() -> UInt16 { UInt16(u8()) << 8 | UInt16(u8()) }
    mutating func u32() -> UInt32 { UInt32(u16()) << 16 | UInt32(u16()) }
    /// `count` octets, fewer at the end.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, at + count)
        defer { at = end }
        return Array(bytes[at..<end])
    }
}

extension [UInt8] {
    /// FNV-1a: chooses, by the input alone, the inputs that get the costly checks.
    var digest: UInt32 { reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 } }
}
