import Enrichment
import FlowModel
import Foundation
import Intelligence
import Platform

/// Measures the matching of records with indicators and the enrichment of addresses, in CPU time of the whole process
/// (getrusage, user and system), one JSON object a line:
///     {"name":s,"operations":n,"cpuSeconds":s,"nanoseconds":s,"megabytes":s}
/// Addresses are made up, from a fixed seed. Memory is what the process grew by.
@main
enum WeirBenchIntel {
    static let usage = """
        usage: weir-bench-intel [--indicators N] [--folder FOLDER] [--mmdb FILE]

          match     rows of 16,384, none of which is listed, with N indicators (1,000,000), one in twenty of IPv6
          hits      the same, where each row's destination is listed
          systems   as match, where 400 systems with 25,000 networks are listed besides
          place     countries of addresses as flows have them: a few thousand take most, from FOLDER/geoip and geoip6
                    (Debian's tor-geoipdb; /usr/share/tor) or from FILE in MaxMind's format
          miss      the same for addresses that never come again

        """

    static func main() {
        var indicators = 1_000_000, folder = "/usr/share/tor", database: String?
        var rest = CommandLine.arguments.dropFirst()
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { return stop() }
            switch option {
            case "--indicators": indicators = Int(value) ?? indicators
            case "--folder": folder = value
            case "--mmdb": database = value
            default: return stop()
            }
        }
        matching(indicators)
        places(folder: folder, database: database)
    }
    private static func stop() {
        FileHandle.standardError.write(Data(usage.utf8))
        exit(2)
    }

    private static func matching(_ count: Int) {
        var generator = SeededGenerator(seed: 1)
        let context = IndicatorContext(labels: ["c2"])
        let listed = (0..<count).map { $0 % 20 == 0 ? wide(&generator) : narrow(&generator) }
        let indicators = listed.map { address in
            let network = IPNetwork(address, length: address.isV4 ? 32 : 128)
            return Indicator(.network(network), confidence: 50, context: context)
        }
        let before = residentBytes(), start = cpuSeconds()
        let set = IndicatorSet([(FeedSource(name: "bench"), indicators)])
        let bytes = residentBytes() - before
        say("build", count, cpuSeconds() - start, bytes: bytes)
        let strangers = columns { _ in narrow(&generator) }, known = columns { listed[$0 * 7 % listed.count] }
        let wideStrangers = columns { _ in wide(&generator) }
        for (name, rows) in [("match", strangers), ("match-ipv6", wideStrangers)] {
            var found = 0
            measure(name, rows.count * 200) {
                for _ in 0..<200 { found += set.candidates(in: rows, rows: rows.rows).count }
            }
            FileHandle.standardError.write(
                Data("\(name): \(found / 200) of \(rows.count) rows passed the filter\n".utf8))
        }
        measure("match-exactly", strangers.count * 20) {
            for _ in 0..<20 { exactly(set, strangers) }
        }
        measure("hits", known.count) { exactly(set, known) }
        systems(indicators, strangers, &generator)
    }

    private static func systems(
        _ indicators: [Indicator], _ strangers: FlowColumns, _ generator: inout SeededGenerator
    ) {
        let context = IndicatorContext(labels: ["bulletproof"])
        let numbers = (0..<400).map { UInt32(200_000 + $0 * 137) }
        var networks: [(network: IPNetwork, system: UInt32)] = []
        for index in 0..<25_000 {
            let network =
                index % 5 == 0
                ? IPNetwork(wide(&generator), length: 40) : IPNetwork(narrow(&generator), length: 22 + index % 3)
            networks.append((network, numbers[index % 400]))
        }
        let all = indicators + numbers.map { Indicator(.autonomousSystem($0), confidence: 50, context: context) }
        let start = cpuSeconds(), announced = AnnouncedNetworks(networks)
        let set = IndicatorSet([(FeedSource(name: "bench"), all)], announced: announced)
        say("build-systems", all.count, cpuSeconds() - start)
        // Records have numbers, too, as those of a router with a table of routes.
        var strangers = strangers
        for row in strangers.rows {
            strangers.bgpSourceAsNumber[row] = UInt32.random(in: 1...70_000, using: &generator)
            strangers.bgpDestinationAsNumber[row] = UInt32.random(in: 1...70_000, using: &generator)
        }
        var found = 0
        measure("systems", strangers.count * 200) {
            for _ in 0..<200 { found += set.candidates(in: strangers, rows: strangers.rows).count }
        }
        FileHandle.standardError.write(
            Data("systems: \(found / 200) of \(strangers.count) rows passed the filter\n".utf8))
        measure("systems-exactly", strangers.count * 20) {
            for _ in 0..<20 { exactly(set, strangers) }
        }
    }

    /// As the detector does it: the filter, then the table for rows that pass.
    private static func exactly(_ set: IndicatorSet, _ columns: FlowColumns) {
        for row in set.candidates(in: columns, rows: columns.rows) {
            _ = set.matches(IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row]), at: 0)
            _ = set.matches(IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row]), at: 0)
        }
    }

    private static func places(folder: String, database: String?) {
        var sources: [PlaceSource] = []
        if let database, let opened = try? AddressDatabase(path: database) { sources = [.database(opened)] }
        let lists = ["geoip", "geoip6"].compactMap { try? Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)")) }
        if sources.isEmpty, lists.count == 2 {
            let before = residentBytes(), start = cpuSeconds()
            let ranges = AddressRanges(lists: lists.map { [UInt8]($0) })
            say("ranges", ranges.count, cpuSeconds() - start, bytes: residentBytes() - before)
            sources = [.ranges(ranges)]
        }
        guard !sources.isEmpty else { return }
        let enrichment = Enrichment(sources: sources, assets: .none, generation: 1)
        var generator = SeededGenerator(seed: 2), cache = PlaceCache()
        let some = (0..<200_000).map { _ in narrow(&generator) }
        // Half of the questions for 500 addresses, a third for 5,000, the rest for all.
        let asked = (0..<1_000_000).map { index in
            some[Int.random(in: 0..<(index % 2 == 0 ? 500 : index % 3 == 0 ? 200_000 : 5_000), using: &generator)]
        }
        var sum: UInt64 = 0
        measure("place", asked.count) {
            for address in asked { sum &+= UInt64(cache.place(of: address, in: enrichment).country.rawValue) }
        }
        let rate = Double(cache.hits) / Double(cache.hits + cache.misses)
        FileHandle.standardError.write(Data("place: \(Int(rate * 100)) % from the cache, sum \(sum)\n".utf8))
        let strangers = (0..<1_000_000).map { _ in narrow(&generator) }
        measure("miss", strangers.count) {
            for address in strangers { sum &+= UInt64(cache.place(of: address, in: enrichment).country.rawValue) }
        }
    }

    private static func narrow(_ generator: inout SeededGenerator) -> IPAddress {
        IPAddress(v4: UInt32.random(in: 0x0B00_0000..<0xDF00_0000, using: &generator))
    }
    private static func wide(_ generator: inout SeededGenerator) -> IPAddress {
        IPAddress(
            high: 0x2A00_0000_0000_0000 | UInt64.random(in: 0..<1 << 56, using: &generator) & ~0xFFFF,
            low: UInt64.random(in: 0...(.max), using: &generator))
    }
    private static func columns(_ destination: (Int) -> IPAddress) -> FlowColumns {
        var columns = FlowColumns(capacity: 16_384)
        for row in 0..<16_384 {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 | UInt32(row % 5_000))
            record.destinationIPAddress = destination(row)
            columns.append(record)
        }
        return columns
    }

    private static func measure(_ name: String, _ operations: Int, _ body: () -> Void) {
        let start = cpuSeconds()
        body()
        say(name, operations, cpuSeconds() - start)
    }
    private static func say(_ name: String, _ operations: Int, _ seconds: Double, bytes: Int = 0) {
        let nanoseconds = String(format: "%.1f", seconds * 1e9 / Double(max(operations, 1)))
        let line = """
            {"name":"\(name)","operations":\(operations),"cpuSeconds":\(String(format: "%.3f", seconds)),\
            "nanoseconds":\(nanoseconds),"megabytes":\(bytes / 1_000_000)}

            """
        FileHandle.standardOutput.write(Data(line.utf8))
    }
    private static func cpuSeconds() -> Double {
        var usage = rusage()
        guard unsafe getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return 0 }
        let (user, system) = (usage.ru_utime, usage.ru_stime)
        return Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6
    }
    private static func residentBytes() -> Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
        return (pages?.dropFirst().first.flatMap { Int($0) } ?? 0) * 4_096
    }
}
