/// How a record reached the sensor.
@usableFromInline package enum ExportProtocol: UInt8, Sendable, CaseIterable {
    case netflow1 = 1, netflow5 = 5, netflow7 = 7, netflow9 = 9, ipfix = 10, sflow4 = 104, sflow5 = 105
    /// Packets of an interface that the sensor metered itself.
    case packets = 200

    /// The name used in settings, commands and output.
    package var name: String {
        switch self {
        case .netflow1: "netflow1"
        case .netflow5: "netflow5"
        case .netflow7: "netflow7"
        case .netflow9: "netflow9"
        case .ipfix: "ipfix"
        case .sflow4: "sflow4"
        case .sflow5: "sflow5"
        case .packets: "packets"
        }
    }
    package init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

/// Who exported a record: the unit of the loss ledger.
///
/// Compared for every datagram and set: in line, as a derived `==` is a call through a table in other modules.
@usableFromInline package struct ExporterKey: Hashable, Sendable {
    /// The sender's address on the socket; for sFlow the agent address inside the datagram.
    @usableFromInline package var address: IPAddress
    /// IPFIX Observation Domain ID, NetFlow v9 Source ID, NetFlow v5 engine type << 8 | engine ID, sFlow sub-agent ID.
    @usableFromInline package var observationDomain: UInt32
    @usableFromInline package var exportProtocol: ExportProtocol

    @inlinable package init(address: IPAddress, observationDomain: UInt32, exportProtocol: ExportProtocol) {
        self.address = address
        self.observationDomain = observationDomain
        self.exportProtocol = exportProtocol
    }

    @inlinable package static func == (a: ExporterKey, b: ExporterKey) -> Bool {
        a.address == b.address && a.observationDomain == b.observationDomain
            && a.exportProtocol.rawValue == b.exportProtocol.rawValue
    }
}

/// Where a datagram came from and when: what the wire itself does not say.
package struct DatagramOrigin: Hashable, Sendable {
    package var source: IPAddress
    package var sourcePort: UInt16
    /// The local port it was sent to.
    package var localPort: UInt16
    /// In ms since 1970 UTC: the socket's time, or the capture's own.
    package var receiveMilliseconds: Int64
    /// 0 for datagrams; otherwise the number of the TCP or TLS connection that the message came over, never used twice
    /// by one sensor process.
    package var session: UInt32

    package init(
        source: IPAddress, sourcePort: UInt16, localPort: UInt16, receiveMilliseconds: Int64, session: UInt32 = 0
    ) {
        self.source = source
        self.sourcePort = sourcePort
        self.localPort = localPort
        self.receiveMilliseconds = receiveMilliseconds
        self.session = session
    }
}
