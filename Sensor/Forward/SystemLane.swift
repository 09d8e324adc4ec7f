internal import CSockets
internal import FlowModel
internal import Glibc
internal import Platform

/// One socket to a target and what waits for it. Of one thread.
@safe final class SystemLane {
    private let descriptor: Int32
    /// The address that the kernel sends from.
    let localAddress: IPAddress
    let isRaw: Bool
    private let bytesMax: Int
    // A datagram n lies at offsets[n] in `bytes`; those before `head` have left.
    private var bytes: [UInt8] = []
    private var offsets: [UInt32] = [], lengths: [UInt32] = []
    private var head = 0
    private(set) var counts = ForwardCounts()

    /// Datagrams of one system call.
    static let batchMax = 128
    private static let sendBufferBytes: Int32 = 4 << 20
    /// After so many refusals in one flush the rest is refused unasked: a target without a route costs little.
    private static let refusalsMax = 8

    /// - Throws: `ForwardError` with the kernel's reason.
    init(to target: ForwardTarget, isRaw: Bool) throws(ForwardError) {
        let opened = unsafe target.address.withCString { address in
            var wanted = unsafe weir_target(
                address: address, port: target.port, is_raw: isRaw ? 1 : 0, send_bytes: Self.sendBufferBytes)
            return unsafe weir_target_open(&wanted)
        }
        guard opened >= 0 else { throw ForwardError(description: systemReason(-opened)) }
        var about = weir_socket()
        if !isRaw { _ = unsafe weir_socket_describe(opened, &about) }
        localAddress = unsafe withUnsafeBytes(of: about.address) { octets in
            let high = unsafe octets.loadUnaligned(as: UInt64.self)
            let low = unsafe octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            return IPAddress(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
        }
        descriptor = opened
        self.isRaw = isRaw
        bytesMax = target.queueBytesMax
    }
    deinit { close(descriptor) }

    var waiting: Int { lengths.count - head }

    /// Whether `count` more bytes find room; the loss is counted where they don't.
    func hasRoom(for count: Int) -> Bool {
        if bytes.count + count <= bytesMax { return true }
        compact()
        if bytes.count + count <= bytesMax { return true }
        lose(.queueFull)
        return false
    }
    /// Adds what `write` appends as one datagram.
    func add(_ write: (inout [UInt8]) -> Void) {
        let start = bytes.count
        write(&bytes)
        offsets.append(UInt32(truncatingIfNeeded: start))
        lengths.append(UInt32(truncatingIfNeeded: bytes.count - start))
    }
    func lose(_ loss: ForwardLoss, _ count: Int = 1) { counts.losses[loss, default: 0] += UInt64(count) }

    /// Sends what the kernel takes now.
    func flush() {
        var refusals = 0, interruptions = 0
        sending: while head < lengths.count {  // ends: each turn moves `head`, or counts towards a limit
            let taken = sendBatch()
            if taken > 0 {
                left(Int(taken))
                continue
            }
            switch -taken {
            case EAGAIN, ENOBUFS, ENOMEM: break sending
            // Not about this datagram: an earlier one found the target's port closed.
            case EINTR, ECONNREFUSED:
                interruptions += 1
                if interruptions > 3 { break sending }
            case EMSGSIZE:
                lose(.tooLong)
                head += 1
            default:
                refusals += 1
                let count = refusals >= Self.refusalsMax ? waiting : 1
                lose(.refused, count)
                head += count
            }
        }
        if head == lengths.count { forgetSent() }
        counts.queued = UInt64(waiting)
    }
    private func sendBatch() -> Int32 {
        let count = min(waiting, Self.batchMax)
        return unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe offsets.withUnsafeBufferPointer { offsets in
                unsafe lengths.withUnsafeBufferPointer { lengths in
                    guard let base = bytes.baseAddress, let offset = offsets.baseAddress,
                        let length = lengths.baseAddress
                    else { return 0 }
                    return unsafe weir_send_batch(
                        descriptor, base, offset.advanced(by: head), length.advanced(by: head), UInt32(count))
                }
            }
        }
    }
    private func left(_ count: Int) {
        counts.sent += UInt64(count)
        for index in head..<(head + count) { counts.octets += UInt64(lengths[index]) }
        head += count
    }
    private func forgetSent() {
        bytes.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        head = 0
    }
    /// Moves what waits to the front.
    private func compact() {
        guard head > 0 else { return }
        guard head < lengths.count else { return forgetSent() }
        let start = offsets[head]
        bytes.removeFirst(Int(start))
        offsets.removeFirst(head)
        lengths.removeFirst(head)
        for index in offsets.indices { offsets[index] &-= start }
        head = 0
    }
}

extension Array where Element == UInt8 {
    mutating func append(_ span: RawSpan) { unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) } }
}
