import FlowModel
import InformationElements
import TestKit
import Testing

@Suite("Values of information elements")
struct ElementValueTests {
    private let registry: ElementRegistry
    /// One element of each type, so that types are read by number as in the field.
    private let keys: [ElementType: ElementKey]

    init() throws {
        let elements = ElementType.allCases.enumerated().map { index, type in
            InformationElement(ElementKey(enterprise: 4_242, id: UInt16(index)), "t\(index)", type)
        }
        registry = try ElementRegistry.standard.adding(elements)
        keys = Dictionary(uniqueKeysWithValues: elements.map { ($0.dataType, $0.key) })
    }

    private func read(_ octets: [UInt8], _ type: ElementType) -> ElementValue? {
        keys[type].flatMap { registry.reading(octets[...], as: $0) }
    }

    //= RFC 7011 §6.2
    @Test("integers of any length up to eight octets, and longer ones that fit")
    func integers() {
        #expect(read([0x12], .unsigned64) == .unsigned(0x12))
        #expect(read([0x01, 0x02, 0x03], .unsigned32) == .unsigned(0x010203))
        #expect(read([UInt8](repeating: 0xFF, count: 8), .unsigned8) == .unsigned(.max))
        #expect(read([0, 0, 0, 0, 0, 0, 0, 0, 0, 5], .unsigned16) == .unsigned(5))
        #expect(read([1, 0, 0, 0, 0, 0, 0, 0, 0], .unsigned64) == .octets([1, 0, 0, 0, 0, 0, 0, 0, 0]))
        #expect(read([0xFF], .signed64) == .signed(-1))
        #expect(read([0xFF, 0x7F], .signed16) == .signed(-129))
        #expect(read([0x7F, 0xFF, 0xFF], .signed32) == .signed(0x7FFFFF))
        #expect(read([0x80] + [UInt8](repeating: 0, count: 7), .signed64) == .signed(.min))
        #expect(read([], .unsigned8) == nil && read([], .signed8) == nil)
        let flags = [UInt8](repeating: 0x80, count: 32)
        #expect(read(flags, .unsigned256) == .octets(flags) && read([3], .unsigned256) == .unsigned(3))
    }

