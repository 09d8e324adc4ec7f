internal import Crypto
package import Platform
package import Settings

/// Passwords that are known from breaches of other sites, as a folder that "Have I Been Pwned" can be downloaded into:
/// no password and no digest of one leaves the machine.
///
/// The SHA-1 digest of a password in hexadecimal digits names a file by its first five (`21BD1.txt`, so 1,048,576 of
/// them); a line of it has the other 35, a colon, and how often the password was seen:
///
///     0018A45C4D1DEF81644B54AB7F969B88D65:10
///
/// Digits may be of either case, lines end with LF or CR LF, and a count of 0 is padding. SHA-1 is the list's choice;
/// nothing is protected by it here.
package struct BreachList: Sendable, Equatable {
    private let folder: String
    /// Files of the real list have about 2,000 lines of 40 octets.
    private static let fileBytesMax = 4 << 20, prefixDigits = 5

    /// - Throws: when the folder's first file can't be read: then it is no such list.
    package init(folder: String) throws(SystemError) {
        self.folder = folder
        _ = try readFile("\(folder)/00000.txt", bytesMax: Self.fileBytesMax)
    }

    /// Reads one file: not on a task's thread.
    package func contains(_ password: Secret) throws(SystemError) -> Bool {
        let digest = Insecure.SHA1.hash(data: password.bytes)
        let digits = digest.flatMap { Array((($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true)).utf8) }
        let name = String(decoding: digits.prefix(Self.prefixDigits), as: UTF8.self)
        let wanted = Array(digits.dropFirst(Self.prefixDigits))
        let octets = try readFile("\(folder)/\(name).txt", bytesMax: Self.fileBytesMax)
        return octets.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).contains { Self.names($0, wanted) }
    }
    private static func names(_ line: ArraySlice<UInt8>, _ wanted: [UInt8]) -> Bool {
        let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == wanted.count else { return false }
        let isSame = zip(parts[0], wanted).allSatisfy { ($0 >= 0x61 ? $0 &- 0x20 : $0) == $1 }
        return isSame && parts[1].contains { (0x31...0x39).contains($0) }
    }
}
