import FlowModel

/// A name as DNS has it: labels with their lengths, an empty one at the end (RFC 1035 §3.1), in lower case, so that
/// equal names are equal octets. At most 255 of them.
struct WireName: Hashable, Sendable {
    fileprivate(set) var octets: [UInt8]

    /// The name under which DNS keeps an address's names: `7.100.51.198.in-addr.arpa` (RFC 1035 §3.5), or a label each
    /// four bits under `ip6.arpa` (RFC 3596 §2.5).
    init(reverseOf address: IPAddress) {
        var labels: [String] = []
        if address.isV4 {
            for shift in stride(from: UInt32(0), through: 24, by: 8) { labels.append("\(address.v4 >> shift & 0xFF)") }
            labels += ["in-addr", "arpa"]
        } else {
            for word in [address.low, address.high] {
                for shift in stride(from: UInt64(0), through: 60, by: 4) {
                    labels.append(String(word >> shift & 0xF, radix: 16))
                }
            }
            labels += ["ip6", "arpa"]
        }
        octets = labels.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) } + [0]
    }
    fileprivate init(octets: [UInt8]) { self.octets = octets }

    /// The labels, first one first.
    var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = [], at = 0
        while at < octets.count, octets[at] > 0 {  // ends: each turn takes a label
            let end = at + 1 + Int(octets[at])
            guard end <= octets.count else { break }
            labels.append(octets[(at + 1)..<end])
            at = end
        }
        return labels
    }
}

/// What an answer may call a host: labels of letters, digits, hyphens and underscores (RFC 1123 §2.1, and what people
/// use besides) with dots between, 253 octets at most, none of them begun or ended by a hyphen. The last label is not
/// of digits alone, so that no name looks like an address.
enum HostName {
    static func text(of name: WireName) -> String? {
        let labels = name.labels
        guard let last = labels.last, labels.allSatisfy(isHost), !last.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let text = Array(labels.joined(separator: [UInt8(ascii: ".")]))
        guard text.count <= Limit.textOctetsMax else { return nil }
        return String(decoding: text, as: UTF8.self)
    }
    private static func isHost(_ label: ArraySlice<UInt8>) -> Bool {
        let hyphen = UInt8(ascii: "-")
        return label.first != hyphen && label.last != hyphen
            && label.allSatisfy { octet in
                (0x61...0x7A).contains(octet) || (0x30...0x39).contains(octet) || octet == hyphen
                    || octet == UInt8(ascii: "_")
            }
    }
}

/// Reads a DNS message (RFC 1035 §4.1) from its first octet on. Everything that isn't there throws.
struct MessageReader {
    struct Malformed: Error {}
    private let octets: [UInt8]
    private(set) var offset = 0

    init(_ octets: [UInt8]) { self.octets = octets }

    mutating func u8() throws(Malformed) -> UInt8 {
        guard offset < octets.count else { throw Malformed() }
        defer { offset += 1 }
        return octets[offset]
    }
    mutating func u16() throws(Malformed) -> UInt16 { UInt16(try u8()) << 8 | UInt16(try u8()) }
    mutating func u32() throws(Malformed) -> UInt32 { UInt32(try u16()) << 16 | UInt32(try u16()) }

    mutating func skip(to end: Int) throws(Malformed) {
        guard (offset...octets.count).contains(end) else { throw Malformed() }
        offset = end
    }

    /// A name, whose end may be a pointer to an earlier one (RFC 1035 §4.1.4).
    mutating func name() throws(Malformed) -> WireName {
        var name: [UInt8] = [], at = offset, next: Int?
        // Each pointer has to lead to before the place that the last one led to: no way leads round.
        var before = offset
        while true {  // ends: a label adds octets, of which there are at most 255, and a pointer lowers `before`
            guard at < octets.count else { throw Malformed() }
            let length = Int(octets[at])
            switch length {
            case 0:
                offset = next ?? at + 1
                return WireName(octets: name + [0])
            case 1...Limit.labelOctetsMax:
                guard at + 1 + length <= octets.count, name.count + length + 2 <= Limit.nameOctetsMax else {
                    throw Malformed()
                }
                name.append(UInt8(length))
                for octet in octets[(at + 1)...(at + length)] {
                    name.append((0x41...0x5A).contains(octet) ? octet | 0x20 : octet)
                }
                at += 1 + length
            case 0xC0...0xFF:
                guard at + 1 < octets.count else { throw Malformed() }
                let target = (length & 0x3F) << 8 | Int(octets[at + 1])
                guard target < before else { throw Malformed() }
                next = next ?? at + 2
                (before, at) = (target, target)
            default:
                throw Malformed()  // reserved
            }
        }
    }
}