    @Test("any unsigned number round-trips at any length that holds it")
    func roundTrip() {
        forAll(runs: 200) { generator, seed in
            let number: UInt64 = generator.next() >> UInt64.random(in: 0...63, using: &generator)
            let needed = max((64 - number.leadingZeroBitCount + 7) / 8, 1)
            for length in needed...12 {
                let octets = (0..<length).reversed().map {
                    $0 < 8 ? UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) : 0
                }
                #expect(read(octets, .unsigned64) == .unsigned(number), "SEED=\(seed)")
            }
        }
    }

    //= RFC 7011 §6.1.5
    @Test("floats, booleans, addresses")
    func others() {
        #expect(read([0x3D, 0xCC, 0xCC, 0xCD], .float32) == .float(0.1))
        #expect(read([0x3F, 0xF8, 0, 0, 0, 0, 0, 0], .float64) == .float(1.5))
        #expect(read([0x3F, 0xC0, 0, 0], .float64) == .float(1.5), "reduced to float32")
        #expect(read([1, 2], .float64) == .octets([1, 2]))
        #expect(read([1], .boolean) == .boolean(true) && read([2], .boolean) == .boolean(false))
        #expect(read([0], .boolean) == .octets([0]) && read([1, 1], .boolean) == .octets([1, 1]))
        #expect(read([2, 0, 0, 0, 0, 1], .macAddress) == .mac(0x0200_0000_0001))
        #expect(read([1, 2, 3], .macAddress) == .octets([1, 2, 3]))
        #expect(read([10, 0, 0, 1], .ipv4Address) == .address(IPAddress(v4: 0x0A00_0001)))
        let v6 = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
        #expect(read(v6, .ipv6Address) == .address(IPAddress(high: 0x2001_0DB8_0000_0000, low: 1)))
        #expect(read([1, 2, 3, 4, 5], .ipv4Address) == .octets([1, 2, 3, 4, 5]))
    }

    //= RFC 7011 §6.1.7
    //= RFC 7011 §6.1.8
    //= RFC 7011 §6.1.9
    //= RFC 7011 §6.1.10
    @Test("times count their own unit since 1970, whatever epoch the wire has")
    func times() {
        #expect(read([0x65, 0x53, 0xF1, 0x00], .dateTimeSeconds) == .time(1_700_000_000, unit: .seconds))
        #expect(read([0x65, 0x53, 0xF1, 0x00], .dateTimeSeconds)?.milliseconds == 1_700_000_000_000)
        #expect(
            read([0, 0, 0x01, 0x8B, 0xCF, 0xE5, 0x68, 0x00], .dateTimeMilliseconds)
                == .time(1_700_000_000_000, unit: .milliseconds))
        // 1_700_000_000 + 2_208_988_800 s since 1900, and half a second.
        let ntp: [UInt8] = [0xE8, 0xFE, 0x6F, 0x80, 0x80, 0, 0, 0]
        #expect(read(ntp, .dateTimeMicroseconds) == .time(1_700_000_000_500_000, unit: .microseconds))
        #expect(read(ntp, .dateTimeNanoseconds) == .time(1_700_000_000_500_000_000, unit: .nanoseconds))
        #expect(read(ntp, .dateTimeNanoseconds)?.milliseconds == 1_700_000_000_500)
        // 2036-02-07 06:28:16, where the 32 bits of the seconds begin again.
        #expect(read([UInt8](repeating: 0, count: 8), .dateTimeMicroseconds)?.milliseconds == 2_085_978_496_000)
        #expect(
            read([UInt8](repeating: 0xFF, count: 8), .dateTimeSeconds) == .octets([UInt8](repeating: 0xFF, count: 8)))
        #expect(read([1, 2, 3, 4], .dateTimeNanoseconds) == .octets([1, 2, 3, 4]))
        #expect(ElementValue.time(.max, unit: .seconds).milliseconds == nil)
        #expect(ElementValue.unsigned(1).milliseconds == nil)
    }

    @Test("strings are UTF-8 without the zeros behind them; what is not UTF-8 is replaced")
    func strings() {
        #expect(read(Array("https".utf8) + [0, 0], .string) == .text("https"))
        #expect(read([0x61, 0xFF, 0x62], .string) == .text("a\u{FFFD}b"))
        #expect(read([], .string) == .text("") && read([0, 0], .string) == .text(""))
        #expect(read([0x61, 0, 0x62], .string) == .text("a\u{0}b"))
        #expect(read([], .octetArray) == .octets([]))
    }

    //= RFC 6313 §4.5.1
    @Test("a basic list is a list of its element's values")
    func basicLists() {
        let ports: [UInt8] = [0xFF, 0, 7, 0, 2, 0, 80, 1, 187]
        #expect(read(ports, .basicList) == .list([.unsigned(80), .unsigned(443)]))
        let names: [UInt8] = [0xFF, 0, 96, 0xFF, 0xFF, 1, 0x61, 255, 0, 2, 0x62, 0x63]
        #expect(read(names, .basicList) == .list([.text("a"), .text("bc")]))
        let enterprise: [UInt8] = [3, 0x80 | 0x03, 0x71, 0, 4, 0, 0, 0x1A, 0xDC, 10, 0, 0, 1]
        #expect(read(enterprise, .basicList) == .list([.address(IPAddress(v4: 0x0A00_0001))]))
        #expect(read([3, 0, 7, 0, 2], .basicList) == .list([]))
        for broken: [UInt8] in [[], [3, 0, 7, 0], [3, 0, 7, 0, 2, 1], [3, 0, 7, 0, 0, 1], [3, 0x80, 7, 0, 2, 0]] {
            #expect(read(broken, .basicList) == .octets(broken))
        }
    }

    @Test("lists within lists end, and so do long ones")
    func deepLists() {
        var octets: [UInt8] = []
        for _ in 0..<50 {
            octets = [3, 1, 35, 0xFF, 0xFF, 255, UInt8(octets.count >> 8), UInt8(octets.count & 255)] + octets
        }
        #expect(read(octets, .basicList) != nil)
        let long: [UInt8] = [3, 0, 4, 0, 1] + [UInt8](repeating: 6, count: 60_000)
        guard case .list(let values) = read(long, .basicList) else {
            Issue.record("no list")
            return
        }
        #expect(values.count == 1_024)
    }

    @Test("any octets of any length have a reading or none, and nothing stops the process")
    func hostile() {
        forAll(runs: 400) { generator, seed in
            let count = Int.random(in: 0...40, using: &generator)
            let octets = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            for type in ElementType.allCases {
                let value = read(octets, type)
                #expect(value != nil || octets.isEmpty, "SEED=\(seed) \(type)")
            }
        }
    }
}
