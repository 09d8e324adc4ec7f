internal import Foundation
package import Identity

/// Makes what is stored unreadable without the tenant's data key: `DataKeys` does, through an adapter that the program
/// makes. Called from many tasks at once.
package protocol StoreSealer: Sendable {
    /// - Parameters:
    ///   - bytes: a body (at most 4 MiB), a piece of a blob, or a rollup.
    ///   - context: which blob it is; unique within the tenant. Opening it as another one must fail.
    /// - Returns: at most `StoredOctets.sealedOverheadMax` octets more than `bytes` has.
    func seal(_ bytes: [UInt8], tenant: TenantID, context: String) throws(SealError) -> [UInt8]
    func open(_ sealed: [UInt8], tenant: TenantID, context: String) throws(SealError) -> [UInt8]
}

package enum SealError: Error, Equatable, Sendable {
    /// The key was destroyed on purpose: for ever.
    case keyDestroyed
    /// The key can't be had now, and why.
    case unavailable(String)
    /// The bytes are not what was sealed, or not under this context.
    case damaged
}

/// What is written for a blob: one octet that says how, then the blob as it is or as the sealer made it. Bodies that
/// version 1 wrote have no such octet; they begin with the magic of a batch.
package struct StoredOctets: Sendable {
    package static let sealedOverheadMax = 128
    static let plain: UInt8 = 0, sealed: UInt8 = 1, oldBody = UInt8(ascii: "W")

    let sealer: (any StoreSealer)?
    let tenant: TenantID

    func close(_ bytes: ArraySlice<UInt8>, _ context: String) throws(SealError) -> Data {
        var content = bytes
        if let sealer { content = try sealer.seal(Array(bytes), tenant: tenant, context: context)[...] }
        precondition(content.count <= bytes.count + Self.sealedOverheadMax, "the sealer adds too much")
        var data = Data(capacity: content.count + 1)
        data.append(sealer == nil ? Self.plain : Self.sealed)
        data.append(contentsOf: content)
        return data
    }

    /// What is not sealed, where it is; nil of all else.
    static func plain(_ stored: Data) -> Data? { stored.first == plain ? stored.dropFirst() : nil }

    func open(_ stored: Data, _ context: String) throws(SealError) -> [UInt8] {
        switch stored.first {
        case Self.plain: return [UInt8](stored.dropFirst())
        case Self.oldBody: return [UInt8](stored)
        case Self.sealed:
            guard let sealer else { throw .unavailable("the store was opened without data keys") }
            return try sealer.open([UInt8](stored.dropFirst()), tenant: tenant, context: context)
        default: throw .damaged
        }
    }
}
