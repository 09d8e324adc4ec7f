import BatchFormat
import FlowModel
import Platform
import TestKit
import Testing
import WireBytes

@testable import FlowStore
@testable import SegmentFormat

@Suite("Sums of rows that say what they share")
struct BatchSumsTests {
    /// Conversations of few hosts, both ways, with what has no place among the sums of a batch: ICMP that comes back,
    /// octets and packets beyond their bits, times over many minutes, and rows that do not count.
    private func rows(_ count: Int, using generator: inout SeededGenerator) -> FlowColumns {
        var columns = FlowColumns()
        for _ in 0..<count {
            var record = FlowRecord()
            let isBack = Bool.random(using: &generator), kind = Int.random(in: 0..<40, using: &generator)
            let client = IPAddress(v4: 0x0A00_0000 + .random(in: 0..<40, using: &generator))
            let server = IPAddress(v4: 0xC000_0200 + .random(in: 0..<9, using: &generator))
            let port = UInt16.random(in: 40_000..<40_003, using: &generator)
            let service: UInt16 = [443, 53, 40_001][kind % 3]
            record.protocolIdentifier = kind == 0 ? 1 : kind % 2 == 0 ? 6 : 17
            (record.sourceIPAddress, record.destinationIPAddress) = isBack ? (server, client) : (client, server)
            (record.sourceTransportPort, record.destinationTransportPort) = isBack ? (service, port) : (port, service)
            record.bgpSourceAsNumber = UInt32(record.sourceIPAddress.v4 & 7)
            record.bgpDestinationAsNumber = UInt32(record.destinationIPAddress.v4 & 7)
            record.ingressInterface = .random(in: 0..<5, using: &generator)
            record.egressInterface = .random(in: 0..<5, using: &generator)
            record.octetDeltaCount = kind == 1 ? .random(in: 0...(.max >> 20), using: &generator) : UInt64(kind) * 977
            record.packetDeltaCount = kind == 2 ? .random(in: 0...90_000, using: &generator) : UInt64(kind)
            record.deltaFlowCount = kind == 3 ? 70_000 : 1
            record.flowEndMilliseconds = noon + .random(in: 0..<100_000, using: &generator)
            let duration: Int64 = kind < 6 ? .random(in: -10...4_000_000, using: &generator) : Int64(kind) * 1_000
            record.flowStartMilliseconds = record.flowEndMilliseconds - duration
            record.flags = kind == 7 ? .observedElsewhere : kind == 8 ? .secondary : []
            let exporter = ExporterKey(
                address: IPAddress(v4: UInt32(kind % 3)), observationDomain: 1, exportProtocol: .netflow9)
            record.exporter = columns.intern(exporter) ?? 0
            columns.append(record)
        }
        return columns
    }

    @Test("are those of the rows themselves, by every kind and period") func same() throws {
        var generator = SeededGenerator(seed: 77), sealer = BatchEncoder(), opener = BatchDecoder(),
            second = BatchDecoder()
        var shared = RollupBuilder(), single = RollupBuilder()
        var endpoints = EndpointTable(), ends = SharedEnds(), exporters: [ExporterKey] = []
        for turn in 1...4 {
            let columns = rows(900 * turn, using: &generator)
            let body = try sealer.encode(columns, fidelity: .full)
            var decoded = FlowColumns(), whole = FlowColumns()
            for key in exporters { _ = (decoded.intern(key), whole.intern(key)) }
            let isShared = try body.withBytes { bytes throws(BatchError) in
                try second.decode(bytes, into: &whole)
                return try opener.decodeShared(bytes, into: &decoded)
            }
            #expect(isShared)
            let sharing = opener.sharing
            endpoints.note(sharing, &ends)
            shared.add(decoded, rows: decoded.rows, .shared(sharing, numbers: ends.numbers))
            for first in stride(from: 0, to: whole.count, by: EndpointTable.chunkRows) {
                let chunk = first..<min(first + EndpointTable.chunkRows, whole.count)
                endpoints.note(whole, chunk)
                single.add(
                    whole, rows: chunk, .rows(sources: endpoints.sources, destinations: endpoints.destinations))
            }
            exporters = whole.exporters
        }
        let hosts = SegmentHosts(EndpointRanks(endpoints))
        let sums = shared.sums(exporters: exporters, hosts: hosts)
        #expect(sums == single.sums(exporters: exporters, hosts: hosts))
        #expect(sums.count == 18 && sums.allSatisfy { !$0.buckets.isEmpty })
    }

