/// Addresses as people write them. No Foundation and no C: the sensor does without the first, and this module without
/// the second.
extension IPAddress: CustomStringConvertible {
    /// Dotted decimal for IPv4, RFC 5952 for IPv6 (lower case, longest run of zero groups shortened).
    @usableFromInline package var description: String { isV4 ? v4Text : v6Text }

    private var v4Text: String {
        "\(v4 >> 24).\(v4 >> 16 & 0xFF).\(v4 >> 8 & 0xFF).\(v4 & 0xFF)"
    }
    private var groups: [UInt16] {
        [high, low].flatMap { word in (0..<4).map { UInt16(truncatingIfNeeded: word >> UInt64(48 - 16 * $0)) } }
    }
    private var v6Text: String {
        let groups = self.groups
        let zeros = longestZeroRun(groups)
        guard zeros.count > 1 else { return hex(groups[...]) }
        return hex(groups[..<zeros.lowerBound]) + "::" + hex(groups[zeros.upperBound...])
    }
    private func hex(_ groups: ArraySlice<UInt16>) -> String {
        groups.map { String($0, radix: 16) }.joined(separator: ":")
    }
    private func longestZeroRun(_ groups: [UInt16]) -> Range<Int> {
        var best = 0..<0, start = 0
        for index in 0...groups.count {
            if index < groups.count, groups[index] == 0 { continue }
            if index - start > best.count { best = start..<index }
            start = index + 1
        }
        return best
    }

    /// Reads `192.0.2.1`, `2001:db8::1` and `::ffff:192.0.2.1`. Nil for anything else: no zone, no port, no leading
    /// zeros in IPv4.
    package init?(_ text: some StringProtocol) {
        // One type from here on: what is generic is looked up as it runs, by who is in another module.
        let text = Substring(text)
        guard text.utf8.count <= 45 else { return nil }
        guard text.utf8.contains(UInt8(ascii: ":")) else {
            guard let bits = Self.v4Bits(text) else { return nil }
            self.init(v4: bits)
            return
        }
        guard let words = Self.v6Groups(text) else { return nil }
        self.init(high: Self.word(words[0..<4]), low: Self.word(words[4..<8]))
    }

    private static func word(_ groups: ArraySlice<UInt16>) -> UInt64 {
        groups.reduce(0) { $0 << 16 | UInt64($1) }
    }
    private static func v4Bits(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            let isCanonical = part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0")
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), isCanonical,
                let octet = UInt8(part)
            else { return nil }
            bits = bits << 8 | UInt32(octet)
        }
        return bits
    }
    /// Eight groups, or nil. A trailing dotted IPv4 counts for two.
    private static func v6Groups(_ text: Substring) -> [UInt16]? {
        guard let gap = firstGap(text) else {
            let groups = plainGroups(text, endsAddress: true)
            return groups?.count == 8 ? groups : nil
        }
        guard let front = plainGroups(text[..<gap.lowerBound], endsAddress: false),
            let back = plainGroups(text[gap.upperBound...], endsAddress: true), front.count + back.count < 8
        else { return nil }
        return front + [UInt16](repeating: 0, count: 8 - front.count - back.count) + back
    }
    private static func firstGap(_ text: Substring) -> Range<Substring.Index>? {
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(after: index)
            if text[index] == ":", next < text.endIndex, text[next] == ":" { return index..<text.index(after: next) }
            index = next
        }
        return nil
    }
    /// - Parameter endsAddress: dotted IPv4 may only be an address's end.
    private static func plainGroups(_ text: Substring, endsAddress: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if endsAddress, index == parts.count - 1, let bits = v4Bits(part) {
                groups += [UInt16(bits >> 16), UInt16(truncatingIfNeeded: bits)]
            } else if (1...4).contains(part.utf8.count), part.utf8.first != UInt8(ascii: "+"),
                part.utf8.first != UInt8(ascii: "-"),
                let group = UInt16(part, radix: 16)
            {
                groups.append(group)
            } else {
                return nil
            }
        }
        return groups
    }
}

extension IPNetwork: CustomStringConvertible {
    package var description: String { "\(address)/\(length)" }

    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or a lone address as a network of one.
    package init?(_ text: some StringProtocol) {
        let parts = Substring(text).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let widest = address.isV4 ? 32 : 128
        guard parts.count == 2 else {
            self.init(address, length: widest)
            return
        }
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(parts[1]),
            (0...widest).contains(length)
        else { return nil }
        self.init(address, length: length)
    }
}
