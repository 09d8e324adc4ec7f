import FlowModel
import Foundation

/// Turns the analyser's dissection of a capture into records to compare, by frame.
///
/// What it shows is taken at its word; only what it leaves to the reader is done here: which of two addresses or
/// counters of a record counts, times relative to the exporter's start, and the reverse side of a biflow.
struct Dissection {
    private(set) var records: [Int: [ComparedRecord]] = [:]
    /// Templates seen so far, and whether they are options': their data looks like any other.
    private var templates: [String: Bool] = [:]
    /// Data sets whose template comes later: the analyser reads the capture twice and knows it already.
    private var waiting: [String: [Sighting]] = [:]
    /// When an exporter started, in ms since 1970, as it said in an options record.
    private var starts: [String: Int64] = [:]

    init(pdml: Data) throws {
        var made = Dissection()
        try PDMLReader.read(pdml) { made.add($0) }
        for key in made.waiting.keys.sorted() {
            made.learn(key, isOptions: false)
            made.takeWaiting(key)
        }
        self = made
    }
    private init() {}

    private mutating func add(_ packet: PDMLNode) {
        guard let frame = packet.first("frame.number").flatMap({ Int($0.show) }),
            let time = packet.first("frame.time_epoch").flatMap({ milliseconds(seconds: $0.show) })
        else { return }
        let sender = "\(packet.first("ip.src")?.show ?? "-"):\(packet.first("udp.srcport")?.show ?? "-")"
        for node in packet.children where node.name == "cflow" {
            flows(of: node, sender: sender, frame: frame)
        }
        for node in packet.children where node.name == "sflow" {
            records[frame, default: []] += node.children.compactMap { sample($0, time: time) }
        }
    }

    // MARK: NetFlow and IPFIX

    private mutating func flows(of message: PDMLNode, sender: String, frame: Int) {
        let version = message.first("cflow.version")?.show ?? "-"
        let domain = message.first("cflow.od_id")?.show ?? message.first("cflow.source_id")?.show ?? "-"
        let seconds = (message.first("cflow.unix_secs") ?? message.first("cflow.exporttime")).flatMap { Int64($0.show) }
        let nanoseconds = message.first("cflow.unix_nsecs").flatMap { Int64($0.show) } ?? 0
        let stream = "\(sender) \(version) \(domain)"
        var header = MessageTimes(
            export: (seconds ?? 0) * 1_000 + nanoseconds / 1_000_000,
            uptime: message.first("cflow.sysuptime").flatMap { milliseconds(seconds: $0.show) })
        header.sampling = message.first("cflow.samplerate").flatMap { Int($0.show) } ?? 0
        for set in message.children {
            if set.show.hasPrefix("pdu ") { records[frame, default: []] += FlowFields(set, header).records }
            let set = SetOfRecords(set, stream)
            for template in set.templates { learn(template, isOptions: false) }
            for template in set.optionsTemplates { learn(template, isOptions: true) }
            guard !set.flows.isEmpty else { continue }
            let sighting = Sighting(frame: frame, stream: stream, header: header, flows: set.flows)
            if let isOptions = templates[set.key] {
                take(sighting, isOptions: isOptions)
            } else {
                waiting[set.key, default: []].append(sighting)
            }
        }
        // What waited is read last: with what the message's options tell.
        for key in waiting.keys.sorted() { takeWaiting(key) }
    }
    private mutating func learn(_ template: String, isOptions: Bool) { templates[template] = isOptions }
    private mutating func takeWaiting(_ key: String) {
        guard let isOptions = templates[key] else { return }
        for sighting in waiting.removeValue(forKey: key) ?? [] { take(sighting, isOptions: isOptions) }
    }
    private mutating func take(_ sighting: Sighting, isOptions: Bool) {
        guard !isOptions else {
            let stated = sighting.flows.compactMap { $0.first("cflow.sys_init_time") }
            if let start = stated.last.flatMap({ utcMilliseconds($0.show) }) { starts[sighting.stream] = start }
            return
        }
        var header = sighting.header
        header.start = starts[sighting.stream]
        records[sighting.frame, default: []] += sighting.flows.flatMap { FlowFields($0, header).records }
    }
    /// The records of a data set.
    private struct Sighting {
        let frame: Int, stream: String, header: MessageTimes, flows: [PDMLNode]
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
        addDetails(to: &record, value)
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

    private func addDetails(to record: inout ComparedRecord, _ value: (String...) -> String?) {
        func number(_ text: String?) -> Int {
            guard let text else { return 0 }
            return (text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)) ?? -1
        }
        record[.sampling] = String(number(value("sflow.flow_sample.sampling_rate")))
        record[.classOfService] = String(number(value("ip.dsfield", "ipv6.tclass")))
        record[.tcpFlags] = String(number(value("tcp.flags")))
        record[.sourceAS] = String(number(value("sflow_245.srcAS")))
        record[.sourcePrefix] = String(number(value("sflow_245.nexthop.src_mask")))
        record[.destinationPrefix] = String(number(value("sflow_245.nexthop.dst_mask")))
        func interface(_ format: String?, _ index: String?) -> String {
            // A reason or a number of interfaces instead of one, or the device itself.
            let isOne = number(format) == 0 && number(index) != 0x3FFF_FFFF
            return isOne ? String(number(index)) : "0"
        }
        let side = "sflow.flow_sample.input_interface", out = "sflow.flow_sample.output_interface"
        record[.ingress] = interface(value("\(side)_format", "\(side).format"), value(side, "\(side)_value"))
        record[.egress] = interface(value("\(out)_format", "\(out).format"), value("\(out)_value"))
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
    /// Of the header; 0 when it says none.
    var sampling = 0
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
