internal import CArgon2

/// What a guess at a password costs. The standard is above both OWASP's floor (19 MiB, 2 passes) and ASVS 5.0,
/// appendix C (46 MiB, 1 pass).
package struct Argon2Cost: Hashable, Sendable {
    package let kibibytes: UInt32, passes: UInt32

    package static let standard = Argon2Cost(kibibytes: 46 << 10, passes: 2)

    package init(kibibytes: UInt32, passes: UInt32) { (self.kibibytes, self.passes) = (kibibytes, passes) }

    /// What hashes of this cost begin with (the PHC string format).
    var prefix: String { "$argon2id$v=19$m=\(kibibytes),t=\(passes),p=1$" }
}

/// Argon2id (RFC 9106) by libargon2, one lane. Takes tens of milliseconds and the cost's memory, so never on a task's
/// thread: `PasswordDesk`.
enum Argon2 {
    static let saltOctets = 16
    private static let hashOctets = 32

    /// - Returns: a PHC string; nil when there is no memory for it.
    static func hash(_ password: [UInt8], salt: [UInt8], _ cost: Argon2Cost) -> String? {
        let room = argon2_encodedlen(
            cost.passes, cost.kibibytes, 1, UInt32(salt.count), UInt32(hashOctets), Argon2_id)
        var text = [CChar](repeating: 0, count: room)
        let failed = unsafe argon2id_hash_encoded(
            cost.passes, cost.kibibytes, 1, password, password.count, salt, salt.count, hashOctets, &text, text.count)
        guard failed == 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// In a time that does not depend on where the two differ.
    /// - Parameter text: of `hash`, with this cost: another's memory is not spent.
    static func verify(_ password: [UInt8], _ text: String, _ cost: Argon2Cost) -> Bool {
        guard text.hasPrefix(cost.prefix) else { return false }
        return unsafe argon2id_verify(text, password, password.count) == 0
    }
}
