import FlowModel
import Foundation

/// The fields of one record, as the analyser shows them.
struct FlowFields {
    private let forward: [PDMLNode], reverse: [PDMLNode]
    private let header: MessageTimes

    init(_ flow: PDMLNode, _ header: MessageTimes) {
        let all = flow.descendants
        reverse = all.filter { $0.line.contains("(Reverse ") }
        forward = all.filter { !$0.line.contains("(Reverse ") }
        self.header = header
    }

    /// One record; two for a biflow whose reverse side counted something (RFC 5103).
    var records: [ComparedRecord] {
        let record = forwardRecord
        let octets = counter(Self.octets, in: reverse), packets = counter(Self.packets, in: reverse)
        guard octets != "0" || packets != "0" else { return [record] }
        var back = record
        (back[.source], back[.destination]) = (record[.destination], record[.source])
        if !["1", "58"].contains(record[.protocolIdentifier]) {
            (back[.sourcePort], back[.destinationPort]) = (record[.destinationPort], record[.sourcePort])
        }
        (back[.octets], back[.packets]) = (octets, packets)
        (back[.ingress], back[.egress]) = (record[.egress], record[.ingress])
        (back[.sourceAS], back[.destinationAS]) = (record[.destinationAS], record[.sourceAS])
        (back[.sourcePrefix], back[.destinationPrefix]) = (record[.destinationPrefix], record[.sourcePrefix])
        back[.tcpFlags] = counter(["cflow.tcpflags"], in: reverse, orElse: "0")
        back[.classOfService] = counter(["cflow.tos"], in: reverse, orElse: record[.classOfService])
        back[.nextHop] = "::"
        if record[.direction] != "255" { back[.direction] = record[.direction] == "0" ? "1" : "0" }
        return [record, back]
    }

    private static let octets = [
        "cflow.octets", "cflow.permanent_octets", "cflow.post_octets", "cflow.initiator_octets",
    ]
    private static let packets = [
        "cflow.packets", "cflow.permanent_packets", "cflow.post_packets", "cflow.initiator_packets",
    ]

    private var forwardRecord: ComparedRecord {
        var record = ComparedRecord()
        record[.source] = address("cflow.srcaddr", "cflow.srcaddrv6", "cflow.srcprefix")
        record[.destination] = address("cflow.dstaddr", "cflow.dstaddrv6", "cflow.dstprefix")
        record[.protocolIdentifier] = text("cflow.protocol") ?? "0"
        record[.sourcePort] = text("cflow.srcport", "cflow.udp_srcport", "cflow.tcp_srcport") ?? "0"
        record[.destinationPort] = icmp ?? text("cflow.dstport", "cflow.udp_dstport", "cflow.tcp_dstport") ?? "0"
        record[.octets] = counter(Self.octets, in: forward)
        record[.packets] = counter(Self.packets, in: forward)
        let times = times
        record[.start] = String(times.start)
        record[.end] = String(times.end)
        addDetails(to: &record)
        return record
    }
    private func addDetails(to record: inout ComparedRecord) {
        record[.classOfService] = number("cflow.tos")
        record[.tcpFlags] = number("cflow.tcpflags")
        record[.ingress] = number("cflow.inputint", "cflow.ingress_physical_interface")
        record[.egress] = number("cflow.outputint", "cflow.egress_physical_interface")
        record[.sourceAS] = number("cflow.srcas")
        record[.destinationAS] = number("cflow.dstas")
        let isSix = record[.source].contains(":") && record[.source] != "::" || record[.destination].count > 15
        record[.sourcePrefix] = isSix ? number("cflow.srcmaskv6", "cflow.srcmask") : number("cflow.srcmask")
        record[.destinationPrefix] = isSix ? number("cflow.dstmaskv6", "cflow.dstmask") : number("cflow.dstmask")
        let hop = address("cflow.nexthop", "cflow.nexthopv6", "cflow.nexthop")
        record[.nextHop] = hop == "::" ? address("cflow.bgpnexthop", "cflow.bgpnexthopv6", "cflow.bgpnexthop") : hop
        record[.vlan] = number("cflow.vlanid", "cflow.dot1q_vlan_id")
        record[.direction] = text("cflow.direction").flatMap(integer).map { String($0) } ?? "255"
        record[.sampling] = String(header.sampling)
    }
    private func number(_ names: String...) -> String {
        for name in names {
            if let found = forward.first(where: { $0.name == name }) {
                return integer(found.show).map(String.init) ?? "?"
            }
        }
        return "0"
    }

