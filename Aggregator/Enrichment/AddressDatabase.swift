/// A file in MaxMind's format (MMDB), read through libmaxminddb: countries, or systems, or both, by network.
///
/// The file is mapped, so it may be replaced by rename at any time (the open one goes on as it was), and must never be
/// written to in place. Files that the library can't open are refused; what is broken further in gives nothing for the
/// addresses concerned.
/// Invariants: any thread may ask; nothing is allocated to answer about an address; this file is the module's only
/// unsafe code: the pointer lives as long as the object, and buffers go with their size.
internal import CAddressDatabase
package import FlowModel
internal import Synchronization

@safe package final class AddressDatabase: Sendable {
    package enum Fault: Error, Equatable, Sendable {
        /// Why the library refused the file, in its words.
        case unusable(String)
    }

    nonisolated(unsafe) private let database: OpaquePointer
    /// Such as `GeoLite2-Country`.
    package let type: String
    /// In s since 1970 UTC, as the file has it.
    package let built: UInt64
    /// Without it, IPv6 addresses are not in the file.
    package let hasIPv6: Bool
    /// Of countries that were asked for, so that the next question need not go through the file. Bounded by countries;
    /// the largest have a few hundred thousand ranges of 32 octets.
    private let ranges = Mutex<[CountryCode: [ClosedRange<IPAddress>]]>([:])
    private static let countriesKept = 8

    package init(path: String) throws(Fault) {
        var status: Int32 = 0
        guard let opened = unsafe weir_address_database_open(path, &status) else {
            throw .unusable(unsafe String(cString: weir_address_database_strerror(status)))
        }
        unsafe database = opened
        type = unsafe String(cString: weir_address_database_type(opened))
        built = unsafe weir_address_database_built(opened)
        hasIPv6 = unsafe weir_address_database_version(opened) == 6
    }
    deinit { unsafe weir_address_database_close(database) }

    /// What the file says; `.unknown` when it doesn't, or can't be read there.
    package func place(of address: IPAddress) -> AddressPlace {
        var found = weir_address_place()
        guard unsafe weir_address_database_find(database, address.high, address.low, &found) == 0 else {
            return .unknown
        }
        let letters = (UInt8(bitPattern: found.country.0), UInt8(bitPattern: found.country.1))
        return AddressPlace(
            country: CountryCode(letters.0, letters.1) ?? .none, systemNumber: found.system_number)
    }

    /// The name of who announces the address, at most 256 octets.
    package func systemName(of address: IPAddress) -> String? {
        let name = unsafe [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
            count = unsafe buffer.withMemoryRebound(to: CChar.self) { octets in
                unsafe weir_address_database_system_name(
                    database, address.high, address.low, octets.baseAddress, octets.count)
            }
        }
        return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
    }

    /// All addresses of a country, or of any for `.none`: IPv4 first, then rising, neighbours joined. Empty when the
    /// file has none, or is damaged.
    func ranges(of country: CountryCode) -> [ClosedRange<IPAddress>] {
        if let known = ranges.withLock({ $0[country] }) { return known }
        let found = read(country)
        ranges.withLock { kept in
            if kept.count >= Self.countriesKept { kept = [:] }
            kept[country] = found
        }
        return found
    }
    private func read(_ country: CountryCode) -> [ClosedRange<IPAddress>] {
        let letters = [
            CChar(truncatingIfNeeded: country.rawValue >> 8), CChar(truncatingIfNeeded: country.rawValue & 0xFF),
        ]
        return all { ranges, size in unsafe weir_address_database_ranges(database, letters, &ranges, size) }
            .map(\.closed)
    }

    /// All addresses of systems, in the same order, each with its system; or of any, for none, with no number.
    /// - Parameter systems: sorted.
    func ranges(ofSystems systems: [UInt32]) -> [SystemRange] {
        let found = all { ranges, size in
            unsafe weir_address_database_system_ranges(database, systems, systems.count, &ranges, size)
        }
        return found.map { SystemRange(addresses: $0.closed, system: systems.isEmpty ? 0 : $0.value) }
    }

    /// - Parameter read: fills what it is given, and says how many there are.
    private func all(
        _ read: (_ ranges: inout [weir_address_range], _ size: Int) -> Int
    ) -> [weir_address_range] {
        var found: [weir_address_range] = [], size = 4_096
        while true {  // ends: at a size that is enough, which the file doesn't change, or too much
            found = [weir_address_range](repeating: weir_address_range(), count: size)
            let count = read(&found, size)
            guard count > 0, count <= Self.rangesMax else { return [] }
            if count <= size {
                found.removeLast(size - count)
                return found
            }
            size = count
        }
    }
    private static let rangesMax = 8_000_000
}

extension weir_address_range {
    fileprivate var closed: ClosedRange<IPAddress> {
        IPAddress(high: first_high, low: first_low)...IPAddress(high: last_high, low: last_low)
    }
}
