internal import COpenSSL

/// AES-128 (FIPS 197) block by block, without a mode: a pseudo-random function for `Pseudonyms`, never for messages.
/// Not to be shared between threads.
@safe final class BlockCipher {
    private let context: OpaquePointer
    static let blockOctets = 16

    /// Nil when `key` has not 16 octets, or OpenSSL lacks the memory for a cipher.
    init?(key: [UInt8]) {
        guard key.count == 16, let context = unsafe EVP_CIPHER_CTX_new() else { return nil }
        let begun = unsafe EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), nil, key, nil)
        unsafe EVP_CIPHER_CTX_set_padding(context, 0)
        guard begun == 1 else {
            unsafe EVP_CIPHER_CTX_free(context)
            return nil
        }
        unsafe self.context = context
    }
    deinit { unsafe EVP_CIPHER_CTX_free(context) }

    /// Each block by itself. `blocks` must hold whole blocks.
    func encrypt(_ blocks: [UInt8]) -> [UInt8] {
        precondition(blocks.count % Self.blockOctets == 0, "whole blocks only, got \(blocks.count) octets")
        var out = [UInt8](repeating: 0, count: blocks.count + Self.blockOctets), written: Int32 = 0
        let done = unsafe EVP_EncryptUpdate(context, &out, &written, blocks, Int32(blocks.count))
        precondition(done == 1 && Int(written) == blocks.count, "AES without padding gives as much as it takes")
        out.removeLast(out.count - blocks.count)
        return out
    }
}

/// HMAC-SHA-256 (RFC 2104).
func messageCode(_ text: [UInt8], key: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: 32), length: UInt32 = 0
    _ = unsafe HMAC(EVP_sha256(), key, Int32(key.count), text, text.count, &out, &length)
    precondition(length == 32, "SHA-256 is part of every OpenSSL 3")
    return out
}
