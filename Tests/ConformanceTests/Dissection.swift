import FlowModel
import Foundation

/// Turns the analyser's dissection of a capture into records to compare, by frame.
///
/// What it shows is taken at its word; only what it leaves to the reader is done here: which of two addresses or
/// counters of a record counts, times relative to the exporter's start, and the reverse side of a biflow.
struct Dissection {
    private(set) var records: [Int: [ComparedRecord]] = [:]
    /// Options templates seen so far, as their data looks like any other.
    private var optionsTemplates: Set<String> = []
    /// When an exporter started, in ms since 1970, as it said in an options record.
    private var starts: [String: Int64] = [:]

    init(pdml: Data) throws {
        var made = Dissection()
        try PDMLReader.read(pdml) { made.add($0) }
        self = made
    }
    private init() {}

    private mutating func add(_ packet: PDMLNode) {
        guard let frame = packet.first("frame.number").flatMap({ Int($0.show) }),
            let time = packet.first("frame.time_epoch").flatMap({ milliseconds(seconds: $0.show) })
        else { return }
        let sender = "\(packet.first("ip.src")?.show ?? "-"):\(packet.first("udp.srcport")?.show ?? "-")"
        for node in packet.children where node.name == "cflow" {
            records[frame, default: []] += flows(of: node, sender: sender)
        }
        for node in packet.children where node.name == "sflow" {
            records[frame, default: []] += node.children.compactMap { sample($0, time: time) }
        }
    }

    // MARK: NetFlow and IPFIX

    private mutating func flows(of message: PDMLNode, sender: String) -> [ComparedRecord] {
        let version = message.first("cflow.version")?.show ?? "-"
        let domain = message.first("cflow.od_id")?.show ?? message.first("cflow.source_id")?.show ?? "-"
        let seconds = (message.first("cflow.unix_secs") ?? message.first("cflow.exporttime")).flatMap { Int64($0.show) }
        let nanoseconds = message.first("cflow.unix_nsecs").flatMap { Int64($0.show) } ?? 0
        let stream = "\(sender) \(version) \(domain)"
        var header = MessageTimes(
            export: (seconds ?? 0) * 1_000 + nanoseconds / 1_000_000,
            uptime: message.first("cflow.sysuptime").flatMap { milliseconds(seconds: $0.show) })
        var made: [ComparedRecord] = []
        for set in message.children {
            if set.show.hasPrefix("pdu ") { made += FlowFields(set, header).records }
            let set = SetOfRecords(set, stream)
            for template in set.templates { optionsTemplates.remove(template) }
            for template in set.optionsTemplates { optionsTemplates.insert(template) }
            guard !optionsTemplates.contains(set.key) else {
                let stated = set.flows.compactMap { $0.first("cflow.sys_init_time") }
                if let start = stated.last.flatMap({ utcMilliseconds($0.show) }) { starts[stream] = start }
                continue
            }
            header.start = starts[stream]
            made += set.flows.flatMap { FlowFields($0, header).records }
        }
        return made
    }

    private struct SetOfRecords {
        let key: String
        var templates: [String] = [], optionsTemplates: [String] = []
        let flows: [PDMLNode]

        init(_ node: PDMLNode, _ stream: String) {
            key = "\(stream) \(node.children.first { $0.name == "cflow.flowset_id" }?.show ?? "-")"
            flows = node.children.filter { $0.show.hasPrefix("Flow ") }
            for child in node.children {
                guard let id = child.show.firstMatch(of: /^(Options )?Template \(Id = (\d+)/) else { continue }
                if id.output.1 == nil {
                    templates.append("\(stream) \(id.output.2)")
                } else {
                    optionsTemplates.append("\(stream) \(id.output.2)")
                }
            }
        }
    }

    // MARK: sFlow

