/// Makes what is kept of a tenant unreadable without the tenant's data key: for files that hold several tenants' data
/// and know nothing of keys. Both may block for milliseconds, at a key's first use for seconds.
package struct TenantSealing: Sendable {
    package enum Fault: Error, Equatable, Sendable {
        /// The tenant's key was destroyed: for ever.
        case keyDestroyed
        /// The key can't be had now; later.
        case unavailable(String)
        /// The octets are not what was sealed under this context.
        case damaged
    }
    /// `context` says what is sealed, unique within the tenant; the same is needed to open it.
    package let seal: @Sendable (_ plain: [UInt8], TenantID, _ context: String) throws(Fault) -> [UInt8]
    /// Octets that were never sealed come back as they are: what was kept before there were keys.
    package let open: @Sendable (_ sealed: [UInt8], TenantID, _ context: String) throws(Fault) -> [UInt8]

    package init(
        seal: @escaping @Sendable ([UInt8], TenantID, String) throws(Fault) -> [UInt8],
        open: @escaping @Sendable ([UInt8], TenantID, String) throws(Fault) -> [UInt8]
    ) {
        self.seal = seal
        self.open = open
    }
    /// Leaves all as it is.
    package static let none = TenantSealing(
        seal: { plain, _, _ throws(Fault) in plain }, open: { sealed, _, _ throws(Fault) in sealed })
}
