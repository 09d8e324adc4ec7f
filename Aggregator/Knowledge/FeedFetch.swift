internal import Intelligence

/// What asking a feed's source came to.
enum FeedFetch: Sendable {
    /// It is as it was.
    case unchanged(addedAfter: String?)
    case contents([UInt8], entityTag: String?, lastModified: String?, addedAfter: String?)
    /// Ask again after so many seconds, or when it is due.
    case failed(kind: String, reason: String, retrySeconds: Int?)

    private static let waitMax = 60

    /// Asks `feed`'s URL, with what is known of the copy.
    /// - Parameter former: the copy's octets, if they can be read.
    static func ask(
        _ feed: FeedSettings, at url: String, meta: FeedCopy.Meta?, former: @Sendable () -> [UInt8]?,
        transport: any FeedTransport, time: Int64
    ) async -> FeedFetch {
        do throws(FeedTransportFault) {
            switch feed.format {
            case .taxii: return try await collection(feed, url, meta, transport, time)
            case .mispFeed: return try await MISPFeed.ask(feed, url, meta, former: former, transport, time)
            default: return try await document(feed, url, meta, transport)
            }
        } catch {
            return .failed(kind: error.kind.rawValue, reason: error.reason, retrySeconds: nil)
        }
    }

    /// One file.
    static func document(
        _ feed: FeedSettings, _ url: String, _ meta: FeedCopy.Meta?, _ transport: any FeedTransport
    ) async throws(FeedTransportFault) -> FeedFetch {
        let isLines = feed.format == .list || feed.format == .table
        var request = request(feed, url, bytesMax: isLines ? Limit.feedOctetsMax : Limit.documentOctetsMax)
        request.headers["accept"] = isLines ? "text/plain, text/csv, */*" : "application/json, */*;q=0.5"
        request.headers["if-none-match"] = meta?.entityTag
        request.headers["if-modified-since"] = meta?.lastModified
        let answer = try await transport.fetch(request)
        switch answer.status {
        case 304 where meta != nil: return .unchanged(addedAfter: nil)
        case 200:
            return .contents(
                answer.body, entityTag: answer.headers["etag"], lastModified: answer.headers["last-modified"],
                addedAfter: nil)
        default:
            return .failed(
                kind: "status", reason: "the server says \(answer.status)",
                retrySeconds: answer.headers["retry-after"].flatMap { Int($0) })
        }
    }
    static func request(_ feed: FeedSettings, _ url: String, bytesMax: Int) -> FeedRequest {
        var request = FeedRequest(url: url, bytesMax: bytesMax)
        (request.authorization, request.trust) = (feed.authorization, feed.trust)
        return request
    }

    /// All pages since the last poll, or all there are.
    private static func collection(
        _ feed: FeedSettings, _ root: String, _ meta: FeedCopy.Meta?, _ transport: any FeedTransport, _ time: Int64
    ) async throws(FeedTransportFault) -> FeedFetch {
        var poll = TAXIIPoll(collection: feed.collection ?? "", addedAfter: meta?.addedAfter)
        var pages: [[UInt8]] = [], bytes = 0, hasNews = false
        while true {  // ends: `TAXIIPoll` does
            switch poll.step {
            case .ask(let asked):
                var request = request(feed, Self.url(root, asked), bytesMax: Limit.documentOctetsMax)
                request.headers["accept"] = asked.accept
                let answer = try await transport.fetch(request)
                var scratch = FeedRead(source: feed.source, time: time)
                let versions = poll.received(
                    status: answer.status, headers: answer.headers, body: answer.body, into: &scratch)
                guard answer.status == 200 else { continue }
                hasNews = hasNews || !versions.isEmpty
                bytes += answer.body.count + 4
                guard bytes <= Limit.feedOctetsMax else {
                    throw FeedTransportFault(.tooLarge, "more than \(Limit.feedOctetsMax >> 20) MiB of pages")
                }
                pages.append(answer.body)
            case .wait(let seconds):
                let isSlept = seconds <= waitMax ? (try? await Task.sleep(for: .seconds(seconds))) != nil : false
                guard isSlept else {
                    return .failed(kind: "busy", reason: "the server asks to wait", retrySeconds: seconds)
                }
                poll.waited()
            case .done(let addedAfter):
                if !hasNews, meta?.addedAfter != nil { return .unchanged(addedAfter: addedAfter) }
                return .contents(Pages.joined(pages), entityTag: nil, lastModified: nil, addedAfter: addedAfter)
            case .failed(let fault):
                return .failed(kind: "taxii", reason: "the TAXII server: \(fault)", retrySeconds: nil)
            }
        }
    }

    /// Percent-encoded as RFC 3986 §2.1 has it.
    static func url(_ root: String, _ request: TAXIIRequest) -> String {
        let query = request.query.map { "\(encoded($0.name))=\(encoded($0.value))" }.joined(separator: "&")
        return (root.hasSuffix("/") ? root : root + "/") + request.path + "?" + query
    }
    private static func encoded(_ text: String) -> String {
        text.utf8.map { octet in
            let isPlain =
                (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
                || "-._~".utf8.contains(octet)
            guard !isPlain else { return String(UnicodeScalar(octet)) }
            let digits = String(octet, radix: 16, uppercase: true)
            return digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
        .joined()
    }
}
