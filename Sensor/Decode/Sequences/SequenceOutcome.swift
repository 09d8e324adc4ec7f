import FlowModel

/// What an exporter's sequence numbers count.
package enum SequenceUnit: String, Sendable, CaseIterable {
    /// NetFlow v5 and v7: flow records.
    case flows
    /// NetFlow v9: packets, whatever they hold.
    case packets
    /// IPFIX: data records, those of options included.
    case records
    /// sFlow: datagrams of one agent and sub-agent.
    case datagrams

    init(_ exportProtocol: ExportProtocol) {
        switch exportProtocol {
        case .netflow9: self = .packets
        case .ipfix: self = .records
        case .sflow4, .sflow5: self = .datagrams
        case .netflow1, .netflow5, .netflow7, .packets: self = .flows
        }
    }
    /// How far apart two numbers may be and still be neighbours: 64 datagrams.
    var near: UInt32 { self == .flows || self == .records ? 4_096 : 64 }
}

/// What one datagram's sequence number told about those before it.
package struct SequenceOutcome: Sendable, Equatable {
    package let unit: SequenceUnit
    /// Units that were sent before this datagram and have not been seen. Never events: one gap of 500 is 500.
    package var missing: UInt64 = 0
    /// Units counted as missing before that have come after all, or were no gap as it turned out: to be taken off.
    package var late: UInt64 = 0
    /// The exporter began to count anew: what it had not sent by then can't be known, and is not missing.
    package var restarted = false
    /// The first time that several senders are seen behind one exporter's address and domain. From then on each is
    /// followed by itself.
    package var severalSenders = false

    package init(unit: SequenceUnit) { self.unit = unit }

    var isEmpty: Bool { missing == 0 && late == 0 && !restarted && !severalSenders }
}

extension SequenceOutcome {
    func adding(_ other: SequenceOutcome) -> SequenceOutcome {
        var sum = self
        sum.missing &+= other.missing
        sum.late &+= other.late
        sum.restarted = restarted || other.restarted
        sum.severalSenders = severalSenders || other.severalSenders
        return sum
    }
}
