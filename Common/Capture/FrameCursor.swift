import WireBytes

/// One captured frame: where it lies in the file, and what its file says about it.
struct CapturedFrame: Sendable {
    /// The LINKTYPE_ value of its interface.
    var linkType: Int
    /// The captured octets, from the link header on, as a range of the file.
    var range: Range<Int>
    /// In ms since 1970 UTC.
    var milliseconds: Int64
    /// 1 for the first frame of the file.
    var number: Int
}

/// Walks from frame to frame, whichever of the two formats the file has.
struct FrameCursor: Sendable {
    enum Outcome { case frame(CapturedFrame), skip(CaptureSkip), end }
    private enum Format { case pcap(PcapCursor), pcapng(PcapngCursor), stopped }

    private var format: Format
    private(set) var frames = 0

    init(_ file: RawSpan) throws(CaptureError) {
        guard file.byteCount >= 4 else {
            throw .notACapture(reason: "\(file.byteCount) octets are fewer than any capture has")
        }
        if file.be32(at: 0) == PcapngCursor.sectionHeader {
            format = .pcapng(try PcapngCursor(file))
        } else {
            format = .pcap(try PcapCursor(file))
        }
    }

    /// The next frame, or a frame that cannot be used, or the end.
    /// - Throws: `.damaged`; the cursor must not be used after it.
    mutating func next(_ file: RawSpan) throws(CaptureError) -> Outcome {
        let outcome: Outcome
        let current = format
        // Gives up the only other reference to a pcapng's list of interfaces, so that it grows in place.
        format = .stopped
        switch consume current {
        case .stopped: return .end
        case .pcap(var cursor):
            outcome = try cursor.next(file, number: frames + 1)
            format = .pcap(cursor)
        case .pcapng(var cursor):
            outcome = try cursor.next(file, number: frames + 1)
            format = .pcapng(cursor)
        }
        switch outcome {
        case .end: format = .stopped
        case .skip(.truncated): format = .stopped
        case .skip, .frame: frames += 1
        }
        return outcome
    }

    mutating func stop() { format = .stopped }
}

/// Integers of a file that says in its first octets which order it has.
enum ByteOrder: Sendable {
    case big, little

    func u16(_ file: RawSpan, at offset: Int) -> UInt16 {
        self == .big ? file.be16(at: offset) : file.le16(at: offset)
    }
    func u32(_ file: RawSpan, at offset: Int) -> UInt32 {
        self == .big ? file.be32(at: offset) : file.le32(at: offset)
    }
    func u64(_ file: RawSpan, at offset: Int) -> UInt64 {
        self == .big ? file.be64(at: offset) : file.le64(at: offset)
    }
}
