import FlowModel
import Platform
import SensorPipeline
import WireBytes

/// Makes NetFlow v5 datagrams (Cisco's format: header of 24 octets, records of 48) and knows what they carry.
struct Exports {
    var generator: SeededGenerator
    private var sequence: UInt32 = 0
    /// Hosts and ports to draw from: few make keys that meet again.
    var keys: UInt32 = 40
    private(set) var sent = Tally()

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func datagram(records: Int, engine: UInt8 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBE(UInt16(5))
        bytes.appendBE(UInt16(records))
        bytes.appendBE(UInt32(1_000_000))
        bytes.appendBE(UInt32(1_700_000_000))
        bytes.appendBE(UInt32(0))
        bytes.appendBE(sequence)
        bytes += [0, engine, 0, 0]
        sequence &+= UInt32(records)
        for _ in 0..<records { appendRecord(to: &bytes) }
        return bytes
    }
    private mutating func appendRecord(to bytes: inout [UInt8]) {
        let packets = UInt32.random(in: 1...1_000, using: &generator), octets = packets * 100
        let client = UInt32.random(in: 0..<keys, using: &generator)
        bytes.appendBE(0x0A00_0000 + client)
        bytes.appendBE(UInt32(0xC000_0201))
        bytes.appendBE(UInt32(0))
        bytes.appendBE(UInt32(0x0001_0002))
        bytes.appendBE(packets)
        bytes.appendBE(octets)
        bytes.appendBE(UInt32(990_000))
        bytes.appendBE(UInt32(999_000))
        bytes.appendBE(UInt16(truncatingIfNeeded: 1_024 + client))
        bytes.appendBE(UInt16(443))
        bytes += [0, 0x1B, 6, 0]
        bytes.appendBE(UInt64(0))
        sent += Tally(flows: 1, octets: UInt64(octets), packets: UInt64(packets))
    }
}

extension SensorWorker {
    /// `receive` for arrays.
    mutating func take(_ datagram: [UInt8], from source: UInt32 = 1, at milliseconds: Int64) {
        let origin = DatagramOrigin(
            source: IPAddress(v4: 0x0A01_0000 + source), sourcePort: 9_000, localPort: 2_055,
            receiveMilliseconds: milliseconds)
        datagram.withBytes { receive($0, from: origin) }
    }
}
