import Detect
import FlowModel
import Testing

@Suite("First contacts") struct NewPlaceTests {
    private static let day: Int64 = 86_400_000
    /// 198.51.x.0 lies in a country and a system of its number x.
    private static let places = PlaceLookup { address in
        guard address.isV4, address.v4 >> 16 == 0xC633 else { return (0, 0) }
        let number = address.v4 >> 8 & 0xFF
        return (0x4141 + UInt16(number), 64_500 + number)
    }
    private func peer(_ number: UInt32) -> IPAddress { IPAddress(v4: 0xC633_0001 + number << 8) }
    /// One call of a host a day, to each of some places, from the first day on.
    private func calls(
        _ numbers: [UInt32], days: Range<Int64>, from host: IPAddress = Traffic.client, packets: UInt64 = 12
    ) -> [FlowRecord] {
        days.flatMap { day in
            numbers.map { number in
                Traffic.record(
                    from: host, UInt16(50_000 + number), to: peer(number), 443, bits: 0x1B, packets: packets,
                    octets: 9_000 + UInt64(number) * 100, at: Traffic.noon + day * Self.day + Int64(number) * 1_000)
            }
        }
    }
    private func detect(_ records: [FlowRecord], places: PlaceLookup = places) throws -> [Finding] {
        var set = DetectorSet(tenant: try Traffic.tenant())
        set.use(places)
        return (Traffic.run(&set, records, batch: 1) + set.finish()).filter { $0.rule.hasPrefix("new-") }
    }

    @Test("a host of few countries that calls another after its week is told, once") func country() throws {
        let findings = try detect(calls([1, 2], days: 0..<8) + calls([3], days: 8..<11))
        let finding = try #require(findings.first)
        #expect(findings.count == 1 && finding.rule == "new-country" && finding.severity == .low)
        #expect(finding.entity(.attacker) == ["10.0.0.7"] && finding.entity(.victim) == ["198.51.3.1"])
        #expect(finding.title.contains("in AD, where it never did before"), "\(finding.title)")
    }

    @Test("within the week, for a host of many countries, and for calls without content nothing is told")
    func negatives() throws {
        #expect(try detect(calls([1, 2], days: 0..<6) + calls([3], days: 6..<7)).isEmpty)
        #expect(try detect(calls(Array(1...20), days: 0..<8) + calls([21], days: 8..<9)).isEmpty)
        #expect(try detect(calls([1], days: 0..<8) + calls([2], days: 8..<9, packets: 1)).isEmpty)
    }

    @Test("a country that others call, too, is no new one; its network still is, for a host of few") func common()
        throws
    {
        let others = (0..<4).flatMap { calls([3], days: 0..<1, from: IPAddress(v4: 0x0A00_0100 + UInt32($0))) }
        let findings = try detect(others + calls([1], days: 0..<8) + calls([3], days: 8..<9))
        #expect(findings.map(\.rule) == ["new-network"])
    }

    @Test("without a look-up a new network is told, of a host that has few") func network() throws {
        let findings = try detect(calls([1, 2], days: 0..<8) + calls([3], days: 8..<9), places: .none)
        #expect(findings.map(\.rule) == ["new-network"])
        #expect(try detect(calls(Array(1...20), days: 0..<8) + calls([21], days: 8..<9), places: .none).isEmpty)
    }
}
