import FlowModel
import TestKit
import Testing

@Suite("Addresses as people write them")
struct IPAddressTests {
    @Test("IPv4 in dotted decimal") func v4() throws {
        let address = try #require(IPAddress("192.0.2.1"))
        #expect(address == IPAddress(v4: 0xC000_0201) && address.isV4 && address.description == "192.0.2.1")
        #expect(IPAddress("0.0.0.0")?.isAbsent == false && IPAddress("0.0.0.0")?.isV4 == true)
        #expect(IPAddress("255.255.255.255")?.v4 == .max)
        for text in [
            "", ".", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.04", "1.2.3.-4", "1.2.3.+4", "1.2.3. 4",
            "1.2.3.4 ", "0x1.2.3.4", "1..3.4", "1.2.3.4/8", "1.2.3.٤", "1.2.3.1000",
        ] {
            #expect(IPAddress(text) == nil, "\(text)")
        }
    }

    //= RFC 5952 §4
    @Test(
        "IPv6 is written in the one recommended way, and read in any",
        arguments: [
            ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("0:0:0:0:0:0:0:0", "::"),
            ("::", "::"),
            ("::1", "::1"),
            ("1::", "1::"),
            ("fe80:0:0:0:0:0:0:0", "fe80::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:c000:0201", "192.0.2.1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ])
    func v6(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
    }

    @Test("what is no IPv6 address is refused") func badV6() {
        for text in [
            ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7:8::", ":1::2",
            "1:", ":1", "::1.2.3", "::1.2.3.4:5", "1.2.3.4::", "fe80::1%eth0", "[::1]", "::1/64", "::-1", "::+1",
            " ::1",
            "1:2:3:4:5:6:7:1.2.3.4", "::ffff:01.2.3.4", "1:2:3:4:5:6:7::8", String(repeating: "0", count: 50) + "::1",
        ] {
            #expect(IPAddress(text) == nil, "\(text)")
        }
    }

    @Test("any address survives being written and read") func roundTrip() {
        forAll(runs: 2_000) { generator, seed in
            var words = [generator.next() as UInt64, generator.next()]
            for index in words.indices {  // zero some of the groups, so that there are runs to shorten
                for group in 0..<4 where Bool.random(using: &generator) {
                    words[index] &= ~(0xFFFF << UInt64(16 * group))
                }
            }
            let address = IPAddress(high: words[0], low: words[1]), v4 = IPAddress(v4: generator.next())
            #expect(IPAddress(address.description) == address, "SEED=\(seed) \(address)")
            #expect(IPAddress(v4.description) == v4, "SEED=\(seed)")
        }
    }

    @Test("order and prefixes go by the bits") func prefixes() throws {
        let address = IPAddress(v4: 0x0A14_1E28)
        #expect(address.prefix(8) == IPAddress(v4: 0x0A00_0000) && address.prefix(32) == address)
        #expect(address.prefix(0) == IPAddress(v4: 0) && address.prefix(31) == address)
        let long = IPAddress(high: .max, low: .max)
        #expect(long.prefix(0) == .absent && long.prefix(64) == IPAddress(high: .max, low: 0))
        #expect(long.prefix(1) == IPAddress(high: 1 << 63, low: 0) && long.prefix(65).low == 1 << 63)
        #expect(long.prefix(128) == long && long.prefix(127).low == .max - 1)
        #expect(IPAddress(v4: 1) < IPAddress(v4: 2) && IPAddress(high: 0, low: .max) < IPAddress(high: 1, low: 0))
    }

    @Test("networks are read, written and asked") func networks() throws {
        let ten = try #require(IPNetwork("10.1.2.3/8"))
        #expect(ten.description == "10.0.0.0/8")
        #expect(ten.contains(IPAddress(v4: 0x0AFF_FFFF)) && !ten.contains(IPAddress(v4: 0x0B00_0000)))
        let all4 = try #require(IPNetwork("0.0.0.0/0")), all6 = try #require(IPNetwork("::/0"))
        #expect(all4.contains(IPAddress(v4: 1)) && !all4.contains(IPAddress(high: 1, low: 0)))
        #expect(all6.contains(IPAddress(high: 1, low: 0)) && !all6.contains(IPAddress(v4: 1)))
        let documentation = try #require(IPNetwork("2001:db8::1/32"))
        #expect(documentation.description == "2001:db8::/32" && IPNetwork("192.0.2.1")?.length == 32)
        #expect(IPNetwork("::1")?.length == 128)
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "/8", "x/8"] {
            #expect(IPNetwork(text) == nil, "\(text)")
        }
    }
}
