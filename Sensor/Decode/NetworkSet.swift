package import FlowModel

/// Networks in which an address is found by a few look-ups, however many there are.
package struct NetworkSet: Sendable {
    /// One for each family and prefix length.
    private var groups: [(length: Int, isV4: Bool, networks: Set<IPNetwork>)] = []

    package init(_ networks: [IPNetwork]) {
        for network in networks {
            let isV4 = network.address.isV4
            if let known = groups.firstIndex(where: { $0.length == network.length && $0.isV4 == isV4 }) {
                groups[known].networks.insert(network)
            } else {
                groups.append((network.length, isV4, [network]))
            }
        }
    }
    package func contains(_ address: IPAddress) -> Bool {
        groups.contains {
            $0.isV4 == address.isV4 && $0.networks.contains(IPNetwork(address, length: $0.length))
        }
    }
}
