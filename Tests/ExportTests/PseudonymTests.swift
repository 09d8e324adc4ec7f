import Export
import FlowModel
import Platform
import TestKit
import Testing

@Suite("Pseudonyms keep prefixes")
struct PseudonymTests {
    private static let originalKey: [UInt8] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121, 101, 39, 98,
        87, 76, 45, 42, 132, 34, 2,
    ]

    @Test(
        "the sample of Crypto-PAn's own distribution",
        arguments: [
            ("128.11.68.132", "135.242.180.132"), ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"), ("141.223.7.43", "141.167.8.160"),
            ("141.233.145.108", "141.129.237.235"), ("152.163.225.39", "151.140.114.167"),
            ("156.29.3.236", "147.225.12.42"), ("165.247.96.84", "162.9.99.234"),
            ("166.107.77.190", "160.132.178.185"), ("192.102.249.13", "252.138.62.131"),
            ("192.215.32.125", "252.43.47.189"),
        ])
    func original(_ address: String, _ pseudonym: String) throws {
        let pseudonyms = try #require(Pseudonyms(key: Self.originalKey))
        let address = try #require(IPAddress(address))
        #expect(pseudonyms.pseudonym(of: address).description == pseudonym)
    }

    @Test("the examples of yacryptopan, IPv6 too") func others() throws {
        let pseudonyms = try #require(Pseudonyms(key: Array("32-char-str-for-AES-key-and-pad.".utf8)))
        let v4 = try #require(IPAddress("192.0.2.1")), v6 = try #require(IPAddress("2001:db8::1"))
        #expect(pseudonyms.pseudonym(of: v4).description == "192.0.125.244")
        #expect(pseudonyms.pseudonym(of: v6).description == "27fe:8bc7:fee:1e:1e1f:f0fe:f0e1:83fd")
    }

    @Test("as many leading bits are shared after as before, and the family stays") func prefixes() throws {
        let pseudonyms = try #require(Pseudonyms(key: Self.originalKey))
        forAll(runs: 200) { generator, seed in
            let isV4 = Bool.random(using: &generator)
            let width = isV4 ? 32 : 128, shared = Int.random(in: 0..<width, using: &generator)
            func bits(_ address: IPAddress, _ n: Int) -> IPAddress { address.prefix(n) }
            let a =
                isV4
                ? IPAddress(v4: generator.next()) : IPAddress(high: generator.next() | 1 << 40, low: generator.next())
            // The bit after `shared` is turned over.
            let place = UInt64(width - shared - 1)
            let b =
                place < 64
                ? IPAddress(high: a.high, low: a.low ^ 1 << place)
                : IPAddress(high: a.high ^ 1 << (place - 64), low: a.low)
            let x = pseudonyms.pseudonym(of: a), y = pseudonyms.pseudonym(of: b)
            #expect(x.isV4 == isV4, "SEED=\(seed)")
            #expect(bits(x, shared) == bits(y, shared) && bits(x, shared + 1) != bits(y, shared + 1), "SEED=\(seed)")
            #expect(pseudonyms.pseudonym(of: a) == x, "SEED=\(seed)")
        }
        #expect(pseudonyms.pseudonym(of: .absent) == .absent)
    }

    @Test("keys have 32 octets, and each tenant another") func keys() {
        #expect(Pseudonyms(key: [UInt8](repeating: 0, count: 31)) == nil)
        let one = Pseudonyms.key(secret: [1, 2, 3], tenant: "one"),
            two = Pseudonyms.key(secret: [1, 2, 3], tenant: "two")
        #expect(one.count == Pseudonyms.keyOctets && one != two)
        #expect(one != Pseudonyms.key(secret: [1, 2, 4], tenant: "one"))
    }

    @Test("no address, text or octets of a record come through") func nothingLeaks() throws {
        var columns = FlowColumns()
        let exporter = try #require(IPAddress("192.0.2.77")), other = try #require(IPAddress("192.0.2.78"))
        var record = FlowRecord()
        let key = ExporterKey(address: exporter, observationDomain: 5, exportProtocol: .ipfix)
        let otherKey = ExporterKey(address: other, observationDomain: 5, exportProtocol: .ipfix)
        let first = columns.intern(key), second = columns.intern(otherKey)
        record.exporter = try #require(first)
        record.observers = columns.observerSets.place(of: [try #require(second)])
        record.sourceIPAddress = try #require(IPAddress("10.1.2.3"))
        record.destinationIPAddress = try #require(IPAddress("2001:db8::7"))
        record.ipNextHopAddress = try #require(IPAddress("10.1.2.4"))
        record.octetDeltaCount = 5
        record.extra = columns.extras.add([
            ExtraValue(ElementKey(id: 225), [10, 9, 9, 9]), ExtraValue(ElementKey(id: 371), Array("alice".utf8)),
            ExtraValue(ElementKey(id: 56), [2, 0, 0x5E, 1, 2, 3]), ExtraValue(ElementKey(id: 52), [64]),
            ExtraValue(ElementKey(enterprise: 9, id: 12_235), Array("secret".utf8)),
        ])
        columns.append(record)
        let pseudonyms = try #require(Pseudonyms(key: Self.originalKey))
        var exporterValue = FlowExporter(.ndjson, pseudonyms: pseudonyms), out: [UInt8] = []
        exporterValue.begin(into: &out)
        exporterValue.add(columns, into: &out)
        exporterValue.end(into: &out)
        let text = String(decoding: out, as: UTF8.self)
        for secret in [
            "192.0.2.77", "192.0.2.78", "10.1.2", "2001:db8::7", "10.9.9.9", "alice", "02:00", "secret", "736563726574",
        ] {
            #expect(!text.contains(secret), "\(text)")
        }
        let translated = try #require(IPAddress("10.9.9.9"))
        #expect(text.contains("\"postNATSourceIPv4Address\":\"\(pseudonyms.pseudonym(of: translated))\""))
        #expect(text.contains("\"minimumTTL\":64") && text.contains("\"octetDeltaCount\":5"))
        #expect(text.contains(pseudonyms.pseudonym(of: other).description))
    }
}
