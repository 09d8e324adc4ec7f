package import FlowModel
import WireBytes

/// Reads the UDP datagrams of a packet capture: pcap (microseconds and nanoseconds, either byte order) and pcapng
/// (several sections and interfaces, either byte order).
///
/// Invariants: a datagram is yielded whole or not at all; every frame that yields none is counted in `skipped` by its
/// reason; no input stops the process; memory beyond the file's own bytes does not grow with the file.
/// Not here: what the payload means (`Decode`), reading the file from disk, reassembly of IP fragments.
package struct CaptureReader: Sendable {
    /// The whole file.
    package let bytes: [UInt8]
    /// Frames seen so far, with and without a datagram.
    package var frames: Int { cursor.frames }
    /// Frames that yielded no datagram, by reason.
    package private(set) var skipped: [CaptureSkip: Int] = [:]
    private var cursor: FrameCursor

    /// - Throws: `.notACapture` with the reason; an empty capture (a header alone) is fine.
    package init(bytes: [UInt8]) throws(CaptureError) {
        self.bytes = bytes
        cursor = try bytes.withBytes { file throws(CaptureError) in try FrameCursor(file) }
    }

    /// The next datagram without a copy: where in `bytes` its payload lies.
    /// - Returns: nil at the end of the file.
    /// - Throws: `.damaged` once when the rest cannot be read; after that it returns nil.
    package mutating func nextReference() throws(CaptureError) -> DatagramReference? {
        let bytes = bytes
        return try bytes.withBytes { file throws(CaptureError) in
            while let frame = cursor.nextWhole(file) {
                if let reference = FrameParser.plainDatagram(in: frame, of: file) {
                    Self.fetch(file, after: reference.payload.upperBound)
                    return reference
                }
                if let reference = datagram(in: frame, of: file) { return reference }
            }
            return try searchedReference(file)
        }
    }
    /// What comes next is asked for while this datagram is worked on: a capture is read once, so nothing of it is in a
    /// cache, and processors don't read ahead beyond a page.
    private static func fetch(_ file: RawSpan, after end: Int) {
        file.extracting(end..<min(end + aheadOctets, file.byteCount)).prefetch()
    }
    /// A frame of the usual size and the head of the next.
    private static let aheadOctets = 1_600

    private mutating func searchedReference(_ file: RawSpan) throws(CaptureError) -> DatagramReference? {
        while true {
            let outcome: FrameCursor.Outcome
            do throws(CaptureError) {
                outcome = try cursor.next(file)
            } catch {
                cursor.stop()
                throw error
            }
            switch outcome {
            case .end: return nil
            case .skip(let reason): skipped[reason, default: 0] += 1
            case .frame(let frame): if let reference = datagram(in: frame, of: file) { return reference }
            }
        }
    }
    private mutating func datagram(in frame: CapturedFrame, of file: RawSpan) -> DatagramReference? {
        switch FrameParser.datagram(in: frame, of: file) {
        case .skip(let reason):
            skipped[reason, default: 0] += 1
            return nil
        case .datagram(let reference): return reference
        }
    }
    /// The next datagram with a copy of its payload. See `nextReference` for end and errors.
    package mutating func nextDatagram() throws(CaptureError) -> CapturedDatagram? {
        guard let reference = try nextReference() else { return nil }
        return CapturedDatagram(
            origin: reference.origin, destination: reference.destination, payload: Array(bytes[reference.payload]))
    }

    /// Calls `body` with the payload that `reference` (from this reader) points at.
    package func withPayload<Result>(of reference: DatagramReference, _ body: (RawSpan) -> Result) -> Result {
        bytes.withBytes { body($0.extracting(reference.payload)) }
    }
}

/// A datagram by its place in the capture.
package struct DatagramReference: Hashable, Sendable {
    package var origin: DatagramOrigin
    package var destination: IPAddress
    /// The UDP payload, as a range of the reader's `bytes`.
    package var payload: Range<Int>
    /// 1 for the first frame of the capture, as packet analysers number them.
    package var frameNumber: Int
}

/// A datagram with its own bytes.
package struct CapturedDatagram: Hashable, Sendable {
    package var origin: DatagramOrigin
    package var destination: IPAddress
    package var payload: [UInt8]

    package init(origin: DatagramOrigin, destination: IPAddress, payload: [UInt8]) {
        self.origin = origin
        self.destination = destination
        self.payload = payload
    }
}
