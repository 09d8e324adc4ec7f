/// Where a span belongs: its trace, and itself (W3C Trace Context §3.2).
package struct TraceContext: Hashable, Sendable {
    /// The trace's id, never both 0.
    package let high: UInt64, low: UInt64
    /// This span's id, never 0.
    package let span: UInt64

    package init(high: UInt64, low: UInt64, span: UInt64) {
        (self.high, self.low, self.span) = (high, low == 0 && high == 0 ? 1 : low, span == 0 ? 1 : span)
    }
    /// The trace of a batch. Its key is its context: whoever has the batch, now or after a restart, has the trace, and
    /// nothing else has to travel with it.
    /// - Parameters:
    ///   - epoch: of the key, 128 random bits.
    package init(epoch: (high: UInt64, low: UInt64), sequence: UInt64) {
        self.init(
            high: epoch.high, low: Self.mixed(epoch.low ^ Self.mixed(sequence)),
            span: Self.mixed(epoch.high &+ sequence))
    }
    /// `00-TRACE-SPAN-FLAGS`; nil for what is none, later versions included where their first part is not the same.
    package init?(traceparent: String) {
        let parts = traceparent.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].utf8.count == 2, parts[0] != "ff", parts[1].utf8.count == 32,
            parts[2].utf8.count == 16, parts[0] != "00" || parts.count == 4,
            parts.prefix(4).allSatisfy({ $0.utf8.allSatisfy(Self.isDigit) }),
            let high = UInt64(parts[1].prefix(16), radix: 16), let low = UInt64(parts[1].suffix(16), radix: 16),
            let span = UInt64(parts[2], radix: 16), span != 0, high != 0 || low != 0
        else { return nil }
        self.init(high: high, low: low, span: span)
    }
    private static func isDigit(_ octet: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
            || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(octet)
    }

    /// The span of a step in the same trace: always the same for the same name.
    package func step(_ name: String) -> TraceContext {
        var hash = span
        for octet in name.utf8 { hash = Self.mixed(hash ^ UInt64(octet)) }
        return TraceContext(high: high, low: low, span: hash)
    }
    package var traceID: String { Self.hexadecimal(high) + Self.hexadecimal(low) }
    package var spanID: String { Self.hexadecimal(span) }

    static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
    /// Sebastiano Vigna's finalizer of SplitMix64.
    private static func mixed(_ word: UInt64) -> UInt64 {
        var z = word &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
