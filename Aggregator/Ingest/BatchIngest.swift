/// Takes batches from sensors: `POST /v1/batches`.
///
/// Invariants: tenant and sensor come from the connection's certificate only; an answer of 200 is given only after
/// the log has made the batch durable together with its key, and says the digest of what is stored; a batch is looked
/// at in full (digest, every column) before it is stored; no failure of ours is a 4xx, which would make the sensor
/// give the batch up. Not here: the log (`FlowLog`), TLS and names (`ServerChannel`), fairness between tenants.
internal import BatchFormat
internal import Delivery
package import FlowLog
internal import FlowModel
internal import HTTPTypes
package import Hummingbird
package import Identity
package import Logging
internal import NIOCore
package import Platform
internal import ServerChannel
package import Telemetry
internal import WireBytes

package struct BatchIngest: Sendable {
    private let log: any BatchSink, registry: SensorRegistry, quarantine: Quarantine, admission: Admission
    private let gate: SensorGate, held: HeldBatches?, renewal: CertificateRenewal?
    private let metrics: IngestMetrics, time: any TimeSource, logger: Logger
    private let benches = DecodingBenches()
    private let tracer: Tracer, tenants: TenantMeters?

    package init(
        log: any BatchSink, registry: SensorRegistry, quarantine: Quarantine,
        admission: Admission = Admission(requestsMax: 256, bytesMax: 256 << 20), gate: SensorGate = SensorGate(),
        held: HeldBatches? = nil, renewal: CertificateRenewal? = nil, metrics: MetricRegistry, time: any TimeSource,
        logger: Logger, tracer: Tracer = .off, tenants: TenantMeters? = nil
    ) {
        (self.tracer, self.tenants) = (tracer, tenants)
        self.log = log
        self.registry = registry
        self.quarantine = quarantine
        self.admission = admission
        (self.gate, self.held, self.renewal) = (gate, held, renewal)
        self.metrics = IngestMetrics(in: metrics)
        self.time = time
        self.logger = logger
    }

    /// The sensors' routes.
    package func router() -> Router<SensorContext> {
        let router = Router(context: SensorContext.self)
        router.post(RouterPath(IngestWire.path)) { request, context in try await answer(request, context) }
        router.post(RouterPath(IngestWire.heartbeatPath)) { request, context in try await heard(request, context) }
        router.post(RouterPath(IngestWire.certificatePath)) { request, context in
            try await renew(request, context)
        }
        return router
    }

    // MARK: Batches

    private func answer(_ request: Request, _ context: SensorContext) async throws -> Response {
        let begin = time.monotonic()
        metrics.received.add()
        defer { metrics.seconds.observe((time.monotonic() - begin) / .seconds(1)) }
        do throws(IngestProblem) {
            let digest = try await take(request, context)
            var fields: HTTPFields = [.contentLength: "0"]
            if let name = HTTPField.Name(IngestWire.digestField) { fields[name] = "\(digest)" }
            return Response(status: .ok, headers: fields)
        } catch {
            metrics.count(error)
            note(error, context)
            // What is still on its way is not read for long: the stream ends a little after the answer.
            if error.status == .contentTooLarge { end(context.channel, after: .seconds(5)) }
            throw error
        }
    }

    /// - Returns: the digest of what is now durable under the request's key.
    private func take(_ request: Request, _ context: SensorContext) async throws(IngestProblem) -> BatchDigest {
        let sensor = try admitted(context), begin = time.wallMilliseconds()
        let fields = try BatchFields(request.headers)
        let room = fields.length ?? IngestWire.bodyBytesMax
        guard admission.enter(bytes: room) else { throw .overloaded(seconds: admission.secondsToDrain) }
        defer { admission.leave(bytes: room, done: room, at: time.monotonic()) }
        let body = try await read(request, context, expected: fields.length)
        guard BatchDigest(of: body) == fields.digest else { throw .digestMismatch }
        let summary = try check(body)
        let batch = LogAppend(
            sensor: sensor, key: fields.key, digest: fields.digest, receivedMilliseconds: time.wallMilliseconds(),
            rows: summary.rows, tally: summary.tally, body: body)
        if let held, gate.isQuarantined(sensor) { return try hold(batch, in: held) }
        let stored = try await append(batch)
        note(batch, since: begin)
        return stored
    }
    private func note(_ batch: LogAppend, since begin: Int64) {
        guard tracer.wants(batch.key.trace) else { return }
        tracer.record(
            Span(
                "ingest", batch.key.step("ingest"), parent: batch.key.step("ship"), begin: begin,
                end: time.wallMilliseconds(),
                attributes: [
                    ("weir.tenant", "\(batch.sensor.tenant)"), ("weir.sensor", "\(batch.sensor.name)"),
                    ("weir.rows", "\(batch.rows)"), ("weir.bytes", "\(batch.body.count)"),
                ]))
    }

    /// Who sends, unless somebody revoked it since the connection was looked at last.
    private func admitted(_ context: SensorContext) throws(IngestProblem) -> SensorIdentity {
        let sensor = try context.sensor()
        guard context.peer.map(gate.isRevoked) != true else { throw .revoked }
        return sensor
    }

    /// A batch of the largest size takes this long at 35 kB/s. Whoever sends a byte now and then must not hold the room
    /// of others for ever.
    private static let readMax = TimeAmount.seconds(120)

    private func read(
        _ request: Request, _ context: SensorContext, expected: Int?
    ) async throws(IngestProblem) -> [UInt8] {
        let channel = context.channel
        let deadline = channel.eventLoop.scheduleTask(in: Self.readMax) { channel.close(promise: nil) }
        defer { deadline.cancel() }
        return try await Self.body(of: request, max: IngestWire.bodyBytesMax, expected: expected)
    }

    private func append(_ batch: LogAppend) async throws(IngestProblem) -> BatchDigest {
        let result: LogAppendResult
        do { result = try await log.append(batch) } catch { throw problem(for: error) }
        switch result {
        case .appended:
            metrics.stored.add()
            metrics.bytes.add(batch.body.count)
            tenants?.note(batch)
            registry.stored(batch, at: batch.receivedMilliseconds)
            return batch.digest
        case .repeated(_, let digest):
            metrics.repeated.add()
            registry.heard(batch.sensor, at: batch.receivedMilliseconds)
            return digest
        case .conflict(let stored):
            setAside(batch, stored: stored)
            throw .conflict
        }
    }

    /// Kept apart counts as kept: the sensor may forget it.
    private func hold(_ batch: LogAppend, in held: HeldBatches) throws(IngestProblem) -> BatchDigest {
        switch held.keep(batch) {
        case .kept(let isNew):
            (isNew ? metrics.held : metrics.repeated).add()
            registry.heard(batch.sensor, at: batch.receivedMilliseconds)
            return batch.digest
        case .conflict(let stored):
            setAside(batch, stored: stored)
            throw .conflict
        case .full: throw .heldFull
        case .failed(let reason):
            logger.error("A batch could not be held.", metadata: ["reason": "\(reason)"])
            throw .logFailed
        }
    }

    /// Puts into the log what was held of sensors that are in quarantine no longer. What can't be now stays.
    package func releaseHeld() async {
        guard let held else { return }
        for next in held.entries(where: { !gate.isQuarantined($0) }) {
            do {
                var batch = try held.read(next)
                let summary = try check(batch.body)
                (batch.rows, batch.tally) = (summary.rows, summary.tally)
                _ = try await append(batch)
                metrics.heldReleased.add()
            } catch HeldBatches.Fault.damaged(let reason) {
                metrics.heldDiscarded.add()
                logger.error("A held batch can't be read.", metadata: ["file": "\(next.path)", "reason": "\(reason)"])
            } catch let problem as IngestProblem where problem == .conflict {
                metrics.heldDiscarded.add()  // `append` has set it aside
            } catch {
                return logger.warning("Held batches are not in the log yet.", metadata: ["error": "\(error)"])
            }
            held.remove(next)
        }
    }
    /// Throws away what is held of a sensor.
    package func discardHeld(of sensor: SensorIdentity) -> Int {
        let count = held?.discard(of: sensor) ?? 0
        metrics.heldDiscarded.add(count)
        return count
    }

    private func setAside(_ batch: LogAppend, stored: BatchDigest) {
        let outcome = quarantine.keep(batch.body, sensor: batch.sensor, key: batch.key, digest: batch.digest)
        let isKept = outcome.isKept
        metrics.quarantineDropped.add(outcome.dropped)
        (isKept ? metrics.quarantined : metrics.quarantineFull).add()
        logger.critical(
            "Other bytes came under a used key.",
            metadata: [
                "sensor": "\(SPIFFEID(trustDomain: "", path: .sensor(batch.sensor)))", "key": "\(batch.key)",
                "stored": "\(stored)", "received": "\(batch.digest)", "quarantined": .stringConvertible(isKept),
            ])
    }

    /// The whole body in one array of the right size.
    static func body(
        of request: Request, max bytesMax: Int, expected: Int?
    ) async throws(IngestProblem) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(expected ?? 64 << 10)
        do {
            for try await chunk in request.body {
                guard chunk.readableBytes <= bytesMax - body.count else { throw IngestProblem.tooLarge(max: bytesMax) }
                body.append(contentsOf: chunk.readableBytesView)
            }
        } catch {
            throw error as? IngestProblem ?? .interrupted
        }
        return body
    }

    /// Decodes every column, and throws them away: what is stored must be readable for ever.
    private func check(_ body: [UInt8]) throws(IngestProblem) -> BatchSummary {
        do throws(BatchError) {
            let summary = try body.withBytes { bytes throws(BatchError) in try BatchSummary(bytes) }
            try benches.decode(body)
            return summary
        } catch .unknownVersion(let version) where version > 0 {
            throw .laterVersion(version)
        } catch {
            throw .undecodable("\(error)")
        }
    }

    private func problem(for error: FlowLogError) -> IngestProblem {
        switch error {
        case .busy: .logBusy(seconds: admission.secondsToDrain)
        case .full: .logFull
        case .unavailable: .logUnavailable
        case .failed, .storage, .cancelled: .logFailed
        }
    }

    private func note(_ problem: IngestProblem, _ context: SensorContext) {
        guard !problem.isLoad else { return }
        logger.warning(
            "A batch was not taken.",
            metadata: [
                "peer": "\(context.peer?.address ?? "unknown")", "id": "\(context.peer.map { "\($0.id)" } ?? "none")",
                "reason": "\(problem.kind)", "detail": "\(problem.detail ?? "")",
            ])
    }
    private func end(_ channel: any Channel, after delay: TimeAmount) {
        channel.eventLoop.scheduleTask(in: delay) { channel.close(promise: nil) }
    }

    // MARK: Certificates

    private func renew(_ request: Request, _ context: SensorContext) async throws -> Response {
        let sensor = try admitted(context)
        guard let renewal, let peer = context.peer else { throw IngestProblem.noAuthority }
        let body = try await Self.body(of: request, max: CertificateRenewal.octetsMax, expected: nil)
        do throws(RenewalRefusal) {
            let text = try renewal.renew(peer, sensor, body)
            logger.notice("A certificate was renewed.", metadata: ["id": "\(peer.id)", "before": "\(peer.serial)"])
            return Response(
                status: .ok, headers: [.contentType: "application/pem-certificate-chain"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        } catch {
            if case .authority(let problem) = error {
                logger.error("No certificate can be given out.", metadata: ["error": "\(problem)"])
            }
            throw error.problem
        }
    }

    // MARK: Heartbeats

    private static let heartbeatBytesMax = 1 << 20

    private func heard(_ request: Request, _ context: SensorContext) async throws -> Response {
        let sensor = try admitted(context)
        guard admission.enter(bytes: Self.heartbeatBytesMax) else {
            throw IngestProblem.overloaded(seconds: admission.secondsToDrain)
        }
        defer { admission.leave(bytes: Self.heartbeatBytesMax, done: 0, at: time.monotonic()) }
        let body = try await Self.body(of: request, max: Self.heartbeatBytesMax, expected: nil)
        guard let heartbeat = Heartbeat(json: body) else { throw IngestProblem.badHeartbeat }
        if registry.heard(heartbeat, from: sensor, at: time.wallMilliseconds()) {
            metrics.clones.add()
            logger.error(
                "Two programs run under one sensor's name and key: was its machine copied?",
                metadata: ["tenant": "\(sensor.tenant)", "site": "\(sensor.site)", "name": "\(sensor.name)"])
        }
        metrics.heartbeats.add()
        return Response(status: .noContent, headers: reshipFields(sensor, request.headers))
    }

    /// Asks for batches again where that is due.
    private func reshipFields(_ sensor: SensorIdentity, _ fields: HTTPFields) -> HTTPFields {
        let done = HTTPField.Name(ReshipRequest.doneField).flatMap { fields[$0] }, now = time.wallMilliseconds()
        guard let request = registry.reshipRequest(to: sensor, done: done, at: now) else { return [:] }
        var answer = HTTPFields()
        for (name, value) in [
            (ReshipRequest.idField, request.id), (ReshipRequest.sinceField, "\(request.sinceMilliseconds)"),
            (ReshipRequest.nowField, "\(request.nowMilliseconds)"),
        ] {
            if let name = HTTPField.Name(name) { answer[name] = value }
        }
        return answer
    }
}
