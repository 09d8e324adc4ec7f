internal import Foundation

/// JetStream's questions and answers, over one `NATSClient`.
package struct JetStreamAPI: Sendable {
    package let client: NATSClient
    /// For each request.
    package var timeout: Duration

    package init(_ client: NATSClient, timeout: Duration = .seconds(5)) {
        self.client = client
        self.timeout = timeout
    }

    private struct Problem: Decodable {
        let code: Int, number: Int?, description: String?

        private enum CodingKeys: String, CodingKey {
            case code, description
            case number = "err_code"
        }
    }
    private struct MessageAnswer: Decodable {
        struct Message: Decodable {
            let subject: String, seq: UInt64, hdrs: Data?, data: Data?
        }
        let message: Message
    }
    private struct Envelope: Decodable {
        let error: Problem?
    }

    /// - Throws: what the server says is wrong, by name.
    private func answered<Answer: Decodable>(
        _ message: NATSMessage, as type: Answer.Type
    ) throws(JetStreamError) -> Answer {
        let data = Data(message.payload)
        if let problem = (try? JSONDecoder().decode(Envelope.self, from: data))?.error {
            throw JetStreamError(
                code: problem.code, number: problem.number ?? 0, text: problem.description ?? "")
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: data)
        } catch {
            throw .nats(.malformed("an answer (\(error))"))
        }
    }
    /// One request of the JSON API.
    /// - Parameter subject: behind `$JS.API.`.
    package func ask<Answer: Decodable>(
        _ subject: String, _ body: some Encodable, as type: Answer.Type
    ) async throws(JetStreamError) -> Answer {
        let payload: [UInt8]
        do { payload = [UInt8](try JSONEncoder().encode(body)) } catch {
            throw .nats(.invalid("\(subject): \(error)"))
        }
        return try answered(try await request("$JS.API.\(subject)", payload: payload), as: type)
    }
    private func request(
        _ subject: String, headers: NATSHeaders = NATSHeaders(), payload: [UInt8]
    ) async throws(JetStreamError) -> NATSMessage {
        do throws(NATSError) {
            return try await client.request(subject, headers: headers, payload: payload, timeout: timeout)
        } catch {
            throw .nats(error)
        }
    }

    // MARK: Messages

    /// Puts a message in the stream that has its subject. Returns after a majority of the replicas has it on disk.
    /// - Parameters:
    ///   - id: of which the stream keeps one within its window.
    ///   - expecting: the sequence that the subject's last message must have; 0: there must be none.
    package func publish(
        _ subject: String, id: String? = nil, expecting: UInt64? = nil, headers: NATSHeaders = NATSHeaders(),
        payload: [UInt8] = []
    ) async throws(JetStreamError) -> PublishAnswer {
        var headers = headers
        if let id { headers["Nats-Msg-Id"] = id }
        if let expecting { headers["Nats-Expected-Last-Subject-Sequence"] = "\(expecting)" }
        return try answered(
            try await request(subject, headers: headers, payload: payload), as: PublishAnswer.self)
    }

    /// The messages from `sequence` on, in order, from any replica: fewer than asked for when one lags, or when some
    /// were lost on their way; never with one left out between.
    package func read(
        _ stream: String, from sequence: UInt64, count: Int, bytesMax: Int
    ) async throws(JetStreamError) -> [StoredMessage] {
        struct Body: Encodable {
            let seq: UInt64, batch: Int, bytesMax: Int

            private enum CodingKeys: String, CodingKey {
                case seq, batch
                case bytesMax = "max_bytes"
            }
        }
        let body = Body(seq: sequence, batch: count, bytesMax: bytesMax)
        let answers = try await gather("$JS.API.DIRECT.GET.\(stream)", body)
        var found: [StoredMessage] = [], last: UInt64 = 0
        for answer in answers {
            if answer.status == 503 { throw .nats(.noResponders) }
            guard answer.status == nil, let message = StoredMessage(answer) else { break }
            // The first says 0; each other which one came before it.
            guard answer.headers.number("Nats-Last-Sequence").map({ UInt64(clamping: $0) }) == last else { break }
            last = message.sequence
            found.append(message)
        }
        return found
    }
    private func gather(_ subject: String, _ body: some Encodable) async throws(JetStreamError) -> [NATSMessage] {
        guard let payload = try? JSONEncoder().encode(body) else { throw .nats(.invalid(subject)) }
        do throws(NATSError) {
            return try await client.gather(
                NATSMessage(subject: subject, payload: [UInt8](payload)), timeout: timeout
            ) { $0.status != nil }
        } catch {
            throw .nats(error)
        }
    }

    /// The last message of a subject; nil if there is none.
    package func last(_ stream: String, subject: String) async throws(JetStreamError) -> StoredMessage? {
        try await one(stream, ["last_by_subj": subject])
    }
    /// The message with this sequence; nil if it is gone.
    package func message(_ stream: String, _ sequence: UInt64) async throws(JetStreamError) -> StoredMessage? {
        guard let found = try await one(stream, ["seq": sequence]), found.sequence == sequence else { return nil }
        return found
    }
    /// From the leader, so that what was just written is there.
    private func one(_ stream: String, _ body: some Encodable) async throws(JetStreamError) -> StoredMessage? {
        do throws(JetStreamError) {
            let found = try await ask("STREAM.MSG.GET.\(stream)", body, as: MessageAnswer.self).message
            var headers = NATSHeaders()
            do throws(NATSError) {
                if let fields = found.hdrs { headers = try NATSHeaders.decode([UInt8](fields)).headers }
            } catch {
                throw JetStreamError.nats(error)
            }
            return StoredMessage(
                subject: found.subject, sequence: found.seq, headers: headers, payload: [UInt8](found.data ?? Data()))
        } catch .notFound {
            return nil
        }
    }

    // MARK: Streams

    /// Makes a stream if there is none, and compares what the server says it has with what was asked for.
    /// - Throws: `.differs` with the setting's name.
    package func ensure(_ settings: StreamSettings) async throws(JetStreamError) -> StreamState {
        let answer: StreamAnswer
        do throws(JetStreamError) {
            answer = try await ask("STREAM.CREATE.\(settings.name)", settings, as: StreamAnswer.self)
        } catch .otherSettings {
            answer = try await info(settings.name)
        }
        if let difference = settings.difference(from: answer.config) {
            throw .differs(stream: settings.name, setting: difference)
        }
        return StreamState(answer)
    }
    package func state(of stream: String) async throws(JetStreamError) -> StreamState {
        StreamState(try await info(stream))
    }
    private func info(_ stream: String) async throws(JetStreamError) -> StreamAnswer {
        try await ask("STREAM.INFO.\(stream)", [String: String](), as: StreamAnswer.self)
    }
    /// How many messages each subject has, of those that match.
    package func subjects(_ stream: String, matching filter: String) async throws(JetStreamError) -> [String: Int] {
        try await ask("STREAM.INFO.\(stream)", ["subjects_filter": filter], as: StreamAnswer.self).state.subjects ?? [:]
    }

    /// Gives up all messages before `sequence`.
    package func purge(_ stream: String, before sequence: UInt64) async throws(JetStreamError) {
        _ = try await ask("STREAM.PURGE.\(stream)", ["seq": sequence], as: Done.self)
    }
    /// Gives up all messages of the subjects that match.
    package func purge(_ stream: String, subject: String) async throws(JetStreamError) {
        _ = try await ask("STREAM.PURGE.\(stream)", ["filter": subject], as: Done.self)
    }
    package func delete(_ stream: String) async throws(JetStreamError) {
        _ = try await ask("STREAM.DELETE.\(stream)", [String: String](), as: Done.self)
    }
    private struct Done: Decodable {
        let success: Bool
    }
}
