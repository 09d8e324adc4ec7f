package import FlowModel

/// A value with its type: what an element's octets stand for.
package enum ElementValue: Hashable, Sendable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case boolean(Bool)
    /// The 48 bits of a MAC address, first octet highest.
    case mac(UInt64)
    /// UTF-8; what was not is replaced (U+FFFD). Without the zero octets that fill a field of fixed length.
    case text(String)
    /// A point in time as a count of `unit` since 1970 UTC.
    case time(Int64, unit: TimeUnit)
    case address(IPAddress)
    /// The values of a list of one element (RFC 6313 §4.5.1).
    case list([ElementValue])
    /// What has no reading: of unknown elements, of types without one, of lengths that the type does not have.
    case octets([UInt8])

    package enum TimeUnit: Int64, Sendable {
        case seconds = 1, milliseconds = 1_000, microseconds = 1_000_000, nanoseconds = 1_000_000_000
    }

    /// A point in time in ms since 1970 UTC; nil for other values and beyond the range.
    package var milliseconds: Int64? {
        guard case .time(let count, let unit) = self else { return nil }
        guard unit == .seconds else { return count / (unit.rawValue / 1_000) }
        let (milliseconds, isTooLarge) = count.multipliedReportingOverflow(by: 1_000)
        return isTooLarge ? nil : milliseconds
    }
}

/// Octets to values (RFC 7011 §6). Total: any octets of any length give a value or nil, none stops the process.
struct ElementReader {
    let registry: ElementRegistry
    /// Lists within lists that are still followed.
    var depth = 4

    /// Lists longer than this are cut.
    static let listMax = 1_024

    func value(_ octets: ArraySlice<UInt8>, _ type: ElementType) -> ElementValue? {
        switch type {
        case .octetArray, .subTemplateList, .subTemplateMultiList: return .octets(Array(octets))
        case .string: return .text(text(octets))
        case .basicList: return list(octets) ?? .octets(Array(octets))
        default: break
        }
        guard !octets.isEmpty else { return nil }
        return number(octets, type) ?? time(octets, type) ?? address(octets, type) ?? .octets(Array(octets))
    }

