/// The state behind `NewPlaceDetector`: what a host is used to, in seven words, and what was new.
import FlowModel

struct HostHabits: CellPayload {
    /// Bits for countries (by their letters, of 676 pairs), and for systems (by their number): two that share a bit are
    /// one, so a new place may be missed and none is made up.
    private var countryBits: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0), systemBits: (UInt64, UInt64) = (0, 0)
    /// When the host was first seen, in s since 1970.
    private var sinceSeconds: UInt32 = 0
    private var networkCount: UInt16 = 0

    init() {}
    init(since milliseconds: Int64) { sinceSeconds = UInt32(clamping: milliseconds / 1_000) }

    var since: Int64 { Int64(sinceSeconds) * 1_000 }
    var networks: Int { Int(networkCount) }
    var countries: Int {
        countryBits.0.nonzeroBitCount + countryBits.1.nonzeroBitCount + countryBits.2.nonzeroBitCount
            + countryBits.3.nonzeroBitCount
    }
    var systems: Int { systemBits.0.nonzeroBitCount + systemBits.1.nonzeroBitCount }

    mutating func addNetwork() { if networkCount < .max { networkCount += 1 } }
    /// Whether it is new.
    mutating func addCountry(_ country: UInt16) -> Bool {
        let number = Int(country >> 8 & 0x1F) * 26 + Int(country & 0x1F)
        switch number >> 6 & 3 {
        case 0: return Self.set(number, in: &countryBits.0)
        case 1: return Self.set(number, in: &countryBits.1)
        case 2: return Self.set(number, in: &countryBits.2)
        default: return Self.set(number, in: &countryBits.3)
        }
    }
    mutating func addSystem(_ system: UInt32) -> Bool {
        let number = Int((UInt64(system) &* 0x9E37_79B9_7F4A_7C15) >> 57)
        return number < 64 ? Self.set(number, in: &systemBits.0) : Self.set(number, in: &systemBits.1)
    }
    private static func set(_ number: Int, in word: inout UInt64) -> Bool {
        let bit = UInt64(1) << UInt64(number & 63)
        defer { word |= bit }
        return word & bit == 0
    }

    static var words: Int { 7 }
    init(_ cells: borrowing Span<UInt64>, at place: Int) {
        countryBits = (cells[place], cells[place + 1], cells[place + 2], cells[place + 3])
        systemBits = (cells[place + 4], cells[place + 5])
        sinceSeconds = UInt32(truncatingIfNeeded: cells[place + 6])
        networkCount = UInt16(truncatingIfNeeded: cells[place + 6] >> 32)
    }
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {
        (cells[place], cells[place + 1]) = (countryBits.0, countryBits.1)
        (cells[place + 2], cells[place + 3]) = (countryBits.2, countryBits.3)
        (cells[place + 4], cells[place + 5]) = (systemBits.0, systemBits.1)
        cells[place + 6] = UInt64(sinceSeconds) | UInt64(networkCount) << 32
    }
}

/// One host's first contact with something.
struct NewPlaceEntry: CaseEntry {
    enum Kind: UInt8 {
        case country = 1
        case system, network

        var rule: RuleInfo {
            switch self {
            case .country: NewPlaceDetector.country
            case .system: NewPlaceDetector.system
            case .network: NewPlaceDetector.network
            }
        }
        func limit(_ parameters: DetectorParameters) -> Int {
            switch self {
            case .country: parameters.newCountriesMax
            case .system: parameters.newSystemsMax
            case .network: parameters.newNetworksMax
            }
        }
        /// `in NL`.
        func text(_ value: UInt32) -> String {
            switch self {
            case .country:
                "in "
                    + String(
                        decoding: [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)],
                        as: UTF8.self)
            case .system: "in AS\(value)"
            case .network: "in a network"
            }
        }
    }
    /// The country's letters or the system's number; 0 for a network.
    var value: UInt32 = 0
    var port: UInt16 = 0
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { 0 }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(UInt64(value))
        writer.add(UInt64(port))
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        value = try reader.nextSmall(UInt32.self)
        port = try reader.nextSmall(UInt16.self)
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
