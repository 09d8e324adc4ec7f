/// The words that sensor and aggregator use with each other about a batch (Handbook, "Delivery"): its key, its
/// digest, the header fields that carry them, and the answers. Neither end's behaviour is here.

/// A random 128-bit number, new for each spool file and each start of a sensor: a disk that was rolled back can't
/// reuse a key.
package struct Epoch: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64, low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    package init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }
    /// 32 lower-case hexadecimal digits.
    package var description: String { hexadecimal(high) + hexadecimal(low) }
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 32, text.utf8.allSatisfy(isLowerHexadecimal) else { return nil }
        guard let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16) else {
            return nil
        }
        self.init(high: high, low: low)
    }
}

/// What names a batch of one sensor for ever. With the sensor's identity, which only its certificate gives, it is
/// unique everywhere.
package struct BatchKey: Hashable, Sendable, CustomStringConvertible {
    package let epoch: Epoch
    /// Counts from 0 within the epoch, without gaps.
    package let sequence: UInt64

    package init(epoch: Epoch, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }
    package var description: String { "\(epoch)/\(sequence)" }
}

func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}
func isLowerHexadecimal(_ octet: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(octet)
}
