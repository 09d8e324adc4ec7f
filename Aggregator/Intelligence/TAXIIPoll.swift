/// Asking a collection of a TAXII 2.1 server (OASIS) for what was added since last time, as a value: it says which
/// request comes next and takes in the answers; who sends them is a shell.
///
/// Invariants: it ends: pages are counted, a page that leads to itself is refused, and what was reached so far is only
/// given to the next poll when the whole answer was read. Not here: credentials, HTTP, time.

package struct TAXIIRequest: Equatable, Sendable {
    /// Below the API root: `collections/{id}/objects/`.
    package let path: String
    /// In order; values are not percent-encoded.
    package let query: [Item]
    package let accept = "application/taxii+json;version=2.1"
    package struct Item: Equatable, Sendable {
        package let name: String, value: String

        package init(name: String, value: String) { (self.name, self.value) = (name, value) }
    }
}

package struct TAXIIPoll: Sendable {
    package enum Step: Equatable, Sendable {
        case ask(TAXIIRequest)
        /// Ask again after this many seconds.
        case wait(seconds: Int)
        /// All was read. What to give to the next poll.
        case done(addedAfter: String?)
        case failed(Fault)
    }
    package enum Fault: Error, Equatable, Sendable {
        /// 401 or 403.
        case notAllowed
        /// 404: no such collection, or one that can't be read.
        case notFound
        /// 406 or 415: the server does not speak TAXII 2.1.
        case otherVersion
        case status(Int)
        /// The body was no envelope.
        case malformed
        /// A page leads to itself, or there are more than `Limit.pagesMax`.
        case endless
        /// Put off more than `waitsMax` times in a row.
        case busy
    }

    package static let waitsMax = 8
    private let collection: String, pageObjects: Int
    /// Of the last answer that had one: where the next poll begins.
    private var lastAdded: String?
    private var page: String?
    private var begin: String?
    private var pages = 0, waits = 0
    private var waitSeconds: Int?
    /// Set once it has ended.
    private var end: Step?

    /// - Parameters:
    ///   - collection: its id; letters, digits and hyphens, others are refused as `.notFound`.
    ///   - addedAfter: what the last poll's `.done` said; nil asks for everything.
    package init(collection: String, addedAfter: String?, pageObjects: Int = 5_000) {
        self.collection = collection
        self.pageObjects = min(max(pageObjects, 1), Limit.objectsMax)
        lastAdded = addedAfter
        begin = addedAfter
        let isPlain = collection.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D
        }
        if !isPlain || !(1...64).contains(collection.utf8.count) { end = .failed(.notFound) }
    }

    /// What to do now.
    package var step: Step { end ?? (waitSeconds.map { .wait(seconds: $0) } ?? .ask(request)) }

    /// To be said when a wait is over.
    package mutating func waited() { waitSeconds = nil }

    private var request: TAXIIRequest {
        var query: [TAXIIRequest.Item] = []
        if let begin { query.append(.init(name: "added_after", value: begin)) }
        query.append(.init(name: "limit", value: String(pageObjects)))
        query.append(
            .init(name: "match[type]", value: "indicator,malware,attack-pattern,relationship,marking-definition"))
        if let page { query.append(.init(name: "next", value: page)) }
        return TAXIIRequest(path: "collections/\(collection)/objects/", query: query)
    }

    /// Takes in the answer to the last request.
    /// - Parameters:
    ///   - headers: names in lower case.
    ///   - read: counts what is refused.
    /// - Returns: the page's indicators by object.
    package mutating func received(
        status: Int, headers: [String: String], body: [UInt8], into read: inout FeedRead
    ) -> [STIXVersion] {
        guard end == nil else { return [] }
        switch status {
        case 200: break
        case 429, 503:
            waits += 1
            waitSeconds = delaySeconds(retryAfter: headers["retry-after"])
            return waits > Self.waitsMax ? fail(.busy) : []
        case 401, 403: return fail(.notAllowed)
        case 404: return fail(.notFound)
        case 406, 415: return fail(.otherVersion)
        default: return fail(.status(status))
        }
        waits = 0
        guard let envelope = read.document(body, as: STIXObjects.self) else { return fail(.malformed) }
        advance(envelope, lastOfPage: headers["x-taxii-date-added-last"].map { Limit.short($0) })
        return read.versions(in: envelope)
    }

    private mutating func advance(_ envelope: STIXObjects, lastOfPage: String?) {
        pages += 1
        if let lastOfPage, Moment.milliseconds(lastOfPage) != nil { lastAdded = lastOfPage }
        guard envelope.more == true else {
            end = .done(addedAfter: lastAdded)
            return
        }
        let (oldPage, oldBegin) = (page, begin)
        // Without `next` a server means the client to go on from the last object's date (TAXII 2.1 §3.4, §5.4).
        (page, begin) = envelope.next.map { (Limit.short($0), begin) } ?? (nil, lastAdded)
        if pages >= Limit.pagesMax || (page == oldPage && begin == oldBegin) { end = .failed(.endless) }
    }

    /// By the answer's `Retry-After` (seconds, at most an hour), else twice as long each time.
    private func delaySeconds(retryAfter: String?) -> Int {
        if let seconds = retryAfter.flatMap({ Int($0) }), seconds >= 0 { return min(seconds, 3_600) }
        return min(30 << min(max(waits - 1, 0), 6), 3_600)
    }

    private mutating func fail(_ fault: Fault) -> [STIXVersion] {
        end = .failed(fault)
        return []
    }
}

extension FeedRead {
    /// What stands after all of `pages`, which are answers of a collection in the order in which they came.
    package mutating func readTAXII(pages: [[UInt8]]) {
        var standing = StandingFeed()
        for page in pages {
            guard let envelope = document(page, as: STIXObjects.self) else { continue }
            standing.take(versions(in: envelope))
        }
        standing.prune(before: time)
        for indicator in standing.indicators { append(indicator) }
    }
}

/// A feed that sends changes: what stands after all of them. Bounded; the object that was changed longest ago makes
/// room, and is counted.
package struct StandingFeed: Sendable {
    private var versions: [String: STIXVersion] = [:]
    private let objectsMax: Int
    package private(set) var evictions = 0

    package init(objectsMax: Int = Limit.objectsMax) { self.objectsMax = max(objectsMax, 1) }

    package var objects: Int { versions.count }
    /// In the order of the objects' ids.
    package var indicators: [Indicator] {
        versions.sorted { $0.key < $1.key }.flatMap(\.value.indicators)
    }

    /// An older version of what is known is passed over: pages of one poll may overlap.
    package mutating func take(_ changes: [STIXVersion]) {
        for change in changes {
            if let known = versions[change.id], known.modified > change.modified { continue }
            versions[change.id] = change
        }
        let excess = versions.count - objectsMax
        guard excess > 0 else { return }
        let oldest = versions.values.sorted { ($0.modified, $0.id) < ($1.modified, $1.id) }.prefix(excess)
        for version in oldest { versions[version.id] = nil }
        evictions += excess
    }

    /// Drops indicators that ended before `time`, in ms since 1970 UTC, and objects of which nothing is left but those
    /// revoked, which must stay known.
    package mutating func prune(before time: Int64) {
        versions = versions.filter { entry in
            let indicators = entry.value.indicators
            return indicators.isEmpty || indicators.contains { $0.expires.map { $0 > time } ?? true }
        }
    }
}
