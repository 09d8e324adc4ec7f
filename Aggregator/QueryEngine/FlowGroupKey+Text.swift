internal import FlowModel
internal import Identity

extension FlowGroupKey {
    /// The parts of the key that there are, by `FlowKey`'s names, as texts for people and programs: what answers show.
    package var named: [(name: String, text: String)] {
        var parts: [(name: String, text: String)] = []
        func add(_ name: String, _ value: (some CustomStringConvertible)?) {
            if let value { parts.append((name, value.description)) }
        }
        add("time", time)
        add("sourceAddress", sourceAddress)
        add("sourceAddress", sourceNetwork)
        add("destinationAddress", destinationAddress)
        add("destinationAddress", destinationNetwork)
        add("ipNextHopAddress", nextHop)
        add("sourceTransportPort", sourceTransportPort)
        add("destinationTransportPort", destinationTransportPort)
        add("protocolIdentifier", protocolIdentifier)
        add("service", service.map { "\($0.protocolIdentifier)/\($0.port)" })
        add("bgpSourceAsNumber", sourceAS)
        add("bgpDestinationAsNumber", destinationAS)
        add("sourceCountry", sourceCountry.map(countryText))
        add("destinationCountry", destinationCountry.map(countryText))
        add("sourceSystem", sourceSystem)
        add("destinationSystem", destinationSystem)
        add("exporter", exporter.map { "\($0.address) \($0.exportProtocol.name) \($0.observationDomain)" })
        add("ingressInterface", ingressInterface)
        add("egressInterface", egressInterface)
        add("site", site)
        add("sensor", sensor.map { "\($0.site):\($0.name)" })
        add("tcpControlBits", tcpControlBits)
        add("ipDiffServCodePoint", codePoint)
        add("vlanId", vlan)
        add("flowDirection", direction)
        add("ipVersion", family)
        return parts
    }
}
