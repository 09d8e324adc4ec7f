internal import CNghttp2

/// One client session of libnghttp2: bytes in, bytes out, outcomes of requests. No socket, no clock.
@safe final class FrameSession {
    /// A request from `submit` to its end. nghttp2 holds an unretained pointer to it; `streams` keeps it alive.
    final class Stream {
        let tag: UInt64, body: [UInt8], patience: Duration
        var sent = 0, deadline: Duration
        var status = 0, fields: [HTTPField] = [], fieldBytes = 0, answer: [UInt8] = []

        init(tag: UInt64, body: [UInt8], deadline: Duration, patience: Duration) {
            self.tag = tag
            self.body = body
            self.deadline = deadline
            self.patience = patience
        }
        func note(field name: String, _ value: String) {
            fieldBytes += name.utf8.count + value.utf8.count
            if fieldBytes <= HTTPLimit.answerFieldBytesMax { fields.append(HTTPField(name, value)) }
        }
        /// A new `:status` ends an interim answer (1xx, RFC 9113 §8.1) and all it said.
        func begin(status: Int) {
            self.status = status
            fields = []
            fieldBytes = 0
        }
    }

    private let session: OpaquePointer
    private let callbacks: FrameCallbacks
    var streams: [Int32: Stream] { callbacks.streams }
    var isGoingAway: Bool { callbacks.isGoingAway }

    init() throws(HTTP2Error) {
        callbacks = FrameCallbacks()
        unsafe session = try callbacks.makeSession()
        let settings = [
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
                value: UInt32(HTTPLimit.answerFieldBytesMax)),
        ]
        let result = unsafe nghttp2_submit_settings(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count)
        guard result == 0 else { throw Self.fault(result) }
    }

    deinit { unsafe nghttp2_session_del(session) }

    static func fault(_ code: Int32) -> HTTP2Error {
        if code == NGHTTP2_ERR_NOMEM.rawValue { return .outOfMemory }
        return .protocolViolation(reason: unsafe String(cString: nghttp2_strerror(code)))
    }

    func submit(
        _ head: HTTPRequestHead, authority: String, body: [UInt8], tag: UInt64, deadline: Duration, patience: Duration
    ) throws(HTTP2Error) {
        guard !isGoingAway, unsafe nghttp2_session_check_request_allowed(session) != 0 else { throw .goingAway }
        let stream = Stream(tag: tag, body: body, deadline: deadline, patience: patience)
        let pseudo = [
            HTTPField(":method", head.method), HTTPField(":scheme", "https"), HTTPField(":authority", authority),
            HTTPField(":path", head.path), HTTPField("content-length", String(body.count)),
        ]
        let id = submit(pseudo + head.fields, stream)
        guard id > 0 else { throw Self.fault(id) }
        callbacks.streams[id] = stream
    }

    /// nghttp2 copies names and values before it returns, so one flat buffer that outlives the call is enough.
    private func submit(_ fields: [HTTPField], _ stream: Stream) -> Int32 {
        var flat: [UInt8] = []
        for field in fields {
            flat += field.name.utf8
            flat += field.value.utf8
        }
        return unsafe flat.withUnsafeMutableBufferPointer { buffer -> Int32 in
            guard var cursor = buffer.baseAddress else { return NGHTTP2_ERR_INVALID_ARGUMENT.rawValue }
            var pairs: [nghttp2_nv] = unsafe []
            for field in fields {
                let name = field.name.utf8.count, value = field.value.utf8.count
                unsafe pairs.append(
                    nghttp2_nv(
                        name: cursor, value: cursor + name, namelen: name, valuelen: value,
                        flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)))
                unsafe cursor += name + value
            }
            var provider = unsafe FrameCallbacks.bodyProvider(of: stream)
            return unsafe nghttp2_submit_request(session, nil, pairs, pairs.count, &provider, nil)
        }
    }

    func receive(_ bytes: ArraySlice<UInt8>) throws(HTTP2Error) {
        let used = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe nghttp2_session_mem_recv(session, buffer.baseAddress, buffer.count)
        }
        guard used >= 0 else { throw Self.fault(Int32(used)) }
        for id in callbacks.takeCancelled() { reset(id) }
    }

    /// Moves frames to `output` until it is full or nothing is left; a request whose body moves on is in progress, and
    /// its patience starts anew.
    func fill(_ output: inout OutputBuffer, at now: Duration) throws(HTTP2Error) {
        callbacks.now = now
        while output.hasRoom {
            var frame: UnsafePointer<UInt8>?
            let count = unsafe nghttp2_session_mem_send(session, &frame)
            guard count >= 0 else { throw Self.fault(Int32(count)) }
            guard count > 0 else { return }
            unsafe output.append(UnsafeBufferPointer(start: frame, count: count))
        }
    }

    func ping() { unsafe nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil) }

    func terminate() { unsafe nghttp2_session_terminate_session(session, UInt32(NGHTTP2_NO_ERROR.rawValue)) }

    var isFinished: Bool {
        unsafe nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
    }

    // MARK: Outcomes and deadlines

    func takeOutcomes() -> [HTTP2Outcome] { callbacks.takeOutcomes() }

    var nextDeadline: Duration? { streams.values.map(\.deadline).min() }

    func expire(at now: Duration) {
        for (id, stream) in streams where stream.deadline <= now {
            callbacks.end(id, .failed(.requestTimedOut, tag: stream.tag))
            reset(id)
        }
    }

    private func reset(_ id: Int32) {
        unsafe nghttp2_submit_rst_stream(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, UInt32(NGHTTP2_CANCEL.rawValue))
    }
}
