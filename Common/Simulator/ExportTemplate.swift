internal import FlowModel
internal import WireBytes

/// The two templates that the simulated exporter uses, by IPFIX element number and length (RFC 5102; RFC 3954 §8 has
/// the same numbers).
struct ExportTemplate: Sendable {
    let id: UInt16, isV4: Bool
    static let v4 = ExportTemplate(id: 256, isV4: true), v6 = ExportTemplate(id: 257, isV4: false)

    /// Element and length; times depend on the protocol: milliseconds since 1970 (152, 153) or since the exporter's
    /// start (22, 21).
    private func fields(_ exportProtocol: ExportProtocol) -> [(UInt16, UInt16)] {
        let addresses: [(UInt16, UInt16)] = isV4 ? [(8, 4), (12, 4)] : [(27, 16), (28, 16)]
        let times: [(UInt16, UInt16)] = exportProtocol == .ipfix ? [(152, 8), (153, 8)] : [(22, 4), (21, 4)]
        return addresses + [(7, 2), (11, 2), (4, 1), (6, 1), (5, 1), (10, 4), (14, 4), (1, 8), (2, 8)] + times
    }

    func recordBytes(_ exportProtocol: ExportProtocol) -> Int {
        fields(exportProtocol).reduce(0) { $0 + Int($1.1) }
    }

    func templateSet(_ exportProtocol: ExportProtocol) -> [UInt8] {
        let fields = fields(exportProtocol)
        var out: [UInt8] = []
        out.appendBE((exportProtocol == .ipfix ? 2 : 0) as UInt16)
        out.appendBE(UInt16(8 + fields.count * 4))
        out.appendBE(id)
        out.appendBE(UInt16(fields.count))
        for (element, length) in fields {
            out.appendBE(element)
            out.appendBE(length)
        }
        return out
    }

    func dataSet(_ flows: [FlowRecord], _ exportProtocol: ExportProtocol, uptime: (Int64) -> UInt32) -> [UInt8] {
        var records: [UInt8] = []
        for flow in flows { append(flow, exportProtocol, uptime, to: &records) }
        // RFC 3954 §5.3: a set ends on a 32-bit boundary.
        records += [UInt8](repeating: 0, count: (4 - records.count % 4) % 4)
        var out: [UInt8] = []
        out.appendBE(id)
        out.appendBE(UInt16(4 + records.count))
        return out + records
    }

    private func append(
        _ flow: FlowRecord, _ exportProtocol: ExportProtocol, _ uptime: (Int64) -> UInt32, to out: inout [UInt8]
    ) {
        for address in [flow.sourceIPAddress, flow.destinationIPAddress] {
            if isV4 {
                out.appendBE(address.v4)
            } else {
                out.appendBE(address.high)
                out.appendBE(address.low)
            }
        }
        out.appendBE(flow.sourceTransportPort)
        out.appendBE(flow.destinationTransportPort)
        out += [flow.protocolIdentifier, UInt8(truncatingIfNeeded: flow.tcpControlBits), flow.ipClassOfService]
        out.appendBE(flow.ingressInterface)
        out.appendBE(flow.egressInterface)
        out.appendBE(flow.octetDeltaCount)
        out.appendBE(flow.packetDeltaCount)
        for time in [flow.flowStartMilliseconds, flow.flowEndMilliseconds] {
            if exportProtocol == .ipfix { out.appendBE(UInt64(bitPattern: time)) } else { out.appendBE(uptime(time)) }
        }
    }
}
