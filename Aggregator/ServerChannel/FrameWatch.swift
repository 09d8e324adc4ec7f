internal import NIOCore
internal import NIOHTTP2

/// Counts the frames that cost work and carry nothing, among those that NIO's own limits leave out: WINDOW_UPDATE and
/// types that nobody knows (RFC 9113 §5.5, §6.9, §10.5).
///
/// Invariant: of them at most `free` are let through, and one more for each `octetsForOne` octets sent to the peer: who
/// reads an answer has windows to update.
package struct FrameMeter {
    private enum Place {
        /// Of the connection's preface or a frame's payload: so many octets to go.
        case inside(Int)
        case header
    }
    private var place = Place.inside(24)
    private var header: [UInt8] = []
    package private(set) var left = Self.free

    package static let free = 1_000, octetsForOne = 64
    private static let headerLength = 9

    package init() {}

    package mutating func sent(octets: Int) { left = min(left + octets / Self.octetsForOne + 1, 1 << 20) }

    /// - Returns: false once there were too many.
    package mutating func read(_ bytes: some RandomAccessCollection<UInt8>) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty, left >= 0 {
            switch place {
            case .inside(let count):
                let taken = min(count, rest.count)
                rest = rest.dropFirst(taken)
                place = taken == count ? .header : .inside(count - taken)
            case .header:
                let taken = min(Self.headerLength - header.count, rest.count)
                header += rest.prefix(taken)
                rest = rest.dropFirst(taken)
                if header.count == Self.headerLength { begin() }
            }
        }
        return left >= 0
    }

    /// A frame's header is whole (§4.1): 24 bits of length, 8 of type.
    private mutating func begin() {
        let length = header.prefix(3).reduce(0) { $0 << 8 | Int($1) }, type = header[3]
        header.removeAll(keepingCapacity: true)
        place = length == 0 ? .header : .inside(length)
        if type == 8 || type > 9 { left -= 1 }
    }
}

/// Ends a connection whose peer sends frames for nothing. Before the HTTP/2 handler.
final class FrameWatch: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData

    private var meter = FrameMeter()
    private let watch: ConnectionWatch

    init(_ watch: ConnectionWatch) { self.watch = watch }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard meter.read(unwrapInboundIn(data).readableBytesView) else { return watch.end(.idleFrames) }
        context.fireChannelRead(data)
    }
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        meter.sent(octets: unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }
}

/// Ends a connection after the GOAWAY that says what the peer did wrong. NIO's handler leaves that to others.
final class LastWords: NIOHTTP2FrameDelegate {
    private let watch: ConnectionWatch, loop: any EventLoop

    init(_ watch: ConnectionWatch, on loop: any EventLoop) {
        self.watch = watch
        self.loop = loop
    }

    func wroteFrame(_ frame: HTTP2Frame) {
        guard case .goAway(_, let code, _) = frame.payload, code != .noError else { return }
        let bound = NIOLoopBound(watch, eventLoop: loop)
        // Behind the flush of that frame.
        loop.execute { bound.value.end(.protocolError) }
    }
}
