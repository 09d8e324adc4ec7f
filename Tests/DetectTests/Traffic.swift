import Detect
import FlowModel
import Identity
import Platform
import TestKit
import Testing

/// Made-up traffic for the detectors' tests: each function gives the records that an exporter would write.
enum Traffic {
    static let scanner = IPAddress(v4: 0xCB00_7109)  // 203.0.113.9
    static let host = IPAddress(v4: 0xC000_0205)  // 192.0.2.5
    static let client = IPAddress(v4: 0x0A00_0007)  // 10.0.0.7
    /// 2026-03-01T12:00:00Z: the start of a four-hour window, so tests say themselves when they cross one.
    static let noon: Int64 = 1_772_366_400_000

    static func record(
        from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ destinationPort: UInt16,
        transport: UInt8 = IPProtocol.tcp, bits: UInt16 = 0, packets: UInt64 = 1, octets: UInt64 = 60,
        at start: Int64 = noon, lasting: Int64 = 0
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.sourceTransportPort) = (source, sourcePort)
        (record.destinationIPAddress, record.destinationTransportPort) = (destination, destinationPort)
        (record.protocolIdentifier, record.tcpControlBits) = (transport, bits)
        (record.packetDeltaCount, record.octetDeltaCount) = (packets, octets)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (start, start + lasting)
        record.receiveMilliseconds = start + lasting + 1_000
        return record
    }

    /// SYNs to `ports` of one host, 10 ms apart, with or without the host's resets.
    static func verticalScan(
        ports: Range<UInt16>, of victim: IPAddress = host, answered: Bool = false, at start: Int64 = noon
    ) -> [FlowRecord] {
        ports.flatMap { port -> [FlowRecord] in
            let time = start + Int64(port - ports.lowerBound) * 10
            let probe = record(from: scanner, 40_000, to: victim, port, bits: TCPFlag.syn, at: time)
            let reset = record(
                from: victim, port, to: scanner, 40_000, bits: TCPFlag.rst | TCPFlag.ack, octets: 40, at: time + 1)
            return answered ? [probe, reset] : [probe]
        }
    }

    /// SYNs to one port of `hosts` hosts, `apart` ms between them.
    static func horizontalScan(port: UInt16, hosts: Int, apart: Int64 = 100, at start: Int64 = noon) -> [FlowRecord] {
        (0..<hosts).map {
            record(
                from: scanner, 51_000, to: IPAddress(v4: 0xC000_0200 + UInt32($0)), port, bits: TCPFlag.syn,
                at: start + Int64($0) * apart)
        }
    }

    /// Completed connections with both directions, as any client makes them.
    static func sessions(
        _ count: Int, to server: IPAddress = host, port: UInt16, octets: (Int) -> UInt64, apart: Int64,
        at start: Int64 = noon
    ) -> [FlowRecord] {
        (0..<count).flatMap { index -> [FlowRecord] in
            let time = start + Int64(index) * apart, clientPort = UInt16(50_000 + index)
            let there = record(
                from: client, clientPort, to: server, port, bits: 0x1B, packets: 20, octets: octets(index), at: time,
                lasting: 3_000)
            let back = record(
                from: server, port, to: client, clientPort, bits: 0x1B, packets: 16, octets: 3_000, at: time,
                lasting: 3_000)
            return [there, back]
        }
    }

    /// One answer each from many servers, and the requests when `asked`.
    static func answers(
        from port: UInt16, servers: Int, octets: UInt64, asked: Bool, at start: Int64 = noon
    ) -> [FlowRecord] {
        (0..<servers).flatMap { index -> [FlowRecord] in
            let server = IPAddress(v4: 0xC633_0000 + UInt32(index)), local = UInt16(20_000 + index % 40_000)
            let answer = record(
                from: server, port, to: host, local, transport: IPProtocol.udp, octets: octets, at: start + Int64(index)
            )
            let request = record(
                from: host, local, to: server, port, transport: IPProtocol.udp, octets: 60, at: start + Int64(index))
            return asked ? [answer, request] : [answer]
        }
    }

    static func columns(_ records: [FlowRecord]) -> FlowColumns {
        var columns = FlowColumns(capacity: records.count)
        for record in records { columns.append(record) }
        return columns
    }

    static func tenant(_ name: String = "acme") throws -> TenantID { try #require(TenantID(name)) }

    /// Everything found in `records`, given as batches of `batch` rows; of each id the last word.
    static func detect(
        _ records: [FlowRecord], batch: Int = 1_000, parameters: DetectorParameters = .init()
    ) throws -> [Finding] {
        var set = DetectorSet(tenant: try tenant(), parameters: parameters), last: [String: Finding] = [:]
        for finding in run(&set, records, batch: batch) + set.finish() { last[finding.id] = finding }
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
    static func run(_ set: inout DetectorSet, _ records: [FlowRecord], batch: Int) -> [Finding] {
        let all = columns(records)
        return stride(from: 0, to: records.count, by: batch).flatMap {
            set.observe(all, rows: $0..<min($0 + batch, records.count))
        }
    }

    /// A day's worth of everything, attacks among it, in a fixed random order of batches.
    static func mixture(seed: UInt64) -> [FlowRecord] {
        var generator = SeededGenerator(seed: seed)
        var records = verticalScan(ports: 20..<60, answered: true) + horizontalScan(port: 445, hosts: 30)
        records += sessions(25, port: 22, octets: { 3_700 + UInt64($0 % 3) * 250 }, apart: 6_000)
        records += answers(from: 123, servers: 300, octets: 468, asked: false)
        records += sessions(200, port: 443, octets: { 800 + UInt64($0) * 97 }, apart: 1_500)
        records += answers(from: 53, servers: 200, octets: 900, asked: true)
        records.append(
            record(
                from: scanner, 9_000, to: host, 80, transport: IPProtocol.udp, packets: 900_000, octets: 400_000_000,
                lasting: 20_000))
        records += LastingTraffic.all()
        records.shuffle(using: &generator)
        return records
    }
}

extension Finding {
    func entity(_ role: FindingEntity.Role) -> [String] { entities.filter { $0.role == role }.map(\.value) }
}
