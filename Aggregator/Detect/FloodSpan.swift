/// Records' counters over time: a long flow that is exported at once is no burst.
import FlowModel

/// How long records' counters are spread.
struct FloodSpread {
    let width: Int64, longest: Int64, untimed: Int64
    /// A record is cut into at most this many pieces, whatever the settings.
    private static let bucketsMax: Int64 = 1_024

    init(_ parameters: DetectorParameters) {
        width = max(parameters.floodBucketMilliseconds, 1)
        longest = min(parameters.floodSpreadMaxMilliseconds, width * Self.bucketsMax)
        untimed = parameters.floodUntimedMilliseconds
    }
}

/// How a record's counters are spread over buckets of event time.
struct FloodSpan {
    private let from: Int64, start: Int64, end: Int64, width: Int64

    @inline(__always)
    init(_ sight: FlowSight, _ spread: FloodSpread) {
        width = spread.width
        let isUntimed = sight.hasEstimatedTimes && sight.start == sight.end
        start = isUntimed ? max(0, sight.end - spread.untimed) : sight.start
        end = sight.end
        // Older pieces than the spread allows are left out; the rate of those that count is the record's own.
        from = max(start, end - spread.longest)
    }

    /// Calls `body` with each bucket's number and the share of the record that lies in it.
    @inline(__always)
    func forEachBucket(_ body: (_ bucket: Int64, _ share: Double) -> Void) {
        let duration = Double(end - start)
        var bucket = epoch(of: from, width: width)
        repeat {
            let low = max(from, bucket * width), high = min(end, (bucket + 1) * width)
            body(bucket, duration > 0 ? Double(high - low) / duration : 1)
            bucket += 1
        } while bucket * width < end
    }
}
