internal import Intelligence
internal import Logging
internal import Platform
internal import Telemetry

extension FeedUpkeep {
    /// Nil when the file is as it was, or can't be used.
    func readFile(_ index: Int, _ path: String) async -> FeedParse? {
        let now = time.wallMilliseconds(), stamp = FileStamp([path])
        guard stamp != feeds[index].stamp else {
            // The file says still what it said.
            if feeds[index].state.problem == nil { confirm(index, at: now) }
            return nil
        }
        feeds[index].stamp = stamp
        feeds[index].state.asked = now
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try Platform.readFile(path, bytesMax: Limit.feedOctetsMax)
        } catch {
            fail(index, kind: "unreadable", reason: "the file can't be read: \(error)")
            return nil
        }
        return await take(index, bytes, at: now) { _ in }
    }

    /// Nil when the feed is not due, as it was, or can't be had.
    func fetch(_ index: Int, _ url: String) async -> FeedParse? {
        let feed = feeds[index]
        guard time.monotonic() >= feed.due else { return nil }
        let now = time.wallMilliseconds()
        var meta = feed.copy.meta()
        // Changes add up: after so many, everything is asked for again.
        if feed.settings.format == .taxii, let known = meta, known.bytes > Self.pagesOctetsMax {
            meta?.addedAfter = nil
        }
        feeds[index].state.asked = now
        let copy = feed.copy, known = meta
        let answer = await FeedFetch.ask(
            feed.settings, at: url, meta: meta,
            former: { known.flatMap { try? copy.body($0, bytesMax: Limit.feedOctetsMax) } }, transport: transport,
            time: now)
        feeds[index].due = time.monotonic() + feed.settings.refresh
        switch answer {
        case .unchanged(let addedAfter):
            succeed(index)
            confirm(index, at: now, addedAfter: addedAfter)
            return nil
        case .failed(let kind, let reason, let seconds):
            fail(index, kind: kind, reason: reason)
            let doubled = Self.retryFirst * (1 << min(feeds[index].state.failures - 1, 10))
            let wait = min(seconds.map { .seconds(min(max($0, 1), 86_400)) } ?? doubled, feed.settings.refresh)
            feeds[index].due = time.monotonic() + wait
            return nil
        case .contents(var bytes, let entityTag, let lastModified, let addedAfter):
            if feed.settings.format == .taxii, let meta, meta.addedAfter != nil {
                bytes = ((try? feed.copy.body(meta, bytesMax: Limit.feedOctetsMax)) ?? []) + bytes
            }
            return await take(index, bytes, at: now) { meta in
                (meta.entityTag, meta.lastModified, meta.addedAfter) = (entityTag, lastModified, addedAfter)
            }
        }
    }

    /// Reads new contents; if they are good, they are kept.
    private func take(
        _ index: Int, _ bytes: [UInt8], at now: Int64, _ change: @Sendable (inout FeedCopy.Meta) -> Void
    ) async -> FeedParse? {
        let feed = feeds[index]
        let parse = await onThread {
            FeedParse(bytes, of: feed.settings, isAllowList: feed.isAllowList, time: now)
        }
        if let problem = parse.problem {
            fail(index, kind: "contents", reason: problem)
            return nil
        }
        do throws(FeedCopy.Fault) {
            try feed.copy.save(bytes, confirmed: now, change)
        } catch {
            // It is used all the same, until another feed of the tenant changes.
            fail(index, kind: "copy", reason: "it can't be kept on disk: \(error)")
            return parse
        }
        feeds[index].written = now
        succeed(index)
        return parse
    }

    /// The source still says what is in the copy.
    private func confirm(_ index: Int, at now: Int64, addedAfter: String? = nil) {
        let known = feeds[index].state.confirmed ?? 0
        feeds[index].state.confirmed = max(known, now)
        feeds[index].metrics.confirmed(max(known, now))
        // Written down now and then only: it is what a start without the source goes by.
        guard now - feeds[index].written >= Self.writtenMilliseconds || addedAfter != nil,
            var meta = feeds[index].copy.meta()
        else { return }
        feeds[index].written = now
        meta.confirmed = max(meta.confirmed, now)
        if let addedAfter { meta.addedAfter = addedAfter }
        _ = try? feeds[index].copy.save(meta)
    }

    private func succeed(_ index: Int) {
        if feeds[index].state.failures > 0 {
            logger.notice("A feed can be had again.", metadata: ["feed": "\(feeds[index].state.name)"])
        }
        (feeds[index].state.failures, feeds[index].state.problem) = (0, nil)
    }
    private func fail(_ index: Int, kind: String, reason: String) {
        let feed = feeds[index]
        feeds[index].state.failures += 1
        feeds[index].state.problem = reason
        feed.metrics.failed(kind)
        // The first of a row, and then at each doubling.
        let count = feeds[index].state.failures
        guard count & (count - 1) == 0 else { return }
        logger.warning(
            "A feed can't be had: what it said last stays in use.",
            metadata: [
                "feed": "\(feed.state.name)", "tenant": "\(feed.layer.label)", "place": "\(feed.state.place)",
                "reason": "\(reason)", "failures": "\(count)",
            ])
    }
}
