package import FlowModel

/// Where Weir may connect to on somebody's behalf: a tenant gives the URL, and the aggregator stands inside a network
/// that the tenant does not.
///
/// Invariants: an address is refused unless it is unicast of no special purpose by IANA's registries, or the operator
/// allowed its network; a metadata service only if the operator named that very address. What is checked is the
/// address that is then connected to, never the name.
package struct EgressPolicy: Equatable, Sendable {
    package enum Refusal: Error, Equatable, Sendable {
        case scheme(WebhookURL.Scheme)
        case port(Int)
        /// Of the registry's kind that it falls under.
        case address(IPAddress, Kind)
    }
    /// What is wrong with an address.
    package enum Kind: String, Sendable, CaseIterable {
        case unspecified, loopback, `private`, shared, linkLocal, metadata, documentation, benchmarking, reserved
        case multicast, discard, uniqueLocal, notGlobal
        /// Carries an IPv4 address and leads to it by way of a translator or a tunnel.
        case nat64, sixToFour, teredo, v4Compatible
    }

    package var schemes: Set<WebhookURL.Scheme> = [.https]
    package var ports: Set<Int> = [443, 8_443]
    /// The operator's exceptions. NAT64 addresses in it must also carry an IPv4 address that is allowed itself.
    package var allowed: [IPNetwork] = []

    package init() {}

    package func check(_ url: WebhookURL) throws(Refusal) {
        guard schemes.contains(url.scheme) else { throw .scheme(url.scheme) }
        try check(port: url.port)
        if let address = url.address { try check(address) }
    }

    package func check(port: Int) throws(Refusal) {
        guard ports.contains(port) else { throw .port(port) }
    }

    /// Before each connection, with the address that it will be to.
    package func check(_ address: IPAddress) throws(Refusal) {
        guard let kind = Self.kind(of: address) else { return }
        if kind == .metadata {
            let exact = IPNetwork(address, length: address.isV4 ? 32 : 128)
            guard allowed.contains(exact) else { throw .address(address, kind) }
            return
        }
        guard allowed.contains(where: { $0.contains(address) }) else { throw .address(address, kind) }
        guard let carried = Self.carried(by: address, kind) else { return }
        do throws(Refusal) {
            try check(carried)
        } catch {
            throw .address(address, kind)
        }
    }

    /// Nil for an address that anybody on the Internet may have.
    package static func kind(of address: IPAddress) -> Kind? {
        if metadata.contains(address) { return .metadata }
        let table = address.isV4 ? v4 : v6
        return table.first { $0.network.contains(address) }?.kind
            ?? (address.isV4 || globalUnicast.contains(address) ? nil : .notGlobal)
    }

    /// The IPv4 address in a NAT64, 6to4, Teredo or compatible one.
    private static func carried(by address: IPAddress, _ kind: Kind) -> IPAddress? {
        switch kind {
        case .nat64, .v4Compatible: IPAddress(v4: UInt32(truncatingIfNeeded: address.low))
        case .sixToFour: IPAddress(v4: UInt32(truncatingIfNeeded: address.high >> 16))
        // Teredo keeps it inverted (RFC 4380 §4).
        case .teredo: IPAddress(v4: ~UInt32(truncatingIfNeeded: address.low))
        default: nil
        }
    }

    private static func table(_ rows: [(String, Kind)]) -> [(network: IPNetwork, kind: Kind)] {
        rows.compactMap { text, kind in IPNetwork(text).map { ($0, kind) } }
    }
    /// How many rows the tables have: a row that is no network would be missing.
    static var tableRows: (v4: Int, v6: Int, metadata: Int) { (v4.count, v6.count, metadata.count) }

    /// Where clouds hand out credentials. Azure's second one is an address like any other's.
    private static let metadata: Set<IPAddress> = Set(
        ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"]
            .compactMap { IPAddress($0) })

    /// IANA IPv4 Special-Purpose Address Registry, and multicast (RFC 5771).
    private static let v4 = table([
        ("0.0.0.0/8", .unspecified), ("10.0.0.0/8", .private), ("100.64.0.0/10", .shared), ("127.0.0.0/8", .loopback),
        ("169.254.0.0/16", .linkLocal), ("172.16.0.0/12", .private), ("192.0.0.0/24", .reserved),
        ("192.0.2.0/24", .documentation), ("192.31.196.0/24", .reserved), ("192.52.193.0/24", .reserved),
        ("192.88.99.0/24", .reserved), ("192.168.0.0/16", .private), ("192.175.48.0/24", .reserved),
        ("198.18.0.0/15", .benchmarking), ("198.51.100.0/24", .documentation), ("203.0.113.0/24", .documentation),
        ("224.0.0.0/4", .multicast), ("240.0.0.0/4", .reserved),
    ])
    /// IANA IPv6 Special-Purpose Address Registry; the more special first. IPv4-mapped addresses are IPv4 here.
    private static let v6 = table([
        ("::1/128", .loopback), ("::/128", .unspecified), ("::/96", .v4Compatible), ("64:ff9b::/96", .nat64),
        ("64:ff9b:1::/48", .nat64), ("100::/64", .discard), ("2001::/32", .teredo), ("2001::/23", .reserved),
        ("2001:db8::/32", .documentation), ("2002::/16", .sixToFour), ("2620:4f:8000::/48", .reserved),
        ("3fff::/20", .documentation), ("5f00::/16", .reserved), ("fc00::/7", .uniqueLocal), ("fe80::/10", .linkLocal),
        ("fec0::/10", .private), ("ff00::/8", .multicast),
    ])
    private static let globalUnicast = IPNetwork(IPAddress(high: 0x2000_0000_0000_0000, low: 0), length: 3)
}
