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
    /// At most one of the two; none when the end was reached or nothing can be read any more.
    private var pcap: PcapCursor?, pcapng: PcapngCursor?
    private(set) var frames = 0

    init(_ file: RawSpan) throws(CaptureError) {
        guard file.byteCount >= 4 else {
            throw .notACapture(reason: "\(file.byteCount) octets are fewer than any capture has")
        }
        if file.be32(at: 0) == PcapngCursor.sectionHeader {
            pcapng = try PcapngCursor(file)
        } else {
            pcap = try PcapCursor(file)
        }
    }

    /// The next frame, or a frame that cannot be used, or the end.
    /// - Throws: `.damaged`; the cursor must not be used after it.
    mutating func next(_ file: RawSpan) throws(CaptureError) -> Outcome {
        var outcome = Outcome.end
        if let found = try pcap?.next(file, number: frames + 1) {
            outcome = found
        } else if let found = try pcapng?.next(file, number: frames + 1) {
            outcome = found
        }
        switch outcome {
        case .end, .skip(.truncated): stop()
        case .skip, .frame: frames += 1
        }
        return outcome
    }

    /// The next frame of a pcap where it lies whole, which is the rule; nil, and nothing is passed over, when only
    /// `next` can tell.
    @inline(__always)
    mutating func nextWhole(_ file: RawSpan) -> CapturedFrame? {
        guard let frame = pcap?.nextWhole(file, number: frames + 1) else { return nil }
        frames += 1
        return frame
    }

    mutating func stop() { (pcap, pcapng) = (nil, nil) }
}

/// Integers of a file that says in its first octets which order it has.
enum ByteOrder: Sendable {
    case big, little

    func u16(_ file: RawSpan, at offset: Int) -> UInt16 {
        self == .big ? file.be16(at: offset) : file.le16(at: offset)
    }
    @inline(__always)
    func u32(_ file: RawSpan, at offset: Int) -> UInt32 {
        self == .big ? file.be32(at: offset) : file.le32(at: offset)
    }
    func u64(_ file: RawSpan, at offset: Int) -> UInt64 {
        self == .big ? file.be64(at: offset) : file.le64(at: offset)
    }
}
