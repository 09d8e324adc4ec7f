internal import CPacketRing
internal import Glibc
internal import Platform

/// Why an interface can't be metered.
package struct MeterError: Error, Equatable, Sendable, CustomStringConvertible {
    package let interface: String
    package let reason: String
    package var description: String { "interface \(interface): \(reason)" }
}

/// The packets of one interface, through memory that the kernel fills (AF_PACKET, TPACKET_V3). Owned by one thread.
@safe package struct PacketRing: ~Copyable {
    private let ring: OpaquePointer
    package let interface: String
    /// The interface's index.
    package let index: UInt32

    /// - Parameters:
    ///   - bytes: of the ring; a burst of that much is held.
    ///   - isPromiscuous: also what is not for this machine, as on a mirror port.
    package init(
        interface: String, bytes: Int = 32 << 20, isPromiscuous: Bool = true
    ) throws(MeterError) {
        let blockBytes = 1 << 20, blocks = min(max(bytes / blockBytes, 2), 1_024)
        var failed: Int32 = 0
        let opened = unsafe weir_ring_open(
            interface, UInt32(blocks), UInt32(blockBytes), isPromiscuous ? 1 : 0, &failed)
        guard let opened = unsafe opened else {
            throw MeterError(interface: interface, reason: Self.reason(-failed))
        }
        unsafe ring = opened
        self.interface = interface
        index = unsafe weir_ring_interface(opened)
    }
    deinit { unsafe weir_ring_close(ring) }

    private static func reason(_ code: Int32) -> String {
        switch code {
        case ENODEV: "there is none of this name"
        case EPERM, EACCES: "packets need the right CAP_NET_RAW (in the unit: AmbientCapabilities=CAP_NET_RAW)"
        case EPROTONOSUPPORT: "its link layer is not Ethernet"
        default: systemReason(code)
        }
    }

    /// One packet, borrowed until the call that got it returns.
    package struct Facts: Sendable {
        package let length: Int
        package let milliseconds: Int64
        package let vlan: UInt16
        package let isOutgoing: Bool
    }

    /// Hands out what waits, at most `packetsMax`, after waiting at most `milliseconds` for it.
    /// - Returns: how many packets there were.
    package mutating func take(
        waitingAtMost milliseconds: Int32, packetsMax: Int = 65_536, _ body: (RawSpan, Facts) -> Void
    ) -> Int {
        var set = pollfd(fd: unsafe weir_ring_descriptor(ring), events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&set, 1, milliseconds)
        if set.revents & Int16(POLLERR) != 0 {
            // The interface went down: told at once, again and again, until it is read.
            var fault: Int32 = 0, length = socklen_t(MemoryLayout<Int32>.size)
            unsafe getsockopt(set.fd, SOL_SOCKET, SO_ERROR, &fault, &length)
            usleep(UInt32(milliseconds) * 1_000)
        }
        var packet = unsafe weir_packet(), count = 0
        while count < packetsMax, unsafe weir_ring_next(ring, &packet) == 1 {
            guard let start = unsafe packet.bytes else { break }
            // Memory of the ring's open block, which stays ours until the next call.
            let span = unsafe RawSpan(
                _unsafeStart: UnsafeRawPointer(start), byteCount: Int(packet.captured))
            body(
                span,
                Facts(
                    length: Int(unsafe packet.length), milliseconds: unsafe packet.milliseconds,
                    vlan: unsafe packet.has_vlan != 0 ? packet.vlan : 0, isOutgoing: unsafe packet.is_outgoing != 0))
            count += 1
        }
        return count
    }
    /// Packets dropped since the last call because the ring was full.
    package mutating func takeDrops() -> UInt64 { UInt64(max(unsafe weir_ring_drops(ring), 0)) }
}
