internal import BatchFormat
internal import FlowModel
internal import FlowStore
internal import QueryEngine
internal import SegmentFormat

/// What a segment's head and Bloom filter say about a question.
enum Pruned {
    /// None of its blocks can have a row that matches: bounds tell, or the filter.
    case byBounds, byBloom
    case blocks(SegmentHead, [Candidate])
    case failed(any Error)
}

/// Which segments need not be read. Heads and slices of filters are small, so those of several segments are read at
/// once: a turn to the store takes as long as reading them.
extension HistoryWalk {
    /// Segments that are looked at together.
    static var togetherMax: Int { 8 }

    /// Throws what is wrong with the store; what is wrong with one of the segments is in its place.
    mutating func prune(_ segments: [Segment], _ consumer: some BlockConsumer) async throws -> [Pruned] {
        do throws(FlowStoreError) {
            var pruned = try await openHeads(of: segments, consumer)
            try await askFilters(of: segments, &pruned, consumer)
            return pruned
        } catch {
            guard error.isOfOneSegment else { throw error }
            guard segments.count > 1 else { return [.failed(error)] }
        }
        var pruned: [Pruned] = []
        for segment in segments { pruned += try await prune([segment], consumer) }
        return pruned
    }

    private mutating func openHeads(
        of segments: [Segment], _ consumer: some BlockConsumer
    ) async throws(FlowStoreError) -> [Pruned] {
        var pruned: [Pruned] = []
        for bytes in try await store.blobs(segments.map { SegmentAsk($0, .head) }, tenant: tenant) {
            effort.bytesRead += bytes?.count ?? 0
            do {
                guard let bytes else { throw FlowStoreError.gone }
                let head = try SegmentHead(bytes), candidates = candidates(head, floor: consumer.floor)
                pruned.append(candidates.isEmpty ? .byBounds : .blocks(head, candidates))
            } catch {
                pruned.append(.failed(error))
            }
        }
        return pruned
    }
    private func candidates(_ head: SegmentHead, floor: Int64?) -> [Candidate] {
        (0..<head.blockCount).compactMap { number in
            let bounds = SegmentBounds(head: head, block: number)
            if let floor, bounds.times(.flowEndMilliseconds).upperBound < floor { return nil }
            let left = condition.simplified(by: bounds)
            if case .none = left { return nil }
            return Candidate(block: number, stages: left.stages)
        }
    }

    /// Asks the Bloom filters of those that are left, if they can have an answer to this question.
    private mutating func askFilters(
        of segments: [Segment], _ pruned: inout [Pruned], _ consumer: some BlockConsumer
    ) async throws(FlowStoreError) {
        let condition = condition
        func holds(_ may: (IPNetwork) -> Bool) -> Bool { condition.canMatch(may) && consumer.canMatch(may) }
        let isAsked = !holds { !SegmentBloom.knows($0) }
        guard isAsked else { return }
        let networks = networks(consumer)
        var filters: [(place: Int, first: Int, ranges: [Range<Int>], filter: SegmentBloom)] = []
        var asked: [SegmentAsk] = []
        for place in pruned.indices {
            guard case .blocks(let head, _) = pruned[place] else { continue }
            do throws(SegmentError) {
                let filter = try SegmentBloom(head), ranges = filter.needs(networks)
                filters.append((place, asked.count, ranges, filter))
                asked += ranges.map { SegmentAsk(segments[place], .bloom, $0) }
            } catch {
                pruned[place] = .failed(error)
            }
        }
        let answers = try await store.blobs(asked, tenant: tenant)
        for (place, first, ranges, empty) in filters {
            var filter = empty
            do {
                for (range, bytes) in zip(ranges, answers[first...]) {
                    guard let bytes else { throw FlowStoreError.gone }
                    effort.bytesRead += bytes.count
                    try filter.supply(bytes, at: range.lowerBound)
                }
                let filled = filter
                if !holds({ filled.mayContain($0) }) { pruned[place] = .byBloom }
            } catch {
                pruned[place] = .failed(error)
            }
        }
    }
    /// All that the question may ask a filter about.
    private mutating func networks(_ consumer: some BlockConsumer) -> [IPNetwork] {
        if let askedNetworks { return askedNetworks }
        var networks = condition.networks
        _ = consumer.canMatch { network in
            networks.append(network)
            return false
        }
        askedNetworks = networks
        return networks
    }

    /// What is left of a segment: nil when nothing is, which is counted.
    mutating func open(_ pruned: Pruned) throws -> (SegmentHead, [Candidate])? {
        switch pruned {
        case .byBounds:
            effort.skippedByBounds += 1
            return nil
        case .byBloom:
            effort.skippedByBloom += 1
            return nil
        case .blocks(let head, let candidates):
            effort.blocks += head.blockCount
            effort.blocksSkipped += head.blockCount - candidates.count
            effort.rows += Self.rows(candidates, head)
            return (head, candidates)
        case .failed(let error): throw error
        }
    }

    /// Counts what a question would read.
    mutating func plan(from: Int64, to: Int64) async throws(QueryError) {
        let segments = try await list(from: from, to: to), consumer = StreamConsumer()
        effort.segments = segments.count
        for segment in segments {
            guard try hasTime() else {
                effort.isCutShort = true
                return
            }
            do {
                if segment.kind == .compacted {
                    for pruned in try await prune([segment], consumer) { _ = try open(pruned) }
                } else {
                    effort.blocks += 1
                    effort.rows += segment.rows
                }
            } catch let error as FlowStoreError where !error.isOfOneSegment {
                throw QueryError(error)
            } catch {
                effort.unreadable += 1
            }
        }
    }
}
