internal import Foundation

/// What JetStream refuses, by name.
package enum JetStreamError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No answer of JetStream's at all.
    case nats(NATSError)
    /// Another one was first: the subject's last message is not the expected one (10071).
    case wrongLastSequence
    /// The same id is on its way to the replicas (10158): ask again.
    case inProgress
    /// The stream has no room and takes nothing new (10077), or its disk has none (10047).
    case full
    /// There is no such stream, consumer or message (404).
    case notFound
    /// There is a stream or consumer of this name with other settings (10058, 10012, 10013).
    case otherSettings
    /// No leader now (503).
    case unavailable(String)
    /// The server has not taken a setting over.
    case differs(stream: String, setting: String)
    case refused(code: Int, number: Int, String)

    init(code: Int, number: Int, text: String) {
        switch (code, number) {
        case (_, 10_071), (_, 10_164): self = .wrongLastSequence
        case (_, 10_158): self = .inProgress
        case (_, 10_077), (_, 10_047), (_, 10_023), (_, 10_122): self = .full
        case (_, 10_058), (_, 10_012), (_, 10_013), (_, 10_148): self = .otherSettings
        case (404, _): self = .notFound
        case (503, _): self = .unavailable("\(number): \(text)")
        default: self = .refused(code: code, number: number, text)
        }
    }
    package var description: String {
        switch self {
        case .nats(let error): "\(error)"
        case .wrongLastSequence: "another message was first"
        case .inProgress: "the same message is on its way"
        case .full: "the stream or its disk is full"
        case .notFound: "there is no such stream, consumer or message"
        case .otherSettings: "there is one of this name with other settings"
        case .unavailable(let text): "JetStream can't answer now (\(text))"
        case .differs(let stream, let setting): "the stream \(stream) has another \(setting) than is needed"
        case .refused(let code, let number, let text): "JetStream refuses: \(code), \(number) \(text)"
        }
    }
}

/// What became of a message.
package struct PublishAnswer: Decodable, Equatable, Sendable {
    private let seq: UInt64, duplicate: Bool?
    package var sequence: UInt64 { seq }
    /// A message of the same id is there already, with this sequence.
    package var isDuplicate: Bool { duplicate ?? false }
}

/// A message as a stream holds it.
package struct StoredMessage: Equatable, Sendable {
    package let subject: String, sequence: UInt64, headers: NATSHeaders, payload: [UInt8]

    init(subject: String, sequence: UInt64, headers: NATSHeaders, payload: [UInt8]) {
        self.subject = subject
        self.sequence = sequence
        self.headers = headers
        self.payload = payload
    }
    /// Of an answer to `DIRECT.GET`.
    init?(_ message: NATSMessage) {
        guard let subject = message.headers["Nats-Subject"],
            let sequence = message.headers["Nats-Sequence"].flatMap({ UInt64($0) })
        else { return nil }
        self.init(subject: subject, sequence: sequence, headers: message.headers, payload: message.payload)
    }
}

/// A stream's settings, those that Weir relies on. All others are the server's defaults.
package struct StreamSettings: Codable, Equatable, Sendable {
    package enum Discard: String, Codable, Sendable { case new, old }
    package let name: String
    package var subjects: [String]
    package var replicas: Int
    package var discard: Discard
    /// In octets; -1: as much as the server has.
    package var bytesMax: Int64
    /// Of one subject; -1: any number.
    package var messagesPerSubjectMax: Int64
    /// Nanoseconds; 0: for ever.
    package var ageMax: Int64
    /// Within which a repeated id is known, in nanoseconds.
    package var duplicateWindow: Int64
    /// Of the first message, when the stream is made.
    package var firstSequence: UInt64?
    private var storage = "file", retention = "limits", directReads = true

    package init(
        name: String, subjects: [String], replicas: Int, discard: Discard = .new, bytesMax: Int64 = -1,
        messagesPerSubjectMax: Int64 = -1, ageMax: Duration = .zero, duplicateWindow: Duration = .seconds(120),
        firstSequence: UInt64? = nil
    ) {
        self.name = name
        self.subjects = subjects
        self.replicas = replicas
        self.discard = discard
        self.bytesMax = bytesMax
        self.messagesPerSubjectMax = messagesPerSubjectMax
        self.ageMax = ageMax.components.seconds * 1_000_000_000
        self.duplicateWindow = duplicateWindow.components.seconds * 1_000_000_000
        self.firstSequence = firstSequence
    }
    private enum CodingKeys: String, CodingKey {
        case name, subjects, discard, storage, retention
        case replicas = "num_replicas"
        case bytesMax = "max_bytes"
        case messagesPerSubjectMax = "max_msgs_per_subject"
        case ageMax = "max_age"
        case duplicateWindow = "duplicate_window"
        case firstSequence = "first_seq"
        case directReads = "allow_direct"
    }

    /// The name of a setting that the server has otherwise, but for the first sequence, which is its maker's.
    func difference(from had: StreamSettings) -> String? {
        if had.subjects != subjects { return "subjects" }
        if had.replicas != replicas { return "num_replicas" }
        if had.discard != discard { return "discard" }
        if had.bytesMax != bytesMax { return "max_bytes" }
        if had.messagesPerSubjectMax != messagesPerSubjectMax { return "max_msgs_per_subject" }
        if had.ageMax != ageMax { return "max_age" }
        if had.duplicateWindow != duplicateWindow { return "duplicate_window" }
        if had.storage != storage { return "storage" }
        if had.retention != retention { return "retention" }
        return had.directReads == directReads ? nil : "allow_direct"
    }
}

struct StreamAnswer: Decodable {
    struct State: Decodable {
        let messages: UInt64, bytes: UInt64, first: UInt64, last: UInt64, subjects: [String: Int]?

        private enum CodingKeys: String, CodingKey {
            case messages, bytes, subjects
            case first = "first_seq"
            case last = "last_seq"
        }
    }
    let config: StreamSettings, state: State
}

/// What a stream holds.
package struct StreamState: Equatable, Sendable {
    package let messages: UInt64, bytes: UInt64
    /// Of the oldest message; one more than the last when there is none.
    package let firstSequence: UInt64
    package let lastSequence: UInt64
    /// As the stream was made.
    package let bornSequence: UInt64

    init(_ answer: StreamAnswer) {
        messages = answer.state.messages
        bytes = answer.state.bytes
        firstSequence = answer.state.first
        lastSequence = answer.state.last
        bornSequence = answer.config.firstSequence ?? 1
    }
}
