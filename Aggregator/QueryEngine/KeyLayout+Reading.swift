internal import FlowModel
internal import Identity

/// From words back to keys.
extension KeyLayout {
    /// The key whose words begin at `at`.
    func key(_ words: [UInt64], at start: Int, _ names: KeyNames) -> FlowGroupKey {
        var key = FlowGroupKey(), place = 0
        for flowKey in keys {
            if let (_, v4, v6) = flowKey.address {
                let address: IPAddress
                if isNarrow {
                    address = IPAddress(v4: UInt32(truncatingIfNeeded: value(places[place], words, start)))
                    place += 1
                } else {
                    address = IPAddress(
                        high: value(places[place], words, start), low: value(places[place + 1], words, start))
                    place += 2
                }
                key.set(flowKey, address, length: address.isV4 ? v4 : v6)
            } else {
                key.set(flowKey, value(places[place], words, start), names)
                place += 1
            }
        }
        return key
    }
    private func value(_ place: Place, _ words: [UInt64], _ start: Int) -> UInt64 {
        words[start + place.word] >> place.shift & (place.bits == 64 ? .max : 1 << place.bits - 1)
    }
}

extension FlowGroupKey {
    fileprivate mutating func set(_ key: FlowKey, _ address: IPAddress, length: Int) {
        switch key {
        case .sourceAddress: sourceAddress = address
        case .destinationAddress: destinationAddress = address
        case .nextHop: nextHop = address
        case .sourceNetwork: sourceNetwork = IPNetwork(address, length: length)
        default: destinationNetwork = IPNetwork(address, length: length)
        }
    }
    fileprivate mutating func set(_ key: FlowKey, _ value: UInt64, _ names: KeyNames) {
        let number = UInt32(truncatingIfNeeded: value)
        switch key {
        case .sourceTransportPort: sourceTransportPort = UInt16(truncatingIfNeeded: value)
        case .destinationTransportPort: destinationTransportPort = UInt16(truncatingIfNeeded: value)
        case .protocolIdentifier: protocolIdentifier = UInt8(truncatingIfNeeded: value)
        case .service:
            service = FlowService(
                protocolIdentifier: UInt8(truncatingIfNeeded: value >> 16), port: UInt16(truncatingIfNeeded: value))
        case .sourceAS: sourceAS = number
        case .destinationAS: destinationAS = number
        case .sourceCountry: sourceCountry = UInt16(truncatingIfNeeded: value)
        case .destinationCountry: destinationCountry = UInt16(truncatingIfNeeded: value)
        case .sourceSystem: sourceSystem = number
        case .destinationSystem: destinationSystem = number
        case .ingressInterface: ingressInterface = number
        case .egressInterface: egressInterface = number
        case .exporter: exporter = names.exporters[Int(number)]
        case .sensor: sensor = names.sensors[Int(number)]
        case .site: site = names.sites[Int(number)]
        case .tcpControlBits: tcpControlBits = UInt16(truncatingIfNeeded: value)
        case .codePoint: codePoint = UInt8(truncatingIfNeeded: value)
        case .vlan: vlan = UInt16(truncatingIfNeeded: value)
        case .direction: direction = UInt8(truncatingIfNeeded: value) &- FlowColumns.directionBase
        case .family: family = UInt8(truncatingIfNeeded: value)
        case .time(let period): time = KeyTime.time(value, period: period)
        case .sourceAddress, .destinationAddress, .nextHop, .sourceNetwork, .destinationNetwork: return
        }
    }
}

/// The order of groups of equal sums: by the keys' order, each from small to large, whatever the numbers of names.
extension FlowGroupKey: Comparable {
    package static func < (a: FlowGroupKey, b: FlowGroupKey) -> Bool {
        if let order = order(a.time, b.time) { return order }
        if let order = order(a.sourceAddress, b.sourceAddress) { return order }
        if let order = order(a.sourceNetwork?.address, b.sourceNetwork?.address) { return order }
        if let order = order(a.destinationAddress, b.destinationAddress) { return order }
        if let order = order(a.destinationNetwork?.address, b.destinationNetwork?.address) { return order }
        if let order = order(a.nextHop, b.nextHop) { return order }
        if let order = order(a.sourceTransportPort, b.sourceTransportPort) { return order }
        if let order = order(a.destinationTransportPort, b.destinationTransportPort) { return order }
        if let order = order(a.protocolIdentifier, b.protocolIdentifier) { return order }
        if let order = order(a.service, b.service) { return order }
        if let order = order(a.sourceAS, b.sourceAS) { return order }
        if let order = order(a.destinationAS, b.destinationAS) { return order }
        return orderOfRest(a, b)
    }
    private static func orderOfRest(_ a: FlowGroupKey, _ b: FlowGroupKey) -> Bool {
        if a.exporter != b.exporter, let order = order(a.exporter?.sortText, b.exporter?.sortText) { return order }
        if let order = order(a.ingressInterface, b.ingressInterface) { return order }
        if let order = order(a.egressInterface, b.egressInterface) { return order }
        if let order = order(a.site, b.site) { return order }
        if let order = order(a.sensor?.site, b.sensor?.site) { return order }
        if let order = order(a.sensor?.name, b.sensor?.name) { return order }
        if let order = order(a.tcpControlBits, b.tcpControlBits) { return order }
        if let order = order(a.codePoint, b.codePoint) { return order }
        if let order = order(a.vlan, b.vlan) { return order }
        // "Not in the record", 255, is packed as 0.
        if let order = order(a.direction.map { $0 &+ 1 }, b.direction.map { $0 &+ 1 }) { return order }
        if let order = order(a.family, b.family) { return order }
        if let order = order(a.sourceCountry, b.sourceCountry) { return order }
        if let order = order(a.destinationCountry, b.destinationCountry) { return order }
        if let order = order(a.sourceSystem, b.sourceSystem) { return order }
        return order(a.destinationSystem, b.destinationSystem) ?? false
    }
    private static func order<Value: Comparable>(_ a: Value?, _ b: Value?) -> Bool? {
        guard let a, let b, a != b else { return nil }
        return a < b
    }
}

extension ExporterKey {
    /// Sorts as address, domain, protocol do.
    fileprivate var sortText: String {
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let text = String(number, radix: 16)
            return String(repeating: "0", count: max(width - text.count, 0)) + text
        }
        return padded(address.high, 16) + padded(address.low, 16) + padded(observationDomain, 8)
            + padded(exportProtocol.rawValue, 2)
    }
}