    private func text(_ names: String...) -> String? {
        forward.first { names.contains($0.name) }?.show
    }
    /// The first of `names` that the record has, by the order of the names.
    private func counter(_ names: [String], in fields: [PDMLNode], orElse fallback: String = "0") -> String {
        for name in names {
            guard let found = fields.first(where: { $0.name == name }) else { continue }
            return integer(found.show).map { String($0) } ?? found.show
        }
        return fallback
    }
    /// A record with both versions' fields uses one: that of its IP version, or else the one that isn't zero.
    private func address(_ v4: String, _ v6: String, _ prefix: String) -> String {
        let four = text(v4, prefix), six = text(v6).flatMap { IPAddress($0) }
        let version = text("cflow.ip_version")
        let usesSix = six.map { four == nil || version == "6" || (version != "4" && !$0.isAbsent) } ?? false
        return usesSix ? six?.description ?? "::" : four.flatMap { IPAddress($0)?.description } ?? "::"
    }
    /// ICMP type and code where NetFlow v5 has them, for ICMP records that have any. A record without a protocol but
    /// with such a field is one.
    private var icmp: String? {
        let number = text("cflow.protocol") ?? "0", port = text("cflow.dstport") ?? "0"
        guard ["1", "58"].contains(number) || (number == "0" && port == "0") else { return nil }
        let pairs = forward.filter { $0.name.hasPrefix("cflow.icmp_type_code") }.compactMap { integer($0.show) }
        if let pair = pairs.first(where: { $0 != 0 }) { return String(pair) }
        let types = [text("cflow.icmp_ipv4_type"), text("cflow.icmp_ipv6_type")].compactMap { $0.flatMap(integer) }
        let codes = [text("cflow.icmp_ipv4_code"), text("cflow.icmp_ipv6_code")].compactMap { $0.flatMap(integer) }
        let value = (types.first { $0 != 0 } ?? 0) << 8 | (codes.first { $0 != 0 } ?? 0)
        return value == 0 ? nil : String(value)
    }
    private func integer(_ text: String) -> Int? {
        text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    }

    /// Start and end in ms since 1970: one stands for both, and without either the time of the event or the export.
    private var times: (start: Int64, end: Int64) {
        let start = moment(absolute: "cflow.abstimestart", relative: "cflow.timestart")
        let end = moment(absolute: "cflow.abstimeend", relative: "cflow.timeend")
        if let start { return (start, end ?? start) }
        if let end { return (end, end) }
        if let observed { return (observed, observed) }
        // Relative times, and nothing says to what: the span is right, and it ended by the export.
        let first = text("cflow.timestart").flatMap { milliseconds(seconds: $0) }
        let last = text("cflow.timeend").flatMap { milliseconds(seconds: $0) }
        guard let first, let last else { return (header.export, header.export) }
        return (header.export - (last - first), header.export)
    }
    /// A time in ms since 1970: absolute rather than relative, fine rather than coarse, whichever of them the record
    /// has. Relative ones count from the exporter's start, modulo 2^32 ms, which in IPFIX is a field of its own.
    private func moment(absolute: String, relative: String) -> Int64? {
        let dates = forward.filter { $0.name == absolute }.compactMap { utcMilliseconds($0.show) }
        if let date = dates.first(where: { $0 % 1_000 != 0 }) ?? dates.first { return date == 0 ? nil : date }
        guard let since = text(relative).flatMap({ milliseconds(seconds: $0) }) else { return nil }
        if let uptime = header.uptime { return header.export - Int64(Int32(truncatingIfNeeded: uptime - since)) }
        let start = text("cflow.sys_init_time").flatMap { utcMilliseconds($0) } ?? header.start
        return start.map { $0 + since }
    }
    private var observed: Int64? {
        for name in ["cflow.observation_time_milliseconds", "cflow.observation_time_seconds"] {
            if let time = text(name).flatMap({ utcMilliseconds($0) }) { return time }
        }
        return nil
    }
}
