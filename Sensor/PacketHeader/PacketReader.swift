import WireBytes

/// The reading itself: a position, the layer that begins there, and what has been found so far. Kept and used again, it
/// reads packet after packet in place.
package struct PacketReader: Sendable, BitwiseCopyable {
    /// Of the packet read last.
    package internal(set) var summary = PacketSummary()
    /// Where the next layer begins. Never beyond `end`.
    var at = 0
    /// Where the octets that may be read end: a length in a header can only bring it nearer.
    var end = 0
    var next = Layer.done
    /// For the layer `etherType`: which.
    var type: UInt16 = 0
    /// IP headers read.
    var internetHeaders = 0
    /// The IPv6 header at hand has a segment routing header.
    var hasSegmentRouting = false

    enum Layer: UInt8, BitwiseCopyable {
        case done, etherType, gre
        case ethernet, ipv4, ipv6, internet, mpls, ppp, linuxCooked, linuxCooked2, wireless, wirelessSubframe
        case linkControl

        @inline(__always)
        init(_ link: PacketLink) {
            self =
                switch link {
                case .ethernet: .ethernet
                case .ipv4: .ipv4
                case .ipv6: .ipv6
                case .internet: .internet
                case .mpls: .mpls
                case .ppp: .ppp
                case .linuxCooked: .linuxCooked
                case .linuxCooked2: .linuxCooked2
                case .wireless: .wireless
                case .wirelessSubframe: .wirelessSubframe
                case .linkControl: .linkControl
                }
        }
    }

    package init() {}

    /// Reads `packet`, whose first octet is the first of `link`'s header, into `summary`.
    package mutating func read(_ packet: RawSpan, link: PacketLink) {
        summary.reset()
        (at, end, internetHeaders, hasSegmentRouting) = (0, packet.byteCount, 0, false)
        next = Layer(link)
        // What most packets begin with, straight on: where it lies and that nothing is around it is known here.
        var layersLeft = PacketSummary.layersMax
        if next == .ethernet {
            readEthernet(packet)
            layersLeft &-= 1
        }
        if next == .ipv4 {
            readIPv4(packet)
            layersLeft &-= 1
        } else if next == .ipv6 {
            readIPv6(packet)
            layersLeft &-= 1
        }
        if next != .done { run(packet, layersLeft) }
    }

    /// Ends: `layersMax` turns at most.
    @inline(never)
    private mutating func run(_ packet: RawSpan, _ layersLeft: Int) {
        for _ in 0..<layersLeft {
            switch next {
            case .ethernet: readEthernet(packet)
            case .etherType: readTyped(packet)
            case .ipv4, .ipv6: readInternetHeader(packet)
            case .internet: readInternet(packet)
            case .mpls: readMPLS(packet)
            case .ppp: readPPP(packet)
            case .linuxCooked: readLinuxCooked(packet)
            case .linuxCooked2: readLinuxCooked2(packet)
            case .wireless: readWireless(packet)
            case .wirelessSubframe: readWirelessSubframe(packet)
            case .linkControl: readLinkControl(packet)
            case .gre: readGRE(packet)
            case .done: return
            }
        }
        if next != .done { stop(.tooDeep) }
    }

    mutating func stop(_ reason: PacketEnd) {
        summary.end = reason
        next = .done
    }
    /// Whether `count` octets can be read from here on; ends the walk otherwise.
    @inline(__always)
    mutating func has(_ count: Int) -> Bool {
        if end &- at >= count { return true }
        stop(.truncated)
        return false
    }
    /// All octets from here on, after `has`: so that what is read at fixed places has its bounds checked once.
    @inline(__always)
    @_lifetime(copy packet)
    func rest(_ packet: RawSpan) -> RawSpan { packet.extracting(at..<packet.byteCount) }
    /// Passes over a header of `count` octets, which may lead beyond the end.
    mutating func skip(_ count: Int, to layer: Layer) {
        guard has(count) else { return }
        at &+= count
        next = layer
    }
    /// What follows is inside another packet.
    mutating func enter(_ tunnel: PacketTunnel) {
        if summary.tunnel == .none { summary.tunnel = tunnel }
        summary.tunnelDepth &+= 1
    }
    mutating func enter(_ tunnel: PacketTunnel, segment: UInt32) {
        enter(tunnel)
        guard summary.segmentTunnel == .none else { return }
        (summary.segmentTunnel, summary.segment) = (tunnel, segment)
    }
    mutating func enter(_ tunnel: PacketTunnel, key: UInt32) {
        enter(tunnel)
        if summary.tunnelKey == 0 { summary.tunnelKey = key }
    }
    /// A type in front of the first IP header and outside of any tunnel.
    var isOutside: Bool { internetHeaders == 0 && summary.tunnel == .none }
}
