import BatchFormat
import Delivery
import FlowModel
import HTTP2Client
import Platform

/// One connection with one request at a time, as a sensor would send it. Used on one thread.
final class IngestClient {
    struct NoAnswer: Error {}
    let connection: HTTP2Connection
    private var tag: UInt64 = 0

    init(_ files: TLSFiles, port: UInt16) throws {
        connection = try HTTP2Connection(
            to: HTTP2Endpoint(host: "127.0.0.1", port: port), context: try TLSContext(files, time: SystemTime()),
            patience: .init(connect: .seconds(20), silence: .seconds(10), ping: .seconds(10)), time: SystemTime()
        ) { $0.contains("/aggregator/") ? nil : "not an aggregator" }
    }
    deinit { connection.close() }

    func post(_ path: String, _ fields: [HTTPField], _ body: [UInt8]) throws -> HTTPResponse {
        tag += 1
        try connection.submit(HTTPRequestHead(method: "POST", path: path, fields: fields), body: body, tag: tag)
        for _ in 0..<2_000 {
            for outcome in try connection.pump(timeout: .milliseconds(20)) {
                switch outcome {
                case .response(let response, tag): return response
                case .failed(let error, tag): throw error
                default: continue
                }
            }
        }
        throw NoAnswer()
    }
    func send(_ batch: SentBatch) throws -> HTTPResponse { try post(IngestWire.path, batch.fields, batch.body) }
    /// Pumps until the server says or does something that `isDone` sees, or throws what ended the connection.
    func pump(until isDone: (HTTP2Connection) -> Bool) throws {
        for _ in 0..<1_000 where !isDone(connection) { _ = try connection.pump(timeout: .milliseconds(20)) }
    }
}

/// A batch on its way, with the parts that a test may falsify.
struct SentBatch: Sendable {
    var epoch = Epoch(high: 1, low: 2)
    var sequence: UInt64 = 0
    var body: [UInt8]
    var digest: BatchDigest

    /// - Parameter octets: makes other bytes.
    init(sequence: UInt64 = 0, octets: UInt64 = 1_000) throws {
        var columns = FlowColumns()
        _ = columns.intern(
            ExporterKey(address: IPAddress(v4: 0x0A00_0001), observationDomain: 0, exportProtocol: .netflow9))
        for row in 0..<10 {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0xC000_0201 + UInt32(row))
            record.destinationIPAddress = IPAddress(v4: 0xC633_6401)
            record.octetDeltaCount = octets
            record.packetDeltaCount = 2
            record.deltaFlowCount = 1
            record.protocolIdentifier = 6
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (1_700_000_000_000, 1_700_000_001_000)
            (record.exportMilliseconds, record.receiveMilliseconds) = (1_700_000_002_000, 1_700_000_002_000)
            columns.append(record)
        }
        var encoder = BatchEncoder()
        body = try encoder.encode(columns, fidelity: .full)
        digest = BatchDigest(of: body)
        self.sequence = sequence
    }
    var key: BatchKey { BatchKey(epoch: epoch, sequence: sequence) }
    var fields: [HTTPField] {
        [
            HTTPField(IngestWire.epochField, "\(epoch)"), HTTPField(IngestWire.sequenceField, "\(sequence)"),
            HTTPField(IngestWire.digestField, "\(digest)"),
        ]
    }
    /// The same batch with other bytes, and their own digest.
    func with(body: [UInt8]) -> SentBatch {
        var other = self
        other.body = body
        other.digest = BatchDigest(of: body)
        return other
    }
}
