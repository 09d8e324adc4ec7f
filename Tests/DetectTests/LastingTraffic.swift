import FlowModel
import Platform
import TestKit

/// Attacks that show in habits rather than in numbers, and what looks like them.
enum LastingTraffic {
    static let desk = IPAddress(v4: 0x0A00_0020)  // 10.0.0.32
    static let controller = IPAddress(v4: 0xCB00_7142)  // 203.0.113.66
    static let resolver = IPAddress(v4: 0xCB00_7135)
    static let dropbox = IPAddress(v4: 0xCB00_714D)

    /// Calls `apart` ms from one another, each off by up to `jitter` ms either way.
    static func calls(
        _ count: Int, from host: IPAddress = desk, to peer: IPAddress = controller, port: UInt16 = 4_444,
        apart: Int64 = 60_000, jitter: Int64 = 0, octets: (Int) -> UInt64 = { _ in 420 }, bits: UInt16 = 0x1B,
        at start: Int64 = Traffic.noon
    ) -> [FlowRecord] {
        var generator = SeededGenerator(seed: 21)
        return (0..<count).map { index in
            let offset = Int64.random(in: -jitter...jitter, using: &generator)
            return Traffic.record(
                from: host, UInt16(50_000 + index), to: peer, port, bits: bits, packets: 7, octets: octets(index),
                at: start + Int64(index) * apart + offset, lasting: 180)
        }
    }

    /// Queries of `octets` of DNS message each, and answers.
    static func queries(
        _ count: Int, to server: IPAddress = resolver, octets: UInt64, onePort: Bool, apart: Int64 = 200,
        at start: Int64 = Traffic.noon
    ) -> [FlowRecord] {
        (0..<count).flatMap { index -> [FlowRecord] in
            let port = onePort ? 41_000 : UInt16(33_000 + index % 30_000), time = start + Int64(index) * apart
            let query = Traffic.record(
                from: desk, port, to: server, 53, transport: IPProtocol.udp, octets: octets + 28, at: time)
            let answer = Traffic.record(
                from: server, 53, to: desk, port, transport: IPProtocol.udp, octets: 180, at: time + 20)
            return [query, answer]
        }
    }

    /// One connection in slices of a minute, both directions.
    static func connection(
        minutes: Int, to peer: IPAddress = controller, port: UInt16 = 1_234, at start: Int64 = Traffic.noon
    ) -> [FlowRecord] {
        (0..<minutes).flatMap { minute -> [FlowRecord] in
            let time = start + Int64(minute) * 60_000
            return [
                Traffic.record(
                    from: desk, 53_798, to: peer, port, bits: 0x18, packets: 5, octets: 342, at: time, lasting: 59_000),
                Traffic.record(
                    from: peer, port, to: desk, 53_798, bits: 0x18, packets: 4, octets: 368, at: time, lasting: 59_000),
            ]
        }
    }

    /// An upload in pieces of a minute, and its acknowledgements.
    static func upload(
        octets: UInt64, from host: IPAddress = desk, to peer: IPAddress = dropbox, got: UInt64 = 1_000_000,
        pieces: Int = 10, at start: Int64 = Traffic.noon
    ) -> [FlowRecord] {
        (0..<pieces).flatMap { piece -> [FlowRecord] in
            let time = start + Int64(piece) * 60_000, count = UInt64(pieces)
            return [
                Traffic.record(
                    from: host, 51_413, to: peer, 443, bits: 0x18, packets: octets / count / 1_400,
                    octets: octets / count, at: time, lasting: 59_000),
                Traffic.record(
                    from: peer, 443, to: host, 51_413, bits: 0x10, packets: octets / count / 2_800,
                    octets: got / count, at: time, lasting: 59_000),
            ]
        }
    }

    /// Sessions of one inside host with `hosts` others, a second apart.
    static func sessions(hosts: Range<Int>, port: UInt16 = 445, at start: Int64 = Traffic.noon) -> [FlowRecord] {
        hosts.map { index in
            Traffic.record(
                from: desk, UInt16(49_200 + index), to: IPAddress(v4: 0x0A00_0100 + UInt32(index)), port, bits: 0x1B,
                packets: 40, octets: 12_000 + UInt64(index) * 1_700, at: start + Int64(index) * 1_000, lasting: 3_000)
        }
    }

    /// Datagrams at all hosts of a network, 300 packets a second each, for 10 s.
    static func carpet(hosts: Int, packetsEach: UInt64 = 300, at start: Int64 = Traffic.noon) -> [FlowRecord] {
        var records: [FlowRecord] = []
        for second in 0..<10 {
            for host in 0..<hosts {
                let source = IPAddress(v4: 0xC612_0000 + UInt32((host * 31 + second) % 400))
                let victim = IPAddress(v4: 0xC633_6480 + UInt32(host))
                records.append(
                    Traffic.record(
                        from: source, 40_000, to: victim, 80, transport: IPProtocol.udp, packets: packetsEach,
                        octets: packetsEach * 1_000, at: start + Int64(second) * 1_000, lasting: 999))
            }
        }
        return records
    }

    static func all() -> [FlowRecord] {
        var records = calls(40) + queries(300, octets: 150, onePort: false)
        records.append(
            Traffic.record(
                from: desk, 53_798, to: controller, 1_234, bits: 0x1A, packets: 500, octets: 42_000, at: Traffic.noon,
                lasting: 5_400_000))
        records += upload(octets: 500_000_000) + sessions(hosts: 0..<25)
        return records + carpet(hosts: 126)
    }
}
