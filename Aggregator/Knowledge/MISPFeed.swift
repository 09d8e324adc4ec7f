internal import Intelligence

/// A MISP feed of many files: `manifest.json` in a folder, and `<uuid>.json` for each event.
///
/// Invariants: an event is asked for when it is new or its time of change is another, and otherwise taken from the
/// copy; a feed is taken whole or, when an event can't be had or an answer is none, not at all; one that is gone
/// meanwhile (404, 410) is left out. Octets are bounded as other feeds' are.
/// The copy is pages: first a line `uuid timestamp` for each event, then the events in that order.
enum MISPFeed {
    private static let atOnce = 4

    /// - Parameter former: the copy's octets, if there is one.
    static func ask(
        _ feed: FeedSettings, _ url: String, _ meta: FeedCopy.Meta?, former: @Sendable () -> [UInt8]?,
        _ transport: any FeedTransport, _ time: Int64
    ) async throws(FeedTransportFault) -> FeedFetch {
        let name = "manifest.json", base = url.hasSuffix(name) ? String(url.dropLast(name.count)) : url
        let root = base.hasSuffix("/") ? base : base + "/"
        let answer = try await FeedFetch.document(feed, root + name, meta, transport)
        guard case .contents(let manifest, let entityTag, let lastModified, _) = answer else { return answer }
        var scratch = FeedRead(source: feed.source, time: time)
        guard let entries = scratch.readMISPManifest(manifest), !entries.isEmpty || scratch.refusals.isEmpty else {
            return .failed(kind: "contents", reason: "\(name) is not a manifest", retrySeconds: nil)
        }
        let known = events(in: former() ?? [])
        var pages: [(entry: MISPManifestEntry, page: [UInt8])] = [], octets = 0
        for first in stride(from: 0, to: entries.count, by: atOnce) {
            let some = entries[first..<min(first + atOnce, entries.count)]
            for result in await events(some, known, feed, root, transport, time) {
                switch result {
                case .failure(let fault): throw fault
                case .success(.failed(let failure)): return failure
                case .success(.gone): continue
                case .success(.event(let entry, let page)):
                    octets += page.count
                    guard octets <= Limit.feedOctetsMax else {
                        throw FeedTransportFault(.tooLarge, "more than \(Limit.feedOctetsMax >> 20) MiB of events")
                    }
                    pages.append((entry, page))
                }
            }
        }
        let index = pages.map { "\($0.entry.uuid) \($0.entry.timestamp)\n" }.joined()
        return .contents(
            Pages.joined([Array(index.utf8)] + pages.map(\.page)), entityTag: entityTag, lastModified: lastModified,
            addedAfter: nil)
    }

    /// The events of a copy, by the state that they are in.
    static func events(in copy: [UInt8]) -> [MISPManifestEntry: [UInt8]] {
        let pages = Pages.split(copy)
        guard let first = pages.first else { return [:] }
        let entries = String(decoding: first, as: UTF8.self).split(separator: "\n").map { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            return MISPManifestEntry(uuid: fields[0], timestamp: fields.count > 1 ? String(fields[1]) : "")
        }
        guard entries.count == pages.count - 1 else { return [:] }
        var events: [MISPManifestEntry: [UInt8]] = [:]
        for (entry, page) in zip(entries, pages.dropFirst()) { if let entry { events[entry] = page } }
        return events
    }

    private enum Asked: Sendable {
        case event(MISPManifestEntry, [UInt8])
        case gone
        case failed(FeedFetch)
    }

    /// In the order of `entries`.
    private static func events(
        _ entries: ArraySlice<MISPManifestEntry>, _ known: [MISPManifestEntry: [UInt8]], _ feed: FeedSettings,
        _ root: String, _ transport: any FeedTransport, _ time: Int64
    ) async -> [Result<Asked, FeedTransportFault>] {
        await withTaskGroup(of: (Int, Result<Asked, FeedTransportFault>).self) { group in
            for (number, entry) in entries.enumerated() {
                if let page = known[entry] {
                    group.addTask { (number, .success(.event(entry, page))) }
                } else {
                    group.addTask { (number, await event(entry, feed, root, transport, time)) }
                }
            }
            var results: [(Int, Result<Asked, FeedTransportFault>)] = []
            for await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
    private static func event(
        _ entry: MISPManifestEntry, _ feed: FeedSettings, _ root: String, _ transport: any FeedTransport, _ time: Int64
    ) async -> Result<Asked, FeedTransportFault> {
        do throws(FeedTransportFault) {
            var request = FeedFetch.request(feed, "\(root)\(entry.uuid).json", bytesMax: Limit.documentOctetsMax)
            request.headers["accept"] = "application/json, */*;q=0.5"
            let answer = try await transport.fetch(request)
            switch answer.status {
            case 200:
                var scratch = FeedRead(source: feed.source, time: time)
                guard scratch.readMISP(answer.body) else {
                    return .success(
                        .failed(
                            .failed(
                                kind: "contents", reason: "\(entry.uuid).json is not an event", retrySeconds: nil)))
                }
                return .success(.event(entry, answer.body))
            case 404, 410: return .success(.gone)
            default:
                return .success(
                    .failed(
                        .failed(
                            kind: "status", reason: "of event \(entry.uuid) the server says \(answer.status)",
                            retrySeconds: answer.headers["retry-after"].flatMap { Int($0) })))
            }
        } catch {
            return .failure(error)
        }
    }
}
