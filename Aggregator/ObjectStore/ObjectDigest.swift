internal import Crypto

/// SHA-256 of some octets.
package struct ObjectDigest: Hashable, Sendable, Codable, CustomStringConvertible {
    /// 64 hexadecimal digits in lower case.
    package let hex: String
    package var description: String { hex }

    package init(of bytes: [UInt8]) { hex = hexadecimal(SHA256.hash(data: bytes)) }
    /// Nil unless `hex` is 64 hexadecimal digits in lower case.
    package init?(hex: String) {
        guard hex.utf8.count == 64, hex.utf8.allSatisfy("0123456789abcdef".utf8.contains) else { return nil }
        self.hex = hex
    }
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer(), text = try container.decode(String.self)
        guard let digest = ObjectDigest(hex: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a SHA-256")
        }
        self = digest
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }

    /// Of octets that come one after the other.
    package struct Running {
        private var hash = SHA256()
        package init() {}
        package mutating func add(_ bytes: [UInt8]) { hash.update(data: bytes) }
        package func finish() -> ObjectDigest { ObjectDigest(octets: hash.finalize()) }
    }
    private init(octets: SHA256.Digest) { hex = hexadecimal(octets) }
}

func hexadecimal(_ octets: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
