/// The well-known numbers that several modules name (IANA protocol numbers, RFC 9293 control bits).
package enum IPProtocol {
    package static let icmp: UInt8 = 1, tcp: UInt8 = 6, udp: UInt8 = 17, icmpv6: UInt8 = 58
    package static func isICMP(_ number: UInt8) -> Bool { number == icmp || number == icmpv6 }
    package static func hasPorts(_ number: UInt8) -> Bool { [tcp, udp, 33, 132, 136].contains(number) }
}

package enum TCPFlag {
    package static let fin: UInt16 = 0x01, syn: UInt16 = 0x02, rst: UInt16 = 0x04, psh: UInt16 = 0x08,
        ack: UInt16 = 0x10
}
