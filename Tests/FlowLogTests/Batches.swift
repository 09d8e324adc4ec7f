import Delivery
import FlowLog
import FlowModel
import Identity
import Testing

let epoch = Epoch(high: 7, low: 9)

func sensor(_ name: String = "edge-1", tenant: String = "acme") throws -> SensorIdentity {
    SensorIdentity(tenant: try #require(TenantID(tenant)), site: "hq", name: name)
}

/// A batch whose body, unless given, follows from its sequence.
func batch(
    _ sequence: UInt64, from sensor: SensorIdentity, epoch: Epoch = epoch, body: [UInt8]? = nil,
    receivedMilliseconds: Int64 = 1_700_000_000_000
) -> LogAppend {
    let body = body ?? [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: 100 + Int(sequence % 50))
    return LogAppend(
        sensor: sensor, key: BatchKey(epoch: epoch, sequence: sequence), digest: BatchDigest(of: body),
        receivedMilliseconds: receivedMilliseconds, rows: Int(sequence % 7) + 1,
        tally: Tally(flows: sequence &+ 1, octets: sequence &* 100, packets: sequence &* 3), body: body)
}

extension LogAppendResult {
    var offset: Int64? {
        if case .appended(let offset) = self { offset } else { nil }
    }
}
