import BatchFormat
import Decode
import FlowModel
import PreAggregate
import SensorPipeline
import WireBytes

/// What exporters do over time. Each octet of the input chooses a deed, the next ones say how; deeds write sets into
/// the message at hand, send it, change who sends and when, or break what is about to be sent. Two decoders get all
/// of it: one with so little room that every limit is met, whose results are checked one by one, and the sensor's
/// whole first half, whose ledger must close.
enum SequenceTarget {
    static func run(_ input: [UInt8]) throws(Violation) {
        let first = try outcome(of: input)
        guard input.digest & 7 == 0 else { return }
        let second = try outcome(of: input)
        try hold(first == second, "the same octets gave \(first), then \(second)")
    }

    struct Outcome: Equatable {
        var decoded = Tally(), sensor = Tally(), missing: UInt64 = 0, templates = 0
    }

    private static func outcome(of input: [UInt8]) throws(Violation) -> Outcome {
        var play = FuzzPlay(input), watched = WatchedDecoder(smallSettings), sensor = FuzzSensor(), count = 0
        while let deed = play.next() {  // ends: each deed takes octets
            switch deed {
            case .send(let datagram, let origin):
                try watched.decode(datagram, from: origin, isRepeat: play.isRepeat)
                sensor.receive(datagram, from: origin)
            case .expire(let now): watched.expire(at: now)
            case .endSession(let session):
                watched.decoder.endSession(session)
                sensor.worker.endSession(session)
            case .restart(let now): try restart(&watched, now)
            case .close: sensor.worker.close()
            }
            count += 1
            if count & 15 == 0 { try sensor.check() }
        }
        try watched.finish()
        try sensor.finish(isSealed: input.digest & 15 == 0)
        return Outcome(
            decoded: watched.tally, sensor: sensor.worker.ledger.total.decoded,
            missing: sensor.worker.ledger.total.missing.units, templates: watched.decoder.templateCount)
    }

    /// The process starts anew with what it saved.
    private static func restart(_ watched: inout WatchedDecoder, _ now: Int64) throws(Violation) {
        try watched.finish()
        let saved = watched.decoder.snapshot()
        watched = WatchedDecoder(smallSettings)
        do throws(SnapshotFault) {
            let report = try watched.decoder.restore(saved, now: now)
            try? hold(report.restored == watched.decoder.templateCount, "")
        } catch {
            throw Violation(description: "its own snapshot is refused: \(error)")
        }
    }

    /// So small that a few hundred octets of input meet each of them.
    static let smallSettings: DecodeSettings = {
        var limits = DecodeLimits()
        (limits.exportersMax, limits.protectedExportersMax, limits.domainsPerAddressMax) = (4, 2, 2)
        (limits.streamsPerExporterMax, limits.templatesPerStreamMax, limits.fieldsPerTemplateMax) = (3, 4, 24)
        (limits.templateOctetsMax, limits.protectedTemplateOctetsMax) = (6_000, 4_000)
        (limits.templateOctetsPerExporterMax, limits.plannedFieldsMax) = (2_500, 60)
        (limits.samplersPerExporterMax, limits.sequencesMax, limits.sequencesPerExporterMax) = (3, 4, 2)
        (limits.heldOctetsMax, limits.heldSetsMax) = (4_000, 12)
        (limits.heldOctetsPerExporterMax, limits.heldSetsPerExporterMax) = (1_200, 5)
        (limits.eventFlowsPerExporterMax, limits.eventFlowsMax) = (3, 5)
        var settings = DecodeSettings(limits: limits)
        settings.protectedExporters = [IPNetwork(IPAddress(v4: 0x0A00_0000), length: 31)]
        settings.scopes = [IPAddress(v4: 0x0A00_0002): .shared, IPAddress(v4: 0x0A00_0003): .strict]
        return settings
    }()
}

/// The sensor's first half and what it hands over.
private struct FuzzSensor: ~Copyable {
    var worker = SensorWorker(limits: .init(windowMilliseconds: 10_000, rowsMax: 64), seed: 7)
    private var sealed = Tally()
    private var datagrams: UInt64 = 0

    mutating func receive(_ datagram: [UInt8], from origin: DatagramOrigin) {
        datagrams += 1
        datagram.withBytes { worker.receive($0, from: origin) }
    }

    /// Σ over exporters of what is open is never negative: unsigned sums would have wrapped.
    func check() throws(Violation) {
        let total = worker.ledger.total
        try hold(total.datagramsReceived == datagrams, "\(datagrams) came, \(total.datagramsReceived) counted")
        let refused = total.counts.filter { $0.key.unit == .datagrams }.values.reduce(0, +)
        let few = total.datagramsDecoded + refused
        try hold(
            few >= datagrams && total.datagramsDecoded <= datagrams,
            "\(datagrams) came, \(total.datagramsDecoded) decoded, \(refused) refused")
        try hold(total.open.flows <= total.decoded.flows, "more is open than was decoded")
    }

    mutating func finish(isSealed: Bool) throws(Violation) {
        worker.expireHeld(atMilliseconds: .max)
        worker.close()
        try check()
        var sealer = BatchSealer(rowsMax: 40), rows = Tally()
        for window in worker.takeClosed() {
            let tally = window.columns.tally(of: window.columns.rows)
            rows += tally
            guard isSealed else { continue }
            var batches = Tally()
            for batch in sealer.seal(window) {
                batches += batch.tally
                var columns = FlowColumns(), decoder = BatchDecoder()
                do throws(BatchError) {
                    try batch.body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
                } catch {
                    throw Violation(description: "a sealed batch is refused: \(error)")
                }
                try hold(columns.tally(of: columns.rows) == batch.tally, "a batch carries something else")
            }
            try hold(batches == tally, "batches carry \(batches) of \(tally)")
        }
        let open = worker.ledger.total.open
        try hold(rows == open, "the windows hold \(rows), the ledger says \(open)")
    }
}
