import AggregatorPipeline
import BatchFormat
import Detect
import FlowLog
import FlowModel
import Identity
import Incidents
import Testing

@Suite("Places in the pipeline") struct PlacesTests {
    /// 198.51.x.0 lies in a country of its number x.
    private static let places = PlaceLookup { address in
        address.isV4 && address.v4 >> 16 == 0xC633 ? (0x4141 + UInt16(address.v4 >> 8 & 0xFF), 0) : (0, 0)
    }

    /// What a host calls on one day.
    private static func day(_ day: Int64, _ numbers: [UInt32], _ encoder: inout BatchEncoder) throws -> LogAppend {
        let start = World.start + day * 86_400_000
        let records = numbers.map { number in
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0x0A00_0007)
            record.destinationIPAddress = IPAddress(v4: 0xC633_0001 + number << 8)
            (record.sourceTransportPort, record.destinationTransportPort) = (UInt16(50_000 + number), 443)
            (record.protocolIdentifier, record.tcpControlBits) = (IPProtocol.tcp, 0x1B)
            (record.packetDeltaCount, record.octetDeltaCount) = (12, 9_000 + UInt64(number) * 100)
            let time = start + Int64(number) * 1_000
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time, time + 200)
            (record.exportMilliseconds, record.receiveMilliseconds) = (time + 1_000, time + 1_000)
            return record
        }
        return try World.batch(
            records, of: try #require(TenantID("acme")), sequence: UInt64(day), at: start + 60_000, &encoder)
    }

    /// The rules that found something, of a node that was started again after `restart` days.
    private static func rules(_ places: PlaceLookup, restart: Int64) async throws -> Set<String> {
        let world = try World(), node = try world.open()
        var encoder = BatchEncoder()
        for number in 0..<10 as Range<Int64> {
            if number == restart { try await world.pipeline(node, places: places).drain() }
            _ = try await node.log.append(try day(number, number < 8 ? [1, 2] : [3], &encoder))
        }
        try await world.pipeline(node, places: places).drain()
        return Set(try await World.result(node).incidents["acme"]?.flatMap(\.findings).map(\.rule) ?? [])
    }

    @Test(
        "detectors know where addresses are, those of a tenant that was there before a restart too", arguments: [0, 5])
    func known(restart: Int64) async throws {
        #expect(try await Self.rules(Self.places, restart: restart) == ["new-country"])
        #expect(try await Self.rules(.none, restart: restart) == ["new-network"])
    }
}