    //= RFC 7011 §6.2
    /// Integers may be shorter than their type; longer ones are read while the value fits 64 bits.
    private func number(_ octets: ArraySlice<UInt8>, _ type: ElementType) -> ElementValue? {
        switch type {
        case .unsigned8, .unsigned16, .unsigned32, .unsigned64, .unsigned256:
            return unsigned(octets).map { .unsigned($0) }
        case .signed8, .signed16, .signed32, .signed64: return signed(octets).map { .signed($0) }
        case .float32, .float64:
            guard let bits = unsigned(octets) else { return nil }
            if octets.count == 4 { return .float(Self.shortest(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))) }
            return octets.count == 8 ? .float(Double(bitPattern: bits)) : nil
        case .boolean:
            //= RFC 7011 §6.1.5
            guard octets.count == 1, let octet = octets.first else { return nil }
            return octet == 1 ? .boolean(true) : octet == 2 ? .boolean(false) : nil
        default: return nil
        }
    }
    /// The number that people mean by a 32-bit float: 0.1 and not 0.10000000149011612.
    private static func shortest(_ number: Float) -> Double {
        number.isFinite ? Double(number.description) ?? Double(number) : Double(number)
    }
    private func unsigned(_ octets: ArraySlice<UInt8>) -> UInt64? {
        let digits = octets.count > 8 ? octets.drop { $0 == 0 } : octets
        return digits.count <= 8 ? digits.reduce(0) { $0 << 8 | UInt64($1) } : nil
    }
    private func signed(_ octets: ArraySlice<UInt8>) -> Int64? {
        guard octets.count <= 8, let bits = unsigned(octets) else { return nil }
        let unused = 64 - 8 * octets.count
        return Int64(bitPattern: bits << UInt64(unused)) >> Int64(unused)
    }

    //= RFC 7011 §6.1.7
    //= RFC 7011 §6.1.8
    private func time(_ octets: ArraySlice<UInt8>, _ type: ElementType) -> ElementValue? {
        switch type {
        case .dateTimeSeconds: return since1970(octets, .seconds)
        case .dateTimeMilliseconds: return since1970(octets, .milliseconds)
        //= RFC 7011 §6.1.9
        case .dateTimeMicroseconds: return ntp(octets, .microseconds)
        //= RFC 7011 §6.1.10
        case .dateTimeNanoseconds: return ntp(octets, .nanoseconds)
        default: return nil
        }
    }
    private func since1970(_ octets: ArraySlice<UInt8>, _ unit: ElementValue.TimeUnit) -> ElementValue? {
        unsigned(octets).flatMap { Int64(exactly: $0) }.map { .time($0, unit: unit) }
    }
    /// Seconds since 1900 and a binary fraction, 32 bits each. Seconds below 2^31 are of the era that begins in 2036.
    private func ntp(_ octets: ArraySlice<UInt8>, _ unit: ElementValue.TimeUnit) -> ElementValue? {
        guard octets.count == 8, let bits = unsigned(octets) else { return nil }
        let era: Int64 = bits >> 63 == 0 ? 1 << 32 : 0
        let seconds = Int64(bits >> 32) + era - 2_208_988_800
        // The fraction has 2^-32 s, so the product fits 62 bits.
        let fraction = ((bits & 0xFFFF_FFFF) * UInt64(unit.rawValue)) >> 32
        return .time(seconds * unit.rawValue + Int64(fraction), unit: unit)
    }

    private func address(_ octets: ArraySlice<UInt8>, _ type: ElementType) -> ElementValue? {
        switch (type, octets.count) {
        case (.macAddress, 6): return unsigned(octets).map { .mac($0) }
        case (.ipv4Address, 4), (.ipv6Address, 4):
            return unsigned(octets).map { .address(IPAddress(v4: UInt32(truncatingIfNeeded: $0))) }
        case (.ipv4Address, 16), (.ipv6Address, 16):
            guard let high = unsigned(octets.prefix(8)), let low = unsigned(octets.suffix(8)) else { return nil }
            return .address(IPAddress(high: high, low: low))
        default: return nil
        }
    }

    private func text(_ octets: ArraySlice<UInt8>) -> String {
        var octets = octets
        while octets.last == 0 { octets = octets.dropLast() }
        return String(decoding: octets, as: UTF8.self)
    }

    //= RFC 6313 §4.5.1
    /// semantic :1 | element :2, its enterprise bit and number | length :2 | enterprise :4, if the bit | value *
    private func list(_ octets: ArraySlice<UInt8>) -> ElementValue? {
        guard depth > 0, octets.count >= 5, let id = unsigned(octets.dropFirst().prefix(2)),
            let length = unsigned(octets.dropFirst(3).prefix(2))
        else { return nil }
        var key = ElementKey(id: UInt16(id & 0x7FFF)), rest = octets.dropFirst(5)
        if id & 0x8000 != 0 {
            guard rest.count >= 4, let enterprise = unsigned(rest.prefix(4)) else { return nil }
            key.enterprise = UInt32(truncatingIfNeeded: enterprise)
            rest = rest.dropFirst(4)
        }
        let inner = ElementReader(registry: registry, depth: depth - 1), type = registry.information(key).dataType
        var values: [ElementValue] = []
        while !rest.isEmpty, values.count < Self.listMax {  // ends: each turn consumes or returns
            guard let item = Self.item(&rest, length: Int(length)) else { return nil }
            if let value = inner.value(item, type) { values.append(value) }
        }
        return .list(values)
    }
    /// The next value of `length` octets, or of a length of its own (RFC 7011 §7); nil when it does not fit.
    private static func item(_ rest: inout ArraySlice<UInt8>, length: Int) -> ArraySlice<UInt8>? {
        var length = length
        if length == Int(ExtraField.variableLength) {
            guard let short = rest.popFirst() else { return nil }
            length = Int(short)
            if short == 255 {
                guard let high = rest.popFirst(), let low = rest.popFirst() else { return nil }
                length = Int(high) << 8 | Int(low)
            }
        } else if length == 0 {
            return nil
        }
        guard rest.count >= length else { return nil }
        defer { rest = rest.dropFirst(length) }
        return rest.prefix(length)
    }
}
