import BatchFormat
import FlowModel
import Platform
import SegmentFormat
import Testing

@Suite("A segment's head and filter keep questions away, and never a row that matches")
struct SegmentPruningTests {
    @Test("the filter knows every address of a segment and their networks") func knows() throws {
        for seed in UInt64(1)...10 {
            var generator = SeededGenerator(seed: seed)
            let made = try MadeSegment(using: &generator), bloom = try SegmentBloom(made.segment.bloom)
            for row in made.rows {
                for address in [row.record.sourceIPAddress, row.record.destinationIPAddress] {
                    let isKnown = bloom.mayContain(address)
                    #expect(isKnown, "SEED=\(seed) \(address)")
                    for length in address.isV4 ? [0, 8, 24, 29, 32] : [0, 48, 64, 100, 128] {
                        let isNear = bloom.mayContain(IPNetwork(address, length: length))
                        #expect(isNear, "SEED=\(seed) \(address)/\(length)")
                    }
                }
            }
        }
    }

    @Test("the filter says no to 98 of 100 addresses and networks that a segment does not have") func saysNo() throws {
        var columns = FlowColumns(), encoder = SegmentEncoder()
        let exporter = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        for number in 0..<3_000 {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + UInt32(number) * 257)
            record.destinationIPAddress = IPAddress(high: 0x2001_0DB8 << 32 | UInt64(number), low: 1)
            if let number = columns.intern(exporter) { record.exporter = number }
            columns.append(record)
        }
        let isTaken = encoder.add(columns, origin: RandomRows.origin("a"), logOffset: 0)
        #expect(isTaken)
        let segment = encoder.finish(), bloom = try SegmentBloom(segment.bloom)
        var addresses = 0, networks = 0
        for number in UInt32(0)..<10_000 {
            if bloom.mayContain(IPAddress(v4: 0x0B00_0000 + number)) { addresses += 1 }
            if bloom.mayContain(IPNetwork(IPAddress(v4: 0x0C00_0000 + number << 8), length: 24)) { networks += 1 }
        }
        #expect(addresses < 200 && networks < 200, "\(addresses) addresses, \(networks) networks of 10 000")
        try slices(segment, whole: bloom)
    }
    /// A filter of which only what a question needs is at hand answers it as the whole does.
    private func slices(_ segment: EncodedSegment, whole: SegmentBloom) throws {
        let head = try SegmentHead(segment.head)
        var read = 0, differing = 0, damaged = 0
        for number in UInt32(0)..<500 {
            let address = number % 2 == 0 ? 0x0A00_0000 + number * 257 : 0x0B00_0000 + number
            let network = IPNetwork(IPAddress(v4: address), length: 32)
            var some = try SegmentBloom(head)
            for range in some.needs([network]) {
                var bytes = Array(segment.bloom[range])
                read += bytes.count
                try some.supply(bytes, at: range.lowerBound)
                bytes[Int(number) % bytes.count] ^= 1
                do throws(SegmentError) { try some.supply(bytes, at: range.lowerBound) } catch { damaged += 1 }
                #expect(throws: SegmentError.self) { try some.supply(Array(bytes.dropLast()), at: range.lowerBound) }
                #expect(throws: SegmentError.self) { try some.supply(bytes, at: range.lowerBound + 1) }
            }
            if some.mayContain(network) != whole.mayContain(network) { differing += 1 }
            if number % 2 == 0, !some.mayContain(network) { differing += 1 }
        }
        #expect(differing == 0 && damaged >= 500 && damaged <= 1_000)
        #expect(segment.bloom.count > 8_000 && read < 500 * (2 * 4_068 + 1), "\(read) octets")
        let many = (0..<200).map { IPNetwork(IPAddress(v4: 0x0A00_0000 + $0 * 257), length: 32) }
        let all = try SegmentBloom(head).needs(many)
        #expect(all == [0..<segment.bloom.count])
    }

    @Test("each block's bounds hold what its rows have") func bounds() async throws {
        for seed in UInt64(1)...20 {
            var generator = SeededGenerator(seed: seed)
            let made = try MadeSegment(using: &generator), head = try SegmentHead(made.segment.head)
            var reader = SegmentReader(head, made.segment)
            try await reader.load(.all, blocks: 0..<head.blockCount)
            for block in 0..<head.blockCount {
                var columns = FlowColumns()
                let rows = try reader.decode(block, .all, into: &columns)
                let wrong = rows.flatMap { outside(head, block, columns[$0]) }
                #expect(wrong.isEmpty, "SEED=\(seed) \(Set(wrong))")
            }
        }
    }
    /// What of a record is not within its block's bounds.
    private func outside(_ head: SegmentHead, _ block: Int, _ record: FlowRecord) -> [String] {
        let addresses: [(SegmentHead.AddressColumn, IPAddress)] = [
            (.source, record.sourceIPAddress), (.destination, record.destinationIPAddress),
            (.nextHop, record.ipNextHopAddress),
        ]
        let times: [(ColumnID, Int64)] = [
            (.flowStartMilliseconds, record.flowStartMilliseconds), (.flowEndMilliseconds, record.flowEndMilliseconds),
            (.receiveMilliseconds, record.receiveMilliseconds), (.exportMilliseconds, record.exportMilliseconds),
        ]
        let words: [(ColumnID, UInt64)] = [
            (.octetDeltaCount, record.octetDeltaCount), (.packetDeltaCount, record.packetDeltaCount),
            (.sourceTransportPort, UInt64(record.sourceTransportPort)),
            (.destinationTransportPort, UInt64(record.destinationTransportPort)),
            (.protocolIdentifier, UInt64(record.protocolIdentifier)),
            (.ingressInterface, UInt64(record.ingressInterface)), (.egressInterface, UInt64(record.egressInterface)),
        ]
        let others: [(ColumnID, UInt64)] = [
            (.bgpSourceAsNumber, UInt64(record.bgpSourceAsNumber)), (.vlanId, UInt64(record.vlanId)),
            (.bgpDestinationAsNumber, UInt64(record.bgpDestinationAsNumber)),
            (.tcpControlBits, UInt64(record.tcpControlBits)), (.flags, UInt64(record.flags.rawValue)),
            (.sourceIPPrefixLength, UInt64(record.sourceIPPrefixLength)),
        ]
        return addresses.filter { !head.addresses($0.0, block: block).contains($0.1) }.map { "\($0.0)" }
            + times.filter { !head.times(of: $0.0, block: block).contains($0.1) }.map { "\($0.0)" }
            + (words + others).filter { !head.bounds(of: $0.0, block: block).contains($0.1) }.map { "\($0.0)" }
    }

    @Test("rows are sorted by service, so few blocks of a large segment have a given one") func sorted() throws {
        var generator = SeededGenerator(seed: 2), encoder = SegmentEncoder(blockRows: 128), columns = FlowColumns()
        let exporter = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        for _ in 0..<4_096 {
            var record = FlowRecord()
            record.sourceTransportPort = UInt16(32_768 + RandomRows.below(20_000, &generator))
            record.destinationTransportPort = UInt16(1 + RandomRows.below(1_000, &generator))
            if let number = columns.intern(exporter) { record.exporter = number }
            columns.append(record)
        }
        let isTaken = encoder.add(columns, origin: RandomRows.origin("a"), logOffset: 0)
        #expect(isTaken)
        let head = try SegmentHead(encoder.finish().head)
        let blocks = (0..<head.blockCount).filter {
            head.bounds(of: .destinationTransportPort, block: $0).contains(443)
        }
        #expect(head.blockCount == 32 && blocks.count <= 2, "\(blocks.count) of \(head.blockCount) blocks")
    }
}
