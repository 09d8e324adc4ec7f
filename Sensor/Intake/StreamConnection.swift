internal import CSockets
internal import FlowModel
internal import Glibc
internal import Platform

/// One accepted connection and how far its stream has been read. Of its server's thread alone.
final class StreamConnection {
    let descriptor: Int32
    let peer: StreamPeer
    private(set) var tls: TLSServerSession?
    private var framer = MessageFramer()
    private let openedAt: Duration
    private var lastMessageAt: Duration
    private var messageStartedAt: Duration?
    private(set) var hasSentMessage = false
    /// The handshake is done, where there is one.
    private(set) var isOpen: Bool

    /// One read's worth; a connection that has more is served again in the next round, after the others.
    static let readBytes = 64 << 10, readsPerRoundMax = 16

    enum Progress: Equatable {
        case waiting
        /// The round's share is used up, and there may be more.
        case more
        case wantsWrite
        case opened(clientName: String?)
        case ended(SessionEnd)
    }

    init(_ descriptor: Int32, _ peer: StreamPeer, _ tls: TLSServerSession?, at now: Duration) {
        (self.descriptor, self.peer, self.tls) = (descriptor, peer, tls)
        (openedAt, lastMessageAt, isOpen) = (now, now, tls == nil)
    }

    func shakeHands() -> Progress {
        guard let tls, !isOpen else { return .waiting }
        switch tls.shakeHands() {
        case .wantsRead: return .waiting
        case .wantsWrite: return .wantsWrite
        case .failed(let reason): return .ended(.handshakeFailed(reason))
        case .done(let clientName):
            isOpen = true
            return .opened(clientName: clientName)
        }
    }

    /// Reads what waits, at most a round's share, and hands out the messages in it.
    func read(
        with buffer: inout [UInt8], at now: Duration, _ body: (_ message: RawSpan, _ isTruncated: Bool) -> Void
    ) -> Progress {
        for _ in 0..<Self.readsPerRoundMax {
            switch receive(&buffer) {
            case .wouldBlock: return .waiting
            case .closed: return .ended(finish(.closed, body))
            case .failed(let reason): return .ended(finish(.failed(reason), body))
            case .bytes(let count):
                do throws(MessageFramer.Fault) {
                    try take(buffer, count, at: now, body)
                } catch {
                    return .ended(.noIPFIX(error))
                }
            }
        }
        return .more
    }
    private func receive(_ buffer: inout [UInt8]) -> TLSServerSession.Input {
        if let tls { return tls.read(into: &buffer) }
        let count = unsafe weir_read(descriptor, &buffer, UInt32(buffer.count))
        if count > 0 { return .bytes(Int(count)) }
        if count == 0 { return .closed }
        return count == -Int64(EAGAIN) ? .wouldBlock : .failed(systemReason(Int32(-count)))
    }
    private func take(
        _ buffer: [UInt8], _ count: Int, at now: Duration, _ body: (_ message: RawSpan, _ isTruncated: Bool) -> Void
    ) throws(MessageFramer.Fault) {
        var messages = 0
        try unsafe framer.feed(buffer.span.bytes.extracting(0..<count)) { message in
            messages += 1
            body(message, false)
        }
        if messages > 0 {
            hasSentMessage = true
            lastMessageAt = now
            messageStartedAt = nil
        }
        if framer.isWithinMessage { messageStartedAt = messageStartedAt ?? now }
    }
    /// The beginning of a message that will never end is handed out as what it is, so that its loss is counted.
    private func finish(
        _ end: SessionEnd, _ body: (_ message: RawSpan, _ isTruncated: Bool) -> Void
    ) -> SessionEnd {
        guard framer.isWithinMessage else { return end }
        let part = framer.takePart()
        unsafe body(part.span.bytes, true)
        return end == .closed ? .closedWithinMessage : end
    }

    /// Which limit of time is passed, if any; a message that did not end in time is handed out as truncated.
    func overdue(
        at now: Duration, _ limits: StreamLimits, _ body: (_ message: RawSpan, _ isTruncated: Bool) -> Void
    ) -> SessionEnd? {
        if !isOpen { return now - openedAt > limits.handshake ? .handshakeTimedOut : nil }
        if let messageStartedAt, now - messageStartedAt > limits.message { return finish(.messageTimedOut, body) }
        return now - lastMessageAt > limits.idle ? .idle : nil
    }

    /// How long it has been there without a message: nil once it has sent one.
    func silence(at now: Duration) -> Duration? { hasSentMessage ? nil : now - openedAt }

    /// The descriptor is invalid from here on.
    func close(resets: Bool) {
        if !resets, isOpen { tls?.sayGoodbye() }
        tls = nil
        weir_close(descriptor, resets ? 1 : 0)
    }
}
