import Enrichment
import FlowModel
import Foundation
import Platform
import TestKit
import Testing

@Suite("Where addresses are") struct EnrichmentTests {
    private static let folder = "enrich/maxmind-test"
    private static let present = !Fixtures.files(in: folder, suffix: ".mmdb").isEmpty

    private static func path(_ name: String) -> String { Fixtures.root.appendingPathComponent(name).path }
    private static func open(_ name: String) throws -> AddressDatabase {
        try AddressDatabase(path: path("\(folder)/test-data/\(name).mmdb"))
    }
    private static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
    private static func country(_ text: String) throws -> CountryCode { try #require(CountryCode(text)) }

    // The addresses are those of MaxMind's source data for these files.
    @Test("countries come from country and city databases", .enabled(if: present, Comment(rawValue: Fixtures.why)))
    func countries() throws {
        for name in ["GeoLite2-Country-Test", "GeoLite2-City-Test", "GeoIP2-Country-Test", "GeoIP2-City-Test"] {
            let database = try Self.open(name)
            let expected = [
                "81.2.69.142": "GB", "89.160.20.112": "SE", "2001:218::1": "JP", "216.160.83.56": "US",
                "2001:220::1": "KR",
            ]
            for (text, country) in expected {
                let place = database.place(of: try Self.address(text))
                #expect("\(place.country)" == country, "\(name) \(text)")
            }
            let own = database.place(of: try Self.address("10.0.0.1"))
            #expect(own == .unknown)
            #expect(database.hasIPv6)
            #expect(database.type == String(name.dropLast(5)))
        }
    }

    @Test("systems come with number and name", .enabled(if: present, Comment(rawValue: Fixtures.why)))
    func systems() throws {
        let database = try Self.open("GeoLite2-ASN-Test"), address = try Self.address("1.128.0.1")
        #expect(database.place(of: address).systemNumber == 1_221)
        #expect(database.systemName(of: address) == "Telstra Pty Ltd")
        let example = database.systemName(of: try Self.address("192.0.2.1"))
        #expect(example == nil)
        let wide = try Self.address("2600:6000::1")
        #expect(database.place(of: wide).systemNumber == 237)
        #expect(database.systemName(of: wide) == "Merit Network Inc.")
    }

    @Test(
        "every broken database is refused, or gives nothing for what is broken",
        .enabled(if: present, Comment(rawValue: Fixtures.why))) func broken() throws
    {
        var refused: Set<String> = [], asked = 0
        for file in Fixtures.files(in: Self.folder, suffix: ".mmdb") {
            guard let database = try? AddressDatabase(path: Self.path(file)) else {
                refused.insert(String(file.split(separator: "/").last ?? ""))
                continue
            }
            forAll(runs: 20) { generator, _ in
                for _ in 0..<200 {
                    let bits = UInt32.random(in: 0...(.max), using: &generator)
                    let high = UInt64.random(in: 0...(.max), using: &generator)
                    for address in [IPAddress(v4: bits), IPAddress(high: high, low: UInt64(bits))] {
                        let place = database.place(of: address)
                        if place.country.isNone, place.systemNumber == 0 { _ = database.systemName(of: address) }
                        asked += 1
                    }
                }
            }
        }
        #expect(asked > 100_000)
        #expect(refused.count == 10)
        #expect(refused.contains("cyclic-data-structure.mmdb"))
        #expect(refused.contains("GeoIP2-City-Test-Invalid-Node-Count.mmdb"))
    }

    @Test(
        "a file cut short or with octets changed is refused or answers, and nothing worse",
        .enabled(if: present, Comment(rawValue: Fixtures.why))) func damaged() throws
    {
        let whole = try Fixtures.bytes("\(Self.folder)/test-data/GeoLite2-Country-Test.mmdb")
        let folder = try TemporaryFolder()
        var refused = 0, opened = 0
        try forAll(runs: 60) { generator, seed in
            var bytes = whole
            if seed.isMultiple(of: 4) {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
            } else {
                for _ in 0..<Int(seed % 7 + 1) {
                    let place = Int.random(in: 0..<bytes.count, using: &generator)
                    bytes[place] = UInt8.random(in: 0...255, using: &generator)
                }
            }
            let file = folder.file("\(seed).mmdb")
            try Data(bytes).write(to: file)
            guard let database = try? AddressDatabase(path: file.path) else {
                refused += 1
                return
            }
            opened += 1
            for _ in 0..<200 {
                let address = IPAddress(v4: UInt32.random(in: 0x5100_0000...0x51FF_FFFF, using: &generator))
                let text = "\(database.place(of: address).country)"
                #expect(text.utf8.count == 2 || text.isEmpty, "SEED=\(seed)")
            }
        }
        #expect(refused > 5 && opened > 5)
    }

    @Test("a missing file, a folder and a file of another kind are refused") func noDatabases() throws {
        for path in ["/nowhere/GeoLite2.mmdb", "/tmp", PackageTree.root.appendingPathComponent("README.md").path] {
            #expect(throws: AddressDatabase.Fault.self, "\(path)") { try AddressDatabase(path: path) }
        }
    }

    @Test(
        "a file that is replaced by rename goes on as it was for who has it open",
        .enabled(if: present, Comment(rawValue: Fixtures.why))) func replaced() throws
    {
        let folder = try TemporaryFolder(), file = folder.file("countries.mmdb")
        try Data(try Fixtures.bytes("\(Self.folder)/test-data/GeoLite2-Country-Test.mmdb"))
            .write(to: file)
        let database = try AddressDatabase(path: file.path), address = try Self.address("81.2.69.142")
        let before = database.place(of: address)
        try Data(try Fixtures.bytes("\(Self.folder)/test-data/GeoLite2-ASN-Test.mmdb"))
            .write(to: file, options: .atomic)
        #expect(database.place(of: address) == before)
        #expect("\(before.country)" == "GB")
        let reopened = try AddressDatabase(path: file.path)
        #expect(reopened.type == "GeoLite2-ASN")
    }

    @Test("ranges of both families answer at their edges, and what is wrong in a list is counted") func ranges() throws
    {
        let text = """
            # comment
            16777216,16777471,AU
            16777472,16778239,CN
            3221225984,3221226239,ch
            16777300,16777600,FR
            5,4,DE
            7,nine,DE
            167772160,184549375,??
            2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP
            2001:db8::,2001:db8::1,D
            2001:db8::5,2001:db8::1,DE
            4294967296,4294967297,DE
            """
        let ranges = AddressRanges(lists: [Array(text.utf8), []])
        #expect(ranges.count == 4)
        #expect(ranges.refusals == [.malformed: 5, .overlapping: 1])
        let expected = [
            "1.0.0.0": "AU", "1.0.0.255": "AU", "1.0.1.0": "CN", "1.0.3.255": "CN", "1.0.4.0": "", "0.255.255.255": "",
            "192.0.2.255": "CH", "192.0.3.0": "", "10.0.0.1": "", "255.255.255.255": "", "2001:200::": "JP",
            "2001:200:ffff:ffff:ffff:ffff:ffff:ffff": "JP", "2001:201::": "", "2001:1ff:ffff::": "", "::": "",
        ]
        for (text, country) in expected {
            let found = ranges.country(of: try Self.address(text))
            #expect("\(found)" == country, "\(text)")
        }
    }

    @Test("ranges agree with asking each of them") func rangesModel() {
        forAll(runs: 20) { generator, seed in
            var lines: [String] = [], model: [(ClosedRange<UInt32>, String)] = [], next: UInt32 = 0
            for _ in 0..<500 {
                next += UInt32.random(in: 1..<5_000_000, using: &generator)
                let end = next + UInt32.random(in: 0..<3_000_000, using: &generator)
                let country = ["AA", "BB", "CC"].randomElement(using: &generator) ?? "AA"
                lines.append("\(next),\(end),\(country)")
                model.append((next...end, country))
                next = end
            }
            let ranges = AddressRanges(lists: [Array(lines.shuffled(using: &generator).joined(separator: "\n").utf8)])
            for _ in 0..<300 {
                let bits = UInt32.random(in: 0..<(next &+ 100_000), using: &generator)
                let country = model.first { $0.0.contains(bits) }?.1 ?? ""
                #expect("\(ranges.country(of: IPAddress(v4: bits)))" == country, "SEED=\(seed) \(bits)")
            }
        }
    }

    @Test("IPv6 addresses in lists are read as everywhere else") func wideLines() throws {
        var texts = [
            "::", "::1", "1::", ":1", "1:", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", "1:::2", "12345::", "fffff::1", "FFFF:abcd::", "::192.0.2.1", "g::",
            "1:2:3:4::5:6:7:8", "64:ff9b::192.0.2.33", "1::2:3:4:5:6:7:8:9", "",
        ]
        forAll(runs: 200) { generator, _ in
            var groups = (0..<Int.random(in: 0...9, using: &generator)).map { _ in
                String(UInt32.random(in: 0...0x1_1000, using: &generator), radix: 16)
            }
            if Bool.random(using: &generator) {
                groups.insert("", at: Int.random(in: 0...groups.count, using: &generator))
            }
            let text = groups.joined(separator: ":")
            texts.append(text.hasPrefix(":") ? ":" + text : text.hasSuffix(":") ? text + ":" : text)
        }
        var read = 0
        for text in texts {
            let address = IPAddress(text), isWide = address.map { !$0.isV4 } ?? false
            let ranges = AddressRanges(lists: [Array("\(text),\(text),CH".utf8)])
            #expect(ranges.count == (isWide ? 1 : 0), "\(text)")
            guard let address, isWide else { continue }
            read += 1
            #expect("\(ranges.country(of: address))" == "CH", "\(text)")
            #expect(ranges.ranges(of: try Self.country("CH")) == [address...address], "\(text)")
        }
        #expect(read > 50)
    }

    private static let torFolder = ["/usr/share/tor", ProcessInfo.processInfo.environment["WEIR_GEOIP"] ?? ""]
        .first { FileManager.default.fileExists(atPath: $0 + "/geoip6") }

    @Test(
        "Debian's lists answer as their lines say",
        .enabled(if: torFolder != nil, "install tor-geoipdb, or set WEIR_GEOIP")
    ) func debianLists() throws {
        let folder = try #require(Self.torFolder)
        // The first tenth of each: reading all takes half a minute without optimization.
        let lists = try ["geoip", "geoip6"].map { name in
            let whole = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")), cut = whole.prefix(1_000_000)
            return [UInt8](cut.prefix(through: cut.lastIndex(of: 0x0A) ?? 0))
        }
        let ranges = AddressRanges(lists: lists)
        #expect(ranges.count > 50_000)
        #expect(ranges.refusals.isEmpty)
        for list in lists {
            let lines = String(decoding: list, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
            for index in stride(from: 0, to: lines.count, by: 997) {
                let fields = lines[index].split(separator: ",")
                for text in fields.prefix(2) {
                    let address = UInt32(text).map { IPAddress(v4: $0) } ?? IPAddress(text)
                    let found = ranges.country(of: try #require(address))
                    #expect("\(found)" == fields[2] || fields[2] == "??", "\(lines[index])")
                }
            }
        }
    }

    @Test("a cache answers as its sources do, and forgets when they are replaced") func cache() throws {
        let first = AddressRanges(lists: [Array("0,2147483647,AA\n2147483648,4294967295,BB".utf8)])
        let second = AddressRanges(lists: [Array("0,4294967295,CC".utf8)])
        let current = CurrentEnrichment(Enrichment(sources: [.ranges(first)], assets: .none, generation: 1))
        var cache = PlaceCache(bits: 4)
        forAll(runs: 3) { generator, seed in
            for _ in 0..<500 {
                let address = IPAddress(v4: UInt32.random(in: 0..<64, using: &generator) << 26)
                let place = cache.place(of: address, in: current.value)
                #expect(place == current.value.place(of: address), "SEED=\(seed)")
            }
        }
        #expect(cache.hits > 100 && cache.misses > 60, "64 addresses meet in 16 places")
        let address = IPAddress(v4: 1), country = try Self.country("CC")
        _ = cache.place(of: address, in: current.value)
        current.replace(sources: [.ranges(second)], assets: .none)
        #expect(cache.place(of: address, in: current.value).country == country)
        #expect(cache.place(of: .absent, in: current.value) == .unknown)
    }

    @Test("later sources fill in what earlier ones don't know", .enabled(if: present, Comment(rawValue: Fixtures.why)))
    func sources() throws {
        let ranges = AddressRanges(lists: [Array("0,4294967295,ZZ".utf8)])
        let systems = PlaceSource.database(try Self.open("GeoLite2-ASN-Test"))
        let countries = PlaceSource.database(try Self.open("GeoLite2-Country-Test"))
        let enrichment = Enrichment(sources: [countries, systems, .ranges(ranges)], assets: .none, generation: 1)
        let known = enrichment.place(of: try Self.address("89.160.20.112"))
        #expect("\(known.country)" == "SE")
        #expect(known.systemNumber == 29_518)
        let address = try Self.address("1.128.0.1"), unknown = enrichment.place(of: address)
        #expect("\(unknown.country)" == "ZZ")
        #expect(unknown.systemNumber == 1_221)
        #expect(enrichment.systemName(of: address) == "Telstra Pty Ltd")
        #expect(Enrichment.none.place(of: address) == .unknown)
    }

    @Test(
        "the addresses of a country are those whose place it is, from databases and lists, also where they differ",
        .enabled(if: present, Comment(rawValue: Fixtures.why)))
    func countryRanges() throws {
        let list = AddressRanges(lists: [
            Array("0,4294967295,GB\n".utf8), Array("2001:200::,2001:2ff:ffff:ffff:ffff:ffff:ffff:ffff,JP\n".utf8),
        ])
        let texts = ["81.2.69.142", "89.160.20.112", "2001:218::1", "2001:220::1", "216.160.83.56", "10.0.0.1"]
        for name in ["GeoLite2-Country-Test", "GeoLite2-City-Test"] {
            let database = PlaceSource.database(try Self.open(name))
            for sources in [[database], [database, .ranges(list)], [.ranges(list), database]] {
                let enrichment = Enrichment(sources: sources, assets: .none, generation: 1)
                #expect(enrichment.hasRanges)
                let codes = try ["GB", "SE", "JP", "US", "KR", "CN", "PH", "BT"].map { try Self.country($0) }
                let ranges = codes.map { enrichment.ranges(of: $0) ?? [] }
                #expect(ranges[0].count > 0 && ranges[2].count > 0)
                // Edges of all ranges, and what lies beside them; then anywhere.
                var asked = try texts.map { try Self.address($0) }
                for range in ranges.joined() {
                    for edge in [range.lowerBound, range.upperBound] {
                        asked += [edge, IPAddress(high: edge.high, low: edge.low &+ 1)]
                        asked += [IPAddress(high: edge.high, low: edge.low &- 1)]
                    }
                }
                for address in asked where address.isV4 || address.high != 0 {
                    let country = enrichment.place(of: address).country
                    for (code, ranges) in zip(codes, ranges) {
                        let isIn = ranges.contains { $0.contains(address) }
                        #expect(isIn == (country == code), "\(name) \(address) \(country) \(code)")
                    }
                }
            }
            let alone = Enrichment(sources: [database], assets: .none, generation: 1)
            let none = alone.ranges(of: try Self.country("AQ"))
            #expect(none == nil)
        }
    }

    @Test("broken databases give no ranges, or some, and end", .enabled(if: present, Comment(rawValue: Fixtures.why)))
    func brokenRanges() throws {
        var opened = 0
        for file in Fixtures.files(in: Self.folder, suffix: ".mmdb") {
            guard let database = try? AddressDatabase(path: Self.path(file)) else { continue }
            opened += 1
            let enrichment = Enrichment(sources: [.database(database)], assets: .none, generation: 1)
            for code in ["US", "GB"] {
                let ranges = enrichment.ranges(of: try Self.country(code)) ?? []
                #expect(ranges.allSatisfy { $0.lowerBound <= $0.upperBound })
            }
        }
        #expect(opened > 10)
    }

    @Test("an address belongs to the narrowest network of the tenant's") func assets() throws {
        let text = """
            # network, name, tags
            10.0.0.0/8,Everything
            10.1.0.0/16, Office Zurich , office  ch
            10.1.7.0/24,Payment,server pci critical  # audited

            2001:db8:7::/48,Lab,lab
            """
        let assets = try AssetNetworks(list: Array(text.utf8))
        #expect(assets.count == 4)
        let payment = try #require(assets.asset(holding: try Self.address("10.1.7.9")))
        #expect(payment.name == "Payment")
        #expect(payment.tags == ["server", "pci", "critical"])
        let expected: [String: (String?, [String]?)] = [
            "10.1.8.9": ("Office Zurich", ["office", "ch"]), "10.2.0.1": ("Everything", []),
            "2001:db8:7:1::1": ("Lab", ["lab"]), "192.0.2.1": (nil, nil),
        ]
        for (address, (name, tags)) in expected {
            let asset = assets.asset(holding: try Self.address(address))
            #expect(asset?.name == name, "\(address)")
            #expect(asset?.tags == tags, "\(address)")
        }
    }

    @Test("a list of networks is taken whole or not at all, and the line that is wrong is named") func assetFaults() {
        for (text, line) in [("10.0.0.0/8,a\nten,b", 2), ("10.0.0.0/8,a,b,c", 1), ("\n\n10.0.0.0/33,x", 3)] {
            var found: AssetNetworks.Fault?
            do { _ = try AssetNetworks(list: Array(text.utf8)) } catch { found = error }
            #expect(found?.line == line, "\(text)")
        }
    }

    @Test("countries are two letters") func codes() {
        #expect(CountryCode("ch")?.description == "CH")
        for text in ["", "C", "CHE", "C1", "ÄÖ", "??"] { #expect(CountryCode(text) == nil, "\(text)") }
        #expect(CountryCode.none.description == "")
    }
}
