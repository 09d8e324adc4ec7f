internal import CSockets
package import FlowModel
internal import Glibc
internal import Platform

/// A ring of datagram slots that recvmmsg(2) fills: one system call for up to `batchMax` datagrams, no copy after it
/// but of a long one's beginning. Slots are address space; memory is taken by the parts that datagrams once filled.
@safe package struct DatagramReceiver: ~Copyable {
    private let ring: OpaquePointer
    /// How many datagrams one `take` returns at most.
    package let batchMax: Int
    /// A longer datagram is cut to this and marked.
    package let slotBytes: Int

    /// The largest UDP payload over IPv4.
    package static let datagramBytesMax = 65_507

    /// - Throws: `IntakeError.outOfMemory`.
    package init(batchMax: Int = 64, slotBytes: Int = datagramBytesMax) throws(IntakeError) {
        let batch = min(max(batchMax, 1), 1_024), slot = min(max(slotBytes, 1), Self.datagramBytesMax)
        guard let made = unsafe weir_receiver_new(UInt32(batch), UInt32(slot)) else { throw .outOfMemory }
        unsafe ring = made
        self.batchMax = batch
        self.slotBytes = slot
    }

    deinit { unsafe weir_receiver_free(ring) }

    /// Hands out what waits on `listener`, at most `batchMax` datagrams, without waiting.
    /// - Parameters:
    ///   - milliseconds: the receive time, in ms since 1970 UTC, of all that carry none of the kernel's.
    ///   - body: gets the datagram's bytes, which live until it returns; where it came from; and whether it was longer
    ///     than the slot, so that its end is missing.
    /// - Returns: how many there were: 0 when none waits, `batchMax` when there may be more.
    /// - Throws: `IntakeError.receive`.
    package mutating func take(
        from listener: UDPListener, at milliseconds: Int64,
        _ body: (_ datagram: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) throws(IntakeError) -> Int {
        let count = unsafe weir_receiver_take(ring, listener.descriptor)
        guard count >= 0 else { throw .receive(port: listener.port, reason: systemReason(-count)) }
        guard let datagrams = unsafe weir_receiver_datagrams(ring) else { return 0 }
        for index in 0..<Int(count) {
            let datagram = unsafe datagrams[index]
            let source = unsafe withUnsafeBytes(of: datagram.address) { unsafe Sockets.address(of: $0) }
            let origin = DatagramOrigin(
                source: source, sourcePort: datagram.port, localPort: listener.port,
                receiveMilliseconds: datagram.milliseconds != 0 ? datagram.milliseconds : milliseconds)
            // Borrowed from the ring, which this call holds exclusively until `body` has returned.
            let bytes = unsafe RawSpan(
                _unsafeStart: weir_receiver_slot(ring, UInt32(index)), byteCount: Int(datagram.length))
            body(bytes, origin, datagram.is_truncated != 0)
        }
        return Int(count)
    }
}
