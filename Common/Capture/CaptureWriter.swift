package import FlowModel
import WireBytes

/// Writes UDP datagrams as a pcap file (microseconds, big-endian, Ethernet): what `CaptureReader` and every packet
/// analyser read back.
///
/// Invariant: checksums and lengths are right; a datagram of any size up to `CaptureLimit.payloadBytesMax` is one
/// frame, unfragmented.
package struct CaptureWriter: Sendable {
    /// What has been written and not been taken.
    package private(set) var bytes: [UInt8] = []

    package init() {
        bytes.appendBE(0xA1B2_C3D4 as UInt32)
        bytes.appendBE(2 as UInt16)
        bytes.appendBE(4 as UInt16)
        bytes.appendBE(0 as UInt64)
        bytes.appendBE(UInt32(CaptureLimit.frameBytesMax))
        bytes.appendBE(1 as UInt32)
    }

    /// Hands over what has been written since the last call, for files that are larger than memory should hold.
    package mutating func takeBytes() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    /// Adds one datagram, from `origin` to its `localPort` at `destination`, at `receiveMilliseconds`. IPv6 unless both
    /// addresses are IPv4.
    package mutating func append(_ payload: [UInt8], from origin: DatagramOrigin, to destination: IPAddress) {
        precondition(payload.count <= CaptureLimit.payloadBytesMax, "\(payload.count) octets are no UDP payload")
        let isV4 = origin.source.isV4 && destination.isV4
        let headerLength = isV4 ? 20 : 40, length = 14 + headerLength + 8 + payload.count
        let microseconds = UInt64(clamping: origin.receiveMilliseconds).multipliedReportingOverflow(by: 1_000)
            .partialValue
        bytes.reserveCapacity(bytes.count + 16 + length)
        bytes.appendBE(UInt32(truncatingIfNeeded: microseconds / 1_000_000))
        bytes.appendBE(UInt32(truncatingIfNeeded: microseconds % 1_000_000))
        bytes.appendBE(UInt32(length))
        bytes.appendBE(UInt32(length))
        bytes += [0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2]  // locally administered addresses
        bytes.appendBE((isV4 ? 0x0800 : 0x86DD) as UInt16)
        if isV4 {
            appendV4Header(origin.source, destination, udpLength: 8 + payload.count)
        } else {
            appendV6Header(origin.source, destination, udpLength: 8 + payload.count)
        }
        appendUDP(payload, from: origin, to: destination, isV4: isV4)
    }

    private mutating func appendV4Header(_ source: IPAddress, _ destination: IPAddress, udpLength: Int) {
        let words: [UInt16] = [
            0x4500, UInt16(20 + udpLength), 0, 0x4000, 64 << 8 | UInt16(IPProtocol.udp), 0,
            UInt16(source.v4 >> 16), UInt16(truncatingIfNeeded: source.v4),
            UInt16(destination.v4 >> 16), UInt16(truncatingIfNeeded: destination.v4),
        ]
        var sum = InternetChecksum()
        for word in words { sum.add(word) }
        for (index, word) in words.enumerated() { bytes.appendBE(index == 5 ? sum.value : word) }
    }

    private mutating func appendV6Header(_ source: IPAddress, _ destination: IPAddress, udpLength: Int) {
        bytes.appendBE(0x6000_0000 as UInt32)
        bytes.appendBE(UInt16(udpLength))
        bytes += [IPProtocol.udp, 64]
        for word in [source.high, source.low, destination.high, destination.low] { bytes.appendBE(word) }
    }

    private mutating func appendUDP(
        _ payload: [UInt8], from origin: DatagramOrigin, to destination: IPAddress, isV4: Bool
    ) {
        let length = UInt16(8 + payload.count)
        var sum = InternetChecksum()
        for address in [origin.source, destination] {
            if isV4 {
                sum.add(UInt64(address.v4))
            } else {
                sum.add(address.high)
                sum.add(address.low)
            }
        }
        for word in [UInt16(IPProtocol.udp), length, origin.sourcePort, origin.localPort, length] { sum.add(word) }
        sum.add(payload)
        bytes.appendBE(origin.sourcePort)
        bytes.appendBE(origin.localPort)
        bytes.appendBE(length)
        bytes.appendBE(sum.value == 0 ? 0xFFFF : sum.value)  // RFC 768: 0 says that there is no checksum
        bytes += payload
    }
}

/// The ones' complement sum of RFC 1071.
struct InternetChecksum {
    private var sum: UInt64 = 0

    mutating func add(_ word: UInt16) { sum &+= UInt64(word) }
    mutating func add(_ word: UInt64) {
        sum &+= (word >> 48) &+ (word >> 32 & 0xFFFF) &+ (word >> 16 & 0xFFFF) &+ (word & 0xFFFF)
    }
    /// An odd last octet counts as the upper half of a word.
    mutating func add(_ octets: [UInt8]) {
        for (index, octet) in octets.enumerated() { sum &+= index & 1 == 0 ? UInt64(octet) << 8 : UInt64(octet) }
    }
    var value: UInt16 {
        var folded = sum
        while folded > 0xFFFF { folded = folded >> 16 + folded & 0xFFFF }
        return ~UInt16(folded)
    }
}
