import BatchFormat
import FlowModel
import Identity
import Platform
import SegmentFormat
import TestKit
import Testing

@Suite("An encoder that is used again")
struct EncoderReuseTests {
    @Test("what a refused batch left is not in the next segment, which may be another tenant's") func forgets() throws {
        var generator = SeededGenerator(seed: 31), sealer = BatchEncoder(), opener = BatchDecoder()
        var foreign = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 0x7F00_0001), observationDomain: 99, exportProtocol: .netflow9)
        _ = foreign.intern(key)
        for place in foreign.extend(by: 300) { foreign.octetDeltaCount[place] = UInt64(place) }
        var body = try sealer.encode(foreign, fidelity: .full), encoder = SegmentEncoder()
        body[body.count - 1] ^= 1
        let foreignOrigin = RandomRows.origin("foreign")
        #expect(throws: BatchError.self) {
            _ = try encoder.add(body, sensor: foreignOrigin.sensor, logOffset: 1, decoder: &opener)
        }
        encoder.forget()
        let columns = RandomRows.make(300, using: &generator), origin = RandomRows.origin("own")
        let isTaken = encoder.add(columns, origin: origin, logOffset: 2)
        #expect(isTaken)
        let head = try SegmentHead(encoder.finish().head)
        #expect(head.origins == [origin])
        #expect(Set(head.exporters) == Set(columns.exporters))
        #expect(!head.exporters.contains(key))
    }

    @Test("the rows seen are those of the batch, with their ends' numbers and addresses") func seen() throws {
        var generator = SeededGenerator(seed: 32), sealer = BatchEncoder(), opener = BatchDecoder()
        let columns = RandomRows.make(3_000, using: &generator), origin = RandomRows.origin("own")
        let body = try sealer.encode(columns, fidelity: .full)
        var encoder = SegmentEncoder(), rows = 0
        var ends: [(source: UInt32, destination: UInt32, from: IPAddress, to: IPAddress)] = []
        encoder.reserve(3_000, batchRows: 3_000)
        _ = try encoder.add(body, sensor: origin.sensor, logOffset: 1, decoder: &opener) { seen, range, numbers in
            #expect(range.lowerBound == rows)
            rows = range.upperBound
            for row in range {
                let record = columns[row]
                let (source, destination): (UInt32, UInt32)
                switch numbers {
                case .rows(let sources, let destinations):
                    (source, destination) = (sources[row - range.lowerBound], destinations[row - range.lowerBound])
                case .shared(let sharing, let numbers):
                    let place = Int(sharing.places[row]), ends = (sharing.ends[place], sharing.ends[place ^ 1])
                    (source, destination) = (numbers[Int(ends.0)], numbers[Int(ends.1)])
                    #expect(sharing.ports[place] == UInt32(record.sourceTransportPort))
                    #expect(sharing.ports[place ^ 1] == UInt32(record.destinationTransportPort))
                    #expect(sharing.protocols[place / 2] == record.protocolIdentifier)
                    #expect(sharing.asNumbers[Int(ends.0)] == record.bgpSourceAsNumber)
                }
                #expect(seen.octetDeltaCount[row] == record.octetDeltaCount)
                ends.append((source, destination, record.sourceIPAddress, record.destinationIPAddress))
            }
        }
        #expect(rows == 3_000)
        _ = encoder.finish { hosts in
            for end in ends {
                #expect(hosts.address(at: hosts.place(ofEnd: end.source)) == end.from)
                #expect(hosts.address(at: hosts.place(ofEnd: end.destination)) == end.to)
            }
        }
    }
}
