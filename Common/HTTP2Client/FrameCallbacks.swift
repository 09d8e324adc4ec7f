internal import CNghttp2

/// What libnghttp2 calls back into: C function pointers without captures, so the state travels as `user_data`.
///
/// nghttp2 holds this object unretained; `FrameSession` owns both and frees the session first.
@safe final class FrameCallbacks {
    var streams: [Int32: FrameSession.Stream] = [:]
    var isGoingAway = false
    /// The time that progress is noted with; set before each send.
    var now = Duration.zero
    private var outcomes: [HTTP2Outcome] = []
    /// Answered or refused before our body was sent: the rest of it is for nobody.
    private var cancelled: [Int32] = []

    func takeOutcomes() -> [HTTP2Outcome] {
        defer { outcomes = [] }
        return outcomes
    }
    func takeCancelled() -> [Int32] {
        defer { cancelled = [] }
        return cancelled
    }
    /// The one way a stream leaves `streams`. Its object lives on until nghttp2 has let go of its body.
    func end(_ id: Int32, _ outcome: HTTP2Outcome) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        lingering[id] = stream
        outcomes.append(outcome)
    }
    private var lingering: [Int32: FrameSession.Stream] = [:]

    // MARK: Events

    func field(_ id: Int32, _ name: String, _ value: String) {
        guard let stream = streams[id] else { return }
        if name == ":status" {
            stream.begin(status: Int(value) ?? 0)
        } else {
            stream.note(field: name, value)
        }
    }

    func data(_ id: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        guard let stream = streams[id] else { return }
        guard stream.answer.count + bytes.count <= HTTPLimit.answerBytesMax else {
            end(id, .failed(.answerTooLong, tag: stream.tag))
            cancelled.append(id)
            return
        }
        unsafe stream.answer.append(contentsOf: bytes)
    }

    /// END_STREAM: the answer is whole, whether or not our body was wanted to its end (RFC 9113 §8.1).
    func finished(_ id: Int32) {
        guard let stream = streams[id] else { return }
        let response = HTTPResponse(status: stream.status, fields: stream.fields, body: stream.answer)
        if stream.sent < stream.body.count { cancelled.append(id) }
        end(id, .response(response, tag: stream.tag))
    }

    func closed(_ id: Int32, code: UInt32) {
        if let stream = streams[id] { end(id, .failed(.streamReset(code: code), tag: stream.tag)) }
        lingering[id] = nil
    }

    // MARK: C

    private static func from(_ user: UnsafeMutableRawPointer?) -> FrameCallbacks? {
        unsafe user.map { unsafe Unmanaged<FrameCallbacks>.fromOpaque($0).takeUnretainedValue() }
    }

    /// - Throws: `.outOfMemory`.
    func makeSession() throws(HTTP2Error) -> OpaquePointer {
        var table: OpaquePointer?
        guard unsafe nghttp2_session_callbacks_new(&table) == 0 else { throw .outOfMemory }
        defer { unsafe nghttp2_session_callbacks_del(table) }
        unsafe nghttp2_session_callbacks_set_on_header_callback(table) {
            _, frame, name, nameSize, value, size, _, user in
            guard let frame = unsafe frame, let me = unsafe FrameCallbacks.from(user) else { return 0 }
            let name = unsafe String(decoding: UnsafeBufferPointer(start: name, count: nameSize), as: UTF8.self)
            let value = unsafe String(decoding: UnsafeBufferPointer(start: value, count: size), as: UTF8.self)
            unsafe me.field(frame.pointee.hd.stream_id, name, value)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) { _, _, id, bytes, count, user in
            unsafe FrameCallbacks.from(user)?.data(id, UnsafeBufferPointer(start: bytes, count: count))
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, user in
            guard let header = unsafe frame?.pointee.hd, let me = unsafe FrameCallbacks.from(user) else { return 0 }
            if header.type == UInt8(NGHTTP2_GOAWAY.rawValue) { me.isGoingAway = true }
            let carriesEnd =
                header.type == UInt8(NGHTTP2_HEADERS.rawValue) || header.type == UInt8(NGHTTP2_DATA.rawValue)
            if carriesEnd, header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 { me.finished(header.stream_id) }
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(table) { _, id, code, user in
            unsafe FrameCallbacks.from(user)?.closed(id, code: code)
            return 0
        }
        // Submitted, then held back by the server's stream limit until a GOAWAY came: it was never sent.
        unsafe nghttp2_session_callbacks_set_on_frame_not_send_callback(table) { _, frame, _, user in
            guard let header = unsafe frame?.pointee.hd, header.type == UInt8(NGHTTP2_HEADERS.rawValue) else {
                return 0
            }
            unsafe FrameCallbacks.from(user)?.closed(header.stream_id, code: UInt32(NGHTTP2_REFUSED_STREAM.rawValue))
            return 0
        }
        var session: OpaquePointer?
        let user = unsafe Unmanaged.passUnretained(self).toOpaque()
        guard unsafe nghttp2_session_client_new(&session, table, user) == 0, let session = unsafe session else {
            throw .outOfMemory
        }
        return unsafe session
    }

    /// Lends a request's body to nghttp2 piece by piece. `user` of this callback is the session's, the stream is the
    /// provider's source.
    static func bodyProvider(of stream: FrameSession.Stream) -> nghttp2_data_provider {
        var provider = unsafe nghttp2_data_provider()
        unsafe provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        unsafe provider.read_callback = { _, _, out, capacity, flags, source, user in
            guard let raw = unsafe source?.pointee.ptr, let out = unsafe out, let flags = unsafe flags else { return 0 }
            let stream = unsafe Unmanaged<FrameSession.Stream>.fromOpaque(raw).takeUnretainedValue()
            let count = min(capacity, stream.body.count - stream.sent)
            unsafe stream.body.withUnsafeBufferPointer { body in
                if let start = body.baseAddress { unsafe out.update(from: start + stream.sent, count: count) }
            }
            stream.sent += count
            if let me = unsafe FrameCallbacks.from(user) { stream.deadline = me.now + stream.patience }
            if stream.sent == stream.body.count { unsafe flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue) }
            return count
        }
        return unsafe provider
    }
}
