import Capture
import Decode
import FlowModel
import TestKit
import Testing
import WireBytes

/// Datagrams of real exporters. What they mean field by field is compared with a packet analyser elsewhere; here: all
/// are decoded, and what comes out is plausible.
@Suite("Real exporters") struct FixtureTests {
    static let datagrams: [String] =
        ["goflow", "goflow2", "gopacket", "netflow_parser", "python-netflow", "calmh-ipfix", "vflow"]
        .flatMap { Fixtures.files(in: "wire/\($0)/_extracted", suffix: ".bin") }
        + Fixtures.files(in: "wire", suffix: ".dat")
    static let captures = Fixtures.files(in: "wire", suffix: ".pcap")

    @Test(
        "every datagram is decoded or refused by name, and so is any change of it",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"))
    func changed() throws {
        var rows = 0
        for (index, file) in Self.datagrams.enumerated() {
            let bytes = try Fixtures.bytes(file)
            var whole = Decoding()
            let result = whole.decode(bytes)
            #expect(result.exporter != nil || !result.losses.isEmpty, "\(file)")
            rows += result.rows.count
            forAll(runs: 20, from: UInt64(index) * 1_000) { generator, _ in
                var decoding = Decoding()
                decoding.decode(bytes)
                decoding.decode(HostileInputTests.mutated(bytes, &generator))
            }
        }
        #expect(rows > 400)
    }

    @Test("every capture decodes to plausible records", .enabled(if: Fixtures.present, "\(Fixtures.why)"))
    func captures() throws {
        var flows = 0
        for file in Self.captures {
            guard var reader = try? CaptureReader(bytes: try Fixtures.bytes(file)) else { continue }
            var decoder = DatagramDecoder(), columns = FlowColumns(), bytes = 0
            while let datagram = try? reader.nextDatagram() {
                bytes += datagram.payload.count
                _ = datagram.payload.withBytes { decoder.decode($0, from: datagram.origin, into: &columns) }
            }
            #expect(columns.tally.flows == UInt64(columns.count), "\(file)")
            #expect(columns.count <= bytes, "\(file)")
            let late = columns.rows.filter { columns.flowEndMilliseconds[$0] < columns.flowStartMilliseconds[$0] }
            #expect(late.count <= columns.count / 10 + 2, "\(file)")
            flows += columns.count
        }
        #expect(flows > 1_000)
    }
}
