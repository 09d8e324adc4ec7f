internal import Delivery
internal import Identity
internal import Platform
internal import Ship
internal import Spool
internal import Telemetry

/// The spool as both its sides see it: sealing keeps batches in it, shipping takes them out.
struct SpoolKeeper: BatchKeeper, BatchSource {
    let spool: Spool
    let time: any TimeSource
    let state: SensorState
    let tracer: Tracer

    func keep(_ batch: SealedBatch) -> KeepOutcome { keep([batch]).first ?? .failed(reason: "no answer") }
    func keep(_ batches: [SealedBatch]) -> [KeepOutcome] {
        let now = time.wallMilliseconds()
        let appends = batches.map { batch in
            SpoolAppend(body: batch.body, rows: batch.rows, tally: batch.tally, sealedMilliseconds: now)
        }
        return zip(batches, spool.append(appends)).map { batch, result in
            switch result {
            case .success(let key):
                noteSealed(batch, as: key, since: now)
                return .kept(key)
            case .failure(.full), .failure(.diskFull): return .full
            case .failure(let error): return .failed(reason: "\(error)")
            }
        }
    }
    /// A batch's trace begins where it gets its key.
    private func noteSealed(_ batch: SealedBatch, as key: BatchKey, since begin: Int64) {
        guard tracer.wants(key.trace) else { return }
        tracer.record(
            Span(
                "seal", key.step("seal"), begin: begin, end: time.wallMilliseconds(),
                attributes: [("weir.rows", "\(batch.rows)"), ("weir.bytes", "\(batch.body.count)")]))
    }
    var fillFraction: Double {
        let usage = spool.usage
        return Double(usage.bytes) / Double(max(usage.bytesMax, 1))
    }

    func waiting(limit: Int, excluding: Set<BatchKey>) throws -> [WaitingBatch] {
        try spool.takeUpDeadLetters(atMostEvery: .seconds(5))
        return try spool.waiting(limit: limit, excluding: excluding).map {
            WaitingBatch(key: $0.key, digest: $0.digest, byteCount: $0.byteCount)
        }
    }
    func body(of key: BatchKey) throws -> [UInt8]? {
        tracer.begin(key.step("ship"))
        return try spool.body(of: key)
    }
    func reship(sinceMilliseconds since: Int64) -> Int { spool.reship(sinceMilliseconds: since) }
    func acknowledge(_ keys: [BatchKey]) {
        spool.acknowledge(keys)
        for key in keys { tracer.end("ship", key.step("ship"), parent: key.step("seal")) }
    }
    func deadLetter(_ key: BatchKey, reason: String) throws {
        guard let tally = try spool.deadLetter(key, reason: reason) else { return }
        state.noteDeadLetter(tally)
        tracer.end("ship", key.step("ship"), parent: key.step("seal"), failure: "refused")
    }

    /// The first tenant and site to ship from a spool are the only ones. What names no sensor is the aggregator's to
    /// refuse.
    func refusal(of uriName: String?) -> String? {
        guard let uriName, let sensor = (try? SPIFFEID(uriName))?.sensor else { return nil }
        let own = "\(sensor.tenant)/\(sensor.site)", owner = spool.claim(for: own)
        return owner == own
            ? nil
            : "the spool holds batches of \(owner), which \(own), whose the certificate is, must not get: "
                + "name another spool.directory, or bring back a certificate of \(owner)"
    }
}