    /// Each of a client of its own but the first, all of one minute and to one server.
    private func pairs(_ count: Int, from first: UInt32, octetsOfFirst: UInt64) -> FlowColumns {
        var columns = FlowColumns()
        _ = columns.intern(ExporterKey(address: .absent, observationDomain: 1, exportProtocol: .netflow9))
        for row in columns.extend(by: count) {
            let client = row == 0 ? 1 : first + UInt32(row)
            columns.sourceLow[row] = IPAddress(v4: 0x0A00_0000 + client).low
            columns.sourceHigh[row] = IPAddress(v4: 0x0A00_0000 + client).high
            columns.destinationLow[row] = IPAddress(v4: 0xC000_0201).low
            columns.destinationHigh[row] = IPAddress(v4: 0xC000_0201).high
            columns.protocolIdentifier[row] = 6
            columns.sourceTransportPort[row] = 50_000
            columns.destinationTransportPort[row] = 443
            (columns.flowStartMilliseconds[row], columns.flowEndMilliseconds[row]) = (noon, noon + 10)
            columns.octetDeltaCount[row] = row == 0 ? octetsOfFirst : 1_000_000 + UInt64(row % 977)
            (columns.packetDeltaCount[row], columns.deltaFlowCount[row]) = (1, 1)
        }
        return columns
    }

    @Test("when pairs are too many, what is very small goes to the rest at once, and totals stay exact")
    func small() throws {
        var sealer = BatchEncoder(), opener = BatchDecoder(), builder = RollupBuilder()
        var endpoints = EndpointTable(), ends = SharedEnds(), total = Tally()
        // The last parts are less than the share of the least that is kept, as 600 rows are of a segment.
        let parts: [UInt64] = [2_000_000, 3_000_000, 40_000, 4, 5]
        for (turn, octets) in parts.enumerated() {
            let columns = pairs(turn == 0 ? 17_000 : 600, from: UInt32(turn + 1) << 16, octetsOfFirst: octets)
            total += columns.tally
            let body = try sealer.encode(columns, fidelity: .full)
            var decoded = FlowColumns()
            let isShared = try body.withBytes { bytes throws(BatchError) in
                try opener.decodeShared(bytes, into: &decoded)
            }
            #expect(isShared)
            endpoints.note(opener.sharing, &ends)
            builder.add(decoded, rows: decoded.rows, .shared(opener.sharing, numbers: ends.numbers))
        }
        let sums = builder.sums(exporters: [], hosts: SegmentHosts(EndpointRanks(endpoints)))
        let minutes = try #require(sums.first { $0.kind == .hostPair && $0.period == .minute })
        let bucket = try #require(minutes.buckets.first)
        #expect(minutes.buckets.count == 1 && bucket.entries.count == RollupLimit.entriesMax(.minute))
        #expect(bucket.entries.values.reduce(into: bucket.other) { $0 += $1 } == total)
        let first = RollupKey.hosts(IPAddress(v4: 0x0A00_0001), IPAddress(v4: 0xC000_0201))
        #expect(bucket.entries[first] == Tally(flows: 3, octets: 5_040_000, packets: 3))
        #expect(RollupLimit.small(1_000_000, rows: SegmentLimit.rowsMax / 8) == 125_000)
        #expect(RollupLimit.small(.max, rows: .max) == .max && RollupLimit.small(0, rows: 9) == 0)
    }

    @Test("many keys, and a key that many share, keep their numbers") func numbers() {
        var numbers = SumNumbers(), known: [UInt64: UInt32] = [:]
        for turn in 0..<3 {
            for key in 0..<UInt64(5_000) where known[key * 977] == nil || turn > 0 {
                let number = numbers.number(of: key * 977)
                if let before = known[key * 977] { #expect(number == before) } else { known[key * 977] = number }
            }
        }
        #expect(numbers.keys.count == 5_000 && Set(known.values).count == 5_000)
        numbers.removeAll()
        #expect(numbers.count == 0 && numbers.number(of: 5) == 0)
    }
}
