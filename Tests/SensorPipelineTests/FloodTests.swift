import Decode
import FlowModel
import Foundation
import SensorPipeline
import Testing
import WireBytes

/// The whole first half of the sensor under a flood of senders that don't exist: decoder, repeats, window, ledger.
@Suite("A flood of spoofed exporters", .serialized) struct FloodTests {
    private let real = IPAddress(v4: 0x0A00_0001)

    private func message(_ sets: [[UInt8]], sequence: UInt32 = 0) -> [UInt8] {
        let body = sets.flatMap { $0 }
        var bytes: [UInt8] = []
        bytes.appendBE(10 as UInt16)
        bytes.appendBE(UInt16(body.count + 16))
        for word in [1_700_000_000, sequence, 7] as [UInt32] { bytes.appendBE(word) }
        return bytes + body
    }
    private func set(_ number: UInt16, _ words: [UInt16]) -> [UInt8] {
        ([number, UInt16(4 + 2 * words.count)] + words).reduce(into: []) { $0.appendBE($1) }
    }
    private func residentOctets() -> Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4_096 : 0
    }
    private func send(
        _ datagram: [UInt8], from source: IPAddress, at milliseconds: Int64, to worker: inout SensorWorker
    ) {
        let origin = DatagramOrigin(
            source: source, sourcePort: 9_000, localPort: 2_055, receiveMilliseconds: milliseconds)
        datagram.withBytes { worker.receive($0, from: origin) }
    }

    @Test(
        "F4 a million templates of 100,000 spoofed exporters cost the whole path at most 64 MiB and a real one nothing")
    func million() {
        var settings = DecodeSettings()
        settings.protectedExporters = [IPNetwork(IPAddress(v4: 0x0A00_0000), length: 24)]
        var worker = SensorWorker(limits: .init(windowMilliseconds: 10_000, rowsMax: 65_536), seed: 7, decode: settings)
        let own = set(2, [256, 3, 8, 4, 12, 4, 1, 4]), data = set(256, [0x0A00, 1, 0x0A00, 2, 0, 100])
        let start: Int64 = 1_700_000_000_000
        send(message([own, data]), from: real, at: start, to: &worker)
        let many: [UInt16] = (UInt16(256)..<266).flatMap { id -> [UInt16] in
            [id, 4, 8, 4, 12, 4, 1, 4, 2, id % 8 + 1]
        }
        let before = residentOctets()
        for host in UInt32(0)..<100_000 {
            let flood = message([set(2, many), set(999, [1, 2, 3])], sequence: host)
            send(flood, from: IPAddress(v4: 0x2000_0000 &+ host &* 7), at: start + Int64(host) / 10, to: &worker)
            if worker.hasClosedWindows { for window in worker.takeClosed() { worker.recycle(window) } }
        }
        let growth = residentOctets() - before
        #expect(before > 0 && growth <= 64 << 20, "grew by \(growth >> 10) KiB")
        let flows = worker.ledger.total.decoded.flows
        #expect(worker.ledger.total.datagramsReceived == 100_001 && worker.templatesLearned > 50_000)
        send(message([data], sequence: 1), from: real, at: start + 10_001, to: &worker)
        send(message([own, data]), from: IPAddress(v4: 0x0A00_0002), at: start + 10_002, to: &worker)
        let after = worker.ledger.total.decoded.flows
        #expect(flows == 1 && after == 3)
    }
}
