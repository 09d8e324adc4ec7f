import Decode
import FlowModel
import Testing

/// What samples say about those that didn't come, and about who sends them.
@Suite("sFlow agents and data sources") struct SFlowSourceTests {
    private static let header = SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)))

    private func sample(
        _ sequence: UInt32, source: UInt32 = 9, pool: UInt32 = 0, drops: UInt32 = 0, rate: UInt32 = 400
    ) -> [UInt8] {
        SFlow.flow([Self.header], rate: rate, sequence: sequence, source: source, pool: pool, drops: drops)
    }

    @Test("C13 missing samples are counted per data source, across the wrap; a late one is named, a restart is no loss")
    func sequence() {
        var decoding = Decoding()
        let first = decoding.decode(SFlow.datagram([sample(10), sample(500, source: 8), sample(11)]))
        #expect(first.samplesMissing == 0)
        let gap = decoding.decode(SFlow.datagram([sample(15), sample(501, source: 8)]))
        #expect(gap.samplesMissing == 3 && gap.samplesLate == 0)
        let late = decoding.decode(SFlow.datagram([sample(13), sample(16)]))
        #expect(late.samplesLate == 1 && late.samplesMissing == 0)
        let restart = decoding.decode(SFlow.datagram([sample(4_000_000), sample(4_000_001)]))
        #expect(restart.samplesMissing == 0)
        decoding.decode(SFlow.datagram([sample(.max - 1)]))
        #expect(decoding.decode(SFlow.datagram([sample(1)])).samplesMissing == 2)
        let other = decoding.decode(SFlow.datagram([sample(700)], agent: 0x0A09_0808))
        #expect(other.samplesMissing == 0)
    }

    @Test("C13 samples that the agent dropped itself are counted by its counter's growth") func drops() {
        var decoding = Decoding()
        decoding.decode(SFlow.datagram([sample(1, drops: 90)]))
        #expect(decoding.decode(SFlow.datagram([sample(2, drops: 95)])).samplesDropped == 5)
        #expect(decoding.decode(SFlow.datagram([sample(3, drops: 95)])).samplesDropped == 0)
        #expect(decoding.decode(SFlow.datagram([sample(4, drops: 3)])).samplesDropped == 0)
    }

    @Test("C11 the rate is the header's; a pool that grows by another one is reported, with the effective rate")
    func effectiveRate() {
        var decoding = Decoding(), mismatches: [SamplingMismatch] = []
        for number in 1...3_000 as ClosedRange<UInt32> {
            let samples = [
                sample(number, source: 1, pool: number * 400), sample(number, source: 2, pool: number * 800),
                sample(number, source: 3),
            ]
            mismatches += decoding.decode(SFlow.datagram(samples)).samplingMismatches
        }
        #expect(decoding.records.allSatisfy { $0.samplingInterval == 400 })
        #expect(mismatches.count == 2 && mismatches.allSatisfy { $0.sourceIndex == 2 && $0.stated == 400 })
        #expect(mismatches.allSatisfy { abs($0.effective - 800) < 1 })
    }

    @Test("C13 a datagram that came twice says nothing new about what is missing") func repeated() {
        var decoding = Decoding()
        decoding.decode(SFlow.datagram([sample(1)]))
        let datagram = SFlow.datagram([sample(5)])
        #expect(decoding.decode(datagram).samplesMissing == 3)
        let again = decoding.decode(datagram, isRepeat: true)
        #expect(again.samplesMissing == 0 && again.samplesLate == 0 && again.rows.count == 1)
    }

    @Test("C29 more data sources than are remembered cost no more memory, and old ones go on being followed")
    func bound() {
        var decoding = Decoding()
        decoding.decode(SFlow.datagram([sample(1)]))
        var missing: UInt64 = 0
        for index in 0..<600 as Range<UInt32> {
            let samples = (0..<100 as Range<UInt32>).map { sample(1, source: 1_000 + index * 100 + $0) }
            decoding.decode(SFlow.datagram(samples), at: Decoding.received + Int64(index))
            missing +=
                decoding.decode(SFlow.datagram([sample(2 + index)]), at: Decoding.received + Int64(index) * 2)
                .samplesMissing
        }
        #expect(missing == 0)
    }

    @Test("C24 the exporter is the agent or the socket, as the site wants; agents without an address are their socket")
    func identity() {
        let datagram = SFlow.datagram([sample(1)]), unnamed = SFlow.datagram([sample(1)], agent: 0)
        var byAgent = Decoding()
        #expect(byAgent.decode(datagram).exporter?.address == address("10.9.8.7"))
        #expect(byAgent.decode(unnamed).exporter?.address == Decoding.exporter)
        var settings = DecodeSettings()
        settings.sflow.identity = .socket
        var bySocket = Decoding()
        bySocket.decoder = DatagramDecoder(settings: settings)
        #expect(bySocket.decode(datagram).exporter?.address == Decoding.exporter)
        #expect(bySocket.columns.exporters.first?.address == Decoding.exporter)
    }

    @Test("C24 a second agent behind one socket address is noticed once") func collision() {
        var decoding = Decoding()
        let one = SFlow.datagram([sample(1)]), other = SFlow.datagram([sample(1)], agent: 0x0A09_0808)
        #expect(decoding.decode(one).agentsAtAddress == 0)
        #expect(decoding.decode(other).agentsAtAddress == 2)
        #expect(decoding.decode(one).agentsAtAddress == 0 && decoding.decode(other).agentsAtAddress == 0)
        #expect(decoding.decode(one, source: address("192.0.2.9")).agentsAtAddress == 0)
        #expect(decoding.decode(SFlow.datagram([], agent: 7)).agentsAtAddress == 3)
    }

    @Test("C32 a sampler at the ingress or egress interface says which way the packet went") func direction() {
        var decoding = Decoding()
        decoding.decode(SFlow.datagram([sample(1, source: 3), sample(1, source: 4), sample(1, source: 1 << 24 | 3)]))
        #expect(decoding.records.map(\.flowDirection) == [0, 1, 255])
    }
}
