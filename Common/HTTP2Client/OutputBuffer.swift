/// Bytes on their way to TLS: filled in frames, dropped in what the socket took.
struct OutputBuffer {
    private(set) var bytes: [UInt8] = []
    /// Offset of the first byte that is still to be sent.
    private(set) var start = 0

    var isEmpty: Bool { start == bytes.count }
    var count: Int { bytes.count - start }
    var hasRoom: Bool { bytes.count < HTTPLimit.outputBytesTarget }

    mutating func append(_ frame: UnsafeBufferPointer<UInt8>) { unsafe bytes.append(contentsOf: frame) }
    mutating func drop(_ taken: Int) {
        start += taken
        precondition(start <= bytes.count, "never more is taken than was there")
        guard start == bytes.count else { return }
        bytes.removeAll(keepingCapacity: true)
        start = 0
    }
}