    /// A flow sample that describes a packet; nil for others.
    private func sample(_ node: PDMLNode, time: Int64) -> ComparedRecord? {
        guard node.show.hasPrefix("Flow sample") || node.show.hasPrefix("Expanded flow sample") else { return nil }
        let fields = node.descendants
        func value(_ names: String...) -> String? { fields.first { names.contains($0.name) }?.show }
        guard let length = value("sflow_245.header.frame_length", "sflow_245.ethernet.length") else { return nil }
        var record = ComparedRecord()
        record[.octets] = length
        record[.packets] = "1"
        record[.start] = String(time)
        record[.end] = String(time)
        record[.source] = value("ip.src", "ipv6.src").flatMap { IPAddress($0)?.description } ?? "::"
        record[.destination] = value("ip.dst", "ipv6.dst").flatMap { IPAddress($0)?.description } ?? "::"
        let number = protocolNumber(fields)
        record[.protocolIdentifier] = number
        switch number {
        case "6", "17", "132", "33":
            record[.sourcePort] = value("tcp.srcport", "udp.srcport", "sctp.srcport", "dccp.srcport") ?? "0"
            record[.destinationPort] = value("tcp.dstport", "udp.dstport", "sctp.dstport", "dccp.dstport") ?? "0"
        case "1", "58":
            let type = value("icmp.type", "icmpv6.type").flatMap { Int($0) } ?? 0
            let code = value("icmp.code", "icmpv6.code").flatMap { Int($0) } ?? 0
            record[.destinationPort] = String(type << 8 | code)
        default: break
        }
        return record
    }

    /// The outermost IP header's protocol; of IPv6 the one behind its extension headers.
    private func protocolNumber(_ fields: [PDMLNode]) -> String {
        guard let first = fields.first(where: { $0.name == "ip.src" || $0.name == "ipv6.src" }) else { return "0" }
        if first.name == "ip.src" { return fields.first { $0.name == "ip.proto" }?.show ?? "0" }
        let chain = fields.filter {
            ["ipv6.nxt", "ipv6.hopopts.nxt", "ipv6.routing.nxt", "ipv6.fraghdr.nxt", "ipv6.dstopts.nxt"]
                .contains($0.name)
        }
        return chain.last?.show ?? "0"
    }
}

struct MessageTimes {
    let export: Int64
    /// nil in IPFIX.
    let uptime: Int64?
    /// In IPFIX, when options say it.
    var start: Int64?
}

/// The fields of one record, as the analyser shows them.
private struct FlowFields {
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
        return record
    }

    private func text(_ names: String...) -> String? {
        forward.first { names.contains($0.name) }?.show
    }
    /// The first of `names` that the record has, by the order of the names.
    private func counter(_ names: [String], in fields: [PDMLNode]) -> String {
        for name in names {
            if let found = fields.first(where: { $0.name == name }) { return found.show }
        }
        return "0"
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

/// `86400.660000000` as ms, without the rounding of a floating-point number.
func milliseconds(seconds text: String) -> Int64? {
    let parts = text.split(separator: ".", maxSplits: 1)
    guard let whole = parts.first.flatMap({ Int64($0) }) else { return nil }
    let fraction = parts.count == 2 ? Int64(parts[1].prefix(3)) : 0
    return fraction.map { whole * 1_000 + $0 }
}

/// `Oct  9, 2017 20:22:20.637000000 UTC` as ms since 1970.
func utcMilliseconds(_ text: String) -> Int64? {
    let pattern = /^([A-Z][a-z]{2}) +(\d+), (\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{3})/
    guard let match = text.firstMatch(of: pattern)?.output else { return nil }
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? .current
    let date = DateComponents(
        year: Int(match.3), month: (names.firstIndex(of: String(match.1)) ?? 0) + 1, day: Int(match.2),
        hour: Int(match.4), minute: Int(match.5), second: Int(match.6))
    guard let moment = calendar.date(from: date), let fraction = Int64(match.7) else { return nil }
    return Int64(moment.timeIntervalSince1970) * 1_000 + fraction
}
