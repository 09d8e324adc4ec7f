import Capture
import Decode
import FlowModel
import Simulator
import Testing
import WireBytes

@Suite("The simulator")
struct SimulatorTests {
    private static let start: Int64 = 1_767_225_600_000

    private func flows(
        _ scenario: Scenario, rate: Int = 40, seconds: Int = 30, seed: UInt64 = 3, usesIPv6: Bool = true
    ) -> [FlowRecord] {
        var generator = FlowGenerator(
            scenario: scenario, flowsPerSecond: rate, seconds: seconds, startMilliseconds: Self.start, seed: seed,
            usesIPv6: usesIPv6)
        return (0..<seconds).flatMap { generator.flows(inSecond: $0) }
    }
    /// Encodes `flows` a second at a time, wraps them in a capture, reads and decodes it.
    private func roundTrip(
        _ flows: [FlowRecord], _ exportProtocol: ExportProtocol, samplingInterval: UInt32 = 1
    ) throws -> (records: [FlowRecord], results: [DecodeResult]) {
        var encoder = ExportEncoder(
            exportProtocol, bootMilliseconds: Self.start - 3_600_000, samplingInterval: samplingInterval)
        var writer = CaptureWriter()
        for second in 0..<(flows.count / 50 + 1) {
            let part = Array(flows.dropFirst(second * 50).prefix(50)), sentAt = Self.start + 100_000 + Int64(second)
            for payload in encoder.datagrams(for: part, exportMilliseconds: sentAt) {
                #expect(payload.count <= 1_472)  // one Ethernet frame
                let origin = DatagramOrigin(
                    source: IPAddress(v4: 0xC000_0201), sourcePort: 1, localPort: 2, receiveMilliseconds: sentAt)
                writer.append(payload, from: origin, to: IPAddress(v4: 0xC000_0202))
            }
        }
        var reader = try CaptureReader(bytes: writer.bytes), decoder = DatagramDecoder(), columns = FlowColumns()
        var results: [DecodeResult] = []
        while let datagram = try reader.nextReference() {
            results.append(
                reader.withPayload(of: datagram) {
                    decoder.decode($0, from: datagram.origin, into: &columns)
                })
        }
        return (columns.rows.map { columns[$0] }, results)
    }
    /// What the simulated exporter's records carry, in a comparable order.
    private func essence(_ records: [FlowRecord]) -> [String] {
        records.map { record in
            "\(record.sourceIPAddress):\(record.sourceTransportPort) \(record.destinationIPAddress):"
                + "\(record.destinationTransportPort) \(record.protocolIdentifier) \(record.tcpControlBits) "
                + "\(record.octetDeltaCount) \(record.packetDeltaCount) \(record.flowStartMilliseconds) "
                + "\(record.flowEndMilliseconds) \(record.ingressInterface) \(record.egressInterface)"
        }.sorted()
    }

    @Test(
        "what is exported is what is decoded, without loss and with unbroken sequence numbers",
        arguments: [
            ExportProtocol.netflow5, .netflow9, .ipfix,
        ])
    func roundTrip(_ exportProtocol: ExportProtocol) throws {
        let flows = flows(.mixed, usesIPv6: exportProtocol != .netflow5)
        let (records, results) = try roundTrip(flows, exportProtocol)
        #expect(essence(records) == essence(flows))
        #expect(records.count > 1_000)
        #expect(results.allSatisfy { $0.losses.isEmpty })
        let marks = results.compactMap(\.sequence)
        #expect(marks.count == results.count)
        #expect(zip(marks, marks.dropFirst()).allSatisfy { $0.number &+ $0.units == $1.number })
        #expect(zip(marks, marks.dropFirst()).allSatisfy { $1.number != $0.number || $0.units == 0 })
    }

    @Test("templates are sent again and again, so that a collector that starts late gets them")
    func templatesAgain() throws {
        for exportProtocol in [ExportProtocol.netflow9, .ipfix] {
            let flows = flows(.office, rate: 200)
            var encoder = ExportEncoder(exportProtocol, bootMilliseconds: Self.start)
            let datagrams = encoder.datagrams(for: flows, exportMilliseconds: Self.start + 60_000)
            var decoder = DatagramDecoder(), columns = FlowColumns()
            let origin = DatagramOrigin(
                source: IPAddress(v4: 1), sourcePort: 1, localPort: 2, receiveMilliseconds: Self.start)
            for datagram in datagrams.dropFirst(30) {
                _ = datagram.withBytes { decoder.decode($0, from: origin, into: &columns) }
            }
            #expect(datagrams.count > 80)
            #expect(columns.count > flows.count / 2)
        }
    }

    @Test("unsampled sFlow has every packet: addresses, ports, protocol and packet counts add up")
    func sFlow() throws {
        let flows = flows(.passwordGuessing) + flows(.office, rate: 4)
        let (records, results) = try roundTrip(flows, .sflow5)
        func packets(_ records: [FlowRecord]) -> [String: UInt64] {
            records.reduce(into: [:]) { sums, record in
                let key =
                    "\(record.sourceIPAddress):\(record.sourceTransportPort) \(record.destinationIPAddress):"
                    + "\(record.destinationTransportPort) \(record.protocolIdentifier)"
                sums[key, default: 0] += record.packetDeltaCount
            }
        }
        #expect(packets(records) == packets(flows))
        #expect(results.allSatisfy { $0.losses.isEmpty })
        // A frame has 18 octets more than its packet; the division by packets loses less than one each.
        let octets = flows.reduce(0) { $0 + $1.octetDeltaCount }, count = flows.reduce(0) { $0 + $1.packetDeltaCount }
        let exported = records.reduce(0) { $0 + $1.octetDeltaCount }
        #expect((octets + 17 * count...octets + 18 * count).contains(exported))
    }

    @Test("sampled sFlow says its rate and carries about that share")
    func sampledSFlow() throws {
        let flows = flows(.office, rate: 100)
        let (records, _) = try roundTrip(flows, .sflow5, samplingInterval: 10)
        let packets = flows.reduce(0) { $0 + $1.packetDeltaCount }
        #expect(records.allSatisfy { $0.samplingInterval == 10 })
        let estimate = UInt64(records.count) * 10
        #expect((packets * 8 / 10...packets * 12 / 10).contains(estimate))
    }

    @Test("the same seed makes the same flows, another seed others")
    func deterministic() {
        #expect(flows(.mixed) == flows(.mixed))
        #expect(flows(.mixed) != flows(.mixed, seed: 4))
    }

    @Test("flows come at the rate asked for, each in the second it ends, never ending before it starts")
    func rateAndTime() {
        var generator = FlowGenerator(
            scenario: .office, flowsPerSecond: 100, seconds: 10, startMilliseconds: Self.start, seed: 1, usesIPv6: true)
        for second in 0..<10 {
            let flows = generator.flows(inSecond: second), from = Self.start + Int64(second) * 1_000
            #expect(flows.count == 100)
            #expect(flows.allSatisfy { (from..<from + 1_000).contains($0.flowEndMilliseconds) })
            #expect(flows.allSatisfy { $0.flowStartMilliseconds <= $0.flowEndMilliseconds })
        }
    }
}
