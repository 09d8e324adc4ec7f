/// Sums that must come out equal on both sides of every step. All three wrap at 2^64, which no site reaches.
package struct Tally: Hashable, Sendable {
    /// Flow records as the exporter counted them, whatever has been merged since.
    package var flows: UInt64 = 0
    /// Octets as exported: not scaled by the sampling interval.
    package var octets: UInt64 = 0
    /// Packets as exported: not scaled by the sampling interval.
    package var packets: UInt64 = 0

    package init(flows: UInt64 = 0, octets: UInt64 = 0, packets: UInt64 = 0) {
        self.flows = flows
        self.octets = octets
        self.packets = packets
    }
    package static func += (sum: inout Tally, other: Tally) {
        sum.flows &+= other.flows
        sum.octets &+= other.octets
        sum.packets &+= other.packets
    }
    package static func -= (sum: inout Tally, other: Tally) {
        sum.flows &-= other.flows
        sum.octets &-= other.octets
        sum.packets &-= other.packets
    }
}

/// The loss ledger of one exporter, in flows, octets and packets as it exported them.
///
/// The equation that must hold at rest:
///     decoded = sealed + Σ recordLosses,    sealed = answered + waiting + Σ losses after the seal
/// and for datagrams: received = decoded datagrams + Σ datagram losses.
package struct ExporterLedger: Equatable, Sendable {
    package var datagramsReceived: UInt64 = 0
    package var datagramsDecoded: UInt64 = 0
    /// Everything that a decoder made of the exporter's datagrams.
    package var decoded = Tally()
    /// What went into batches. `decoded.flows - sealedRows` were merged into rows of the same key.
    package var sealed = Tally()
    /// Rows written: at most `sealed.flows`.
    package var sealedRows: UInt64 = 0
    /// Losses in datagrams or sets, by reason.
    package var counts: [Loss: UInt64] = [:]
    /// Losses in records, by reason, with what they carried.
    package var records: [Loss: Tally] = [:]
    /// Lost before they came here, as the exporter's sequence numbers tell.
    package var missing = MissingUnits()

    package init() {}

    /// What is decoded, neither sealed nor lost: open in the pre-aggregation table. Zero at rest.
    package var open: Tally {
        var rest = decoded
        rest -= sealed
        for lost in records.values { rest -= lost }
        return rest
    }
}

/// What an exporter's sequence numbers tell of datagrams that did not come.
package struct MissingUnits: Equatable, Sendable {
    /// In the exporter's own unit: records (NetFlow v5, v7, IPFIX) or datagrams (NetFlow v9, sFlow).
    package var units: UInt64 = 0
    /// Came after all, out of order: already taken off `units`.
    package var late: UInt64 = 0
    /// Times that the exporter began to count anew.
    package var restarts: UInt64 = 0
    package var hasSeveralSenders = false

    package init() {}
    package mutating func add(_ other: MissingUnits) {
        units &+= other.units
        late &+= other.late
        restarts &+= other.restarts
        hasSeveralSenders = hasSeveralSenders || other.hasSeveralSenders
    }
}
