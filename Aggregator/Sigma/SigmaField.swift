/// From the names of fields in rules to what a record has: one table for each kind of log source.

struct SigmaField: Hashable, Sendable {
    enum Column: Hashable, Sendable {
        case address(AddressColumn)
        case number(NumberColumn)
    }
    struct Word: Hashable, Sendable {
        let value: UInt64
        /// Any of these is said for the value.
        let words: [String]
    }
    let column: Column
    /// The highest value there can be.
    var max: UInt64 = .max - 1
    /// Texts that stand for values. If there are any and `isNumber` is false, numbers mean nothing.
    var words: [Word] = []
    var isNumber = true
    /// What one unit in a rule is in the column's: 1,000 for seconds, held in ms.
    var scale: UInt64 = 1
    var isTime = false

    init(_ column: Column) { self.column = column }
    static func address(_ column: AddressColumn) -> SigmaField { SigmaField(.address(column)) }
    static func number(_ column: NumberColumn, max: UInt64 = .max - 1, scale: UInt64 = 1) -> SigmaField {
        var field = SigmaField(.number(column))
        (field.max, field.scale) = (max, scale)
        return field
    }
    static func time(_ column: NumberColumn) -> SigmaField {
        var field = SigmaField(.number(column))
        field.isTime = true
        return field
    }
    static func words(_ column: NumberColumn, _ words: [Word], isNumber: Bool = false, max: UInt64) -> SigmaField {
        var field = SigmaField(.number(column))
        (field.words, field.isNumber, field.max) = (words, isNumber, max)
        return field
    }
    static func flag(_ column: NumberColumn) -> SigmaField {
        words(
            column, [Word(value: 0, words: ["false", "0", "no"]), Word(value: 1, words: ["true", "1", "yes"])], max: 1)
    }
}

extension SigmaField {
    static func port(_ column: NumberColumn) -> SigmaField { number(column, max: 65_535) }
    static let transport = SigmaField.words(
        .transport,
        [
            Word(value: 1, words: ["icmp"]), Word(value: 2, words: ["igmp"]), Word(value: 6, words: ["tcp"]),
            Word(value: 17, words: ["udp"]), Word(value: 41, words: ["ipv6"]), Word(value: 47, words: ["gre"]),
            Word(value: 50, words: ["esp"]), Word(value: 51, words: ["ah"]),
            Word(value: 58, words: ["icmp6", "ipv6-icmp", "icmpv6", "icmp"]), Word(value: 89, words: ["ospf"]),
            Word(value: 132, words: ["sctp"]),
        ], isNumber: true, max: 255)
    /// What firewalls write for letting through and for refusing.
    static let action = SigmaField.words(
        .refused,
        [
            Word(
                value: 0,
                words: [
                    "accept", "accepted", "allow", "allowed", "forward", "forwarded", "pass", "passed", "permit",
                    "permitted", "built",
                ]),
            Word(
                value: 1,
                words: [
                    "block", "blocked", "deny", "denied", "discard", "discarded", "drop", "dropped", "refuse",
                    "refused", "reject", "rejected", "prevent", "prevented",
                ]),
        ], max: 1)
    /// As firewalls write them, such as `SYN,ACK`; a record has those of all its packets.
    static let tcpFlags = SigmaField.words(
        .controlBits,
        (1...255).map { bits in
            let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"].enumerated()
                .filter { bits & (1 << $0.offset) != 0 }.map(\.element)
            return Word(value: UInt64(bits), words: [names.joined(separator: ",")])
        }, max: 255)
    static let connectionState = SigmaField.words(
        .connectionState, ConnectionState.allCases.map { Word(value: UInt64($0.rawValue), words: [$0.word]) }, max: 63)
    static let service = SigmaField.words(
        .service, Service.allCases.map { Word(value: UInt64($0.rawValue), words: $0.words) }, max: 63)
}

/// Kinds of log sources whose entries a flow record can stand for.
enum SigmaSource: Sendable {
    /// `category: network_connection`, as hosts log connections.
    case networkConnection
    /// `category: firewall`.
    case firewall
    /// `product: zeek`, `service: conn`; or another log of Zeek's, that of a service with a port of its own.
    case zeek(Service?)
    /// Records as they are: `category: flow`.
    case record

    func field(_ name: String) -> SigmaField? {
        let own: SigmaField? =
            switch self {
            case .networkConnection: Self.hostFields[name]
            case .firewall: Self.firewallFields[name]
            case .zeek: Self.zeekFields[name]
            case .record: nil
            }
        return own ?? Self.elements[name]
    }

    static let hostFields: [String: SigmaField] = [
        "SourceIp": .address(.originator), "DestinationIp": .address(.responder),
        "SourcePort": .port(.originatorPort), "DestinationPort": .port(.responderPort), "Protocol": .transport,
        "Initiated": .flag(.initiated), "SourceIsIpv6": .flag(.sourceIsV6),
        "DestinationIsIpv6": .flag(.destinationIsV6),
        "UtcTime": .time(.start),
    ]
    static let firewallFields: [String: SigmaField] = [
        "src_ip": .address(.originator), "dst_ip": .address(.responder), "src_port": .port(.originatorPort),
        "dst_port": .port(.responderPort), "protocol": .transport, "proto": .transport, "action": .action,
        "blocked": .flag(.refused), "tcp_flags": .tcpFlags, "duration": .number(.duration, scale: 1_000),
        "src_as": .number(.sourceAS),
        "dst_as": .number(.destinationAS), "bytes": .number(.octets), "packets": .number(.packets),
    ]
    static let zeekFields: [String: SigmaField] = [
        "id.orig_h": .address(.originator), "id.resp_h": .address(.responder), "id.orig_p": .port(.originatorPort),
        "id.resp_p": .port(.responderPort), "proto": .transport, "ip_proto": .transport, "service": .service,
        "conn_state": .connectionState, "duration": .number(.duration, scale: 1_000),
        "orig_bytes": .number(.originatorOctets), "resp_bytes": .number(.responderOctets),
        "orig_ip_bytes": .number(.originatorOctets), "resp_ip_bytes": .number(.responderOctets),
        "orig_pkts": .number(.originatorPackets), "resp_pkts": .number(.responderPackets),
        "local_orig": .flag(.originatorIsLocal), "local_resp": .flag(.responderIsLocal),
        "vlan": .number(.vlan, max: 4_095), "ts": .time(.start),
        // The names of the generic taxonomy are used with Zeek's logs, too.
        "src_ip": .address(.originator), "dst_ip": .address(.responder), "src_port": .port(.originatorPort),
        "dst_port": .port(.responderPort),
    ]
    /// IANA "IPFIX Information Elements" that a column holds, as the record has them: not turned.
    static let elements: [String: SigmaField] = [
        "sourceIPv4Address": .address(.source), "sourceIPv6Address": .address(.source),
        "sourceIPAddress": .address(.source), "destinationIPv4Address": .address(.destination),
        "destinationIPv6Address": .address(.destination), "destinationIPAddress": .address(.destination),
        "ipNextHopIPv4Address": .address(.nextHop), "ipNextHopIPv6Address": .address(.nextHop),
        "exporterIPv4Address": .address(.exporter), "exporterIPv6Address": .address(.exporter),
        "sourceTransportPort": .port(.sourcePort), "destinationTransportPort": .port(.destinationPort),
        "protocolIdentifier": .transport, "octetDeltaCount": .number(.octets), "packetDeltaCount": .number(.packets),
        "deltaFlowCount": .number(.flows), "ingressInterface": .number(.ingressInterface),
        "egressInterface": .number(.egressInterface), "bgpSourceAsNumber": .number(.sourceAS),
        "bgpDestinationAsNumber": .number(.destinationAS), "vlanId": .number(.vlan, max: 4_095),
        "ipClassOfService": .number(.classOfService, max: 255), "tcpControlBits": .number(.controlBits, max: 65_535),
        "flowDirection": .number(.direction, max: 255), "sourceIPv4PrefixLength": .number(.sourcePrefix, max: 128),
        "destinationIPv4PrefixLength": .number(.destinationPrefix, max: 128),
        "flowDurationMilliseconds": .number(.duration), "flowStartMilliseconds": .time(.start),
        "flowEndMilliseconds": .time(.end), "collectionTimeMilliseconds": .time(.received),
    ]

    /// Whether any log source that is known has a field of that name.
    static func hasField(_ name: String) -> Bool {
        elements[name] != nil || zeekFields[name] != nil || firewallFields[name] != nil || hostFields[name] != nil
    }

    /// Why no record has it.
    static func absence(of field: String) -> String {
        let folded = field.lowercased()
        func has(_ parts: [String]) -> Bool { parts.contains { folded.contains($0) } }
        if has(["hostname", "query", "domain", "host", "answer", "record_type", "dns", "url", "uri", "sni", "tld"]) {
            return "flows carry addresses, no names"
        }
        if has(["image", "user", "process", "commandline", "account", "computer", "hash", "company"]) {
            return "flows know hosts, no processes or users"
        }
        return "flows carry no payload and nothing of what applications log"
    }
}

extension SigmaLogSource {
    /// What a record can stand for; nil, and why, for other logs.
    func source() -> (source: SigmaSource?, reason: String) {
        switch (category, product, service) {
        case ("network_connection", _, nil): return (.networkConnection, "")
        case ("firewall", _, nil): return (.firewall, "")
        case (nil, "zeek", "conn"): return (.zeek(nil), "")
        case (nil, "zeek", let log?):
            let service = Service.allCases.first { $0.words.contains(log) }
            return (service.map { .zeek($0) }, "Zeek's log `\(log)` tells of what flows don't carry")
        case ("flow", _, _), ("netflow", _, _), ("ipfix", _, _), (nil, "ipfix", _), (nil, "netflow", _),
            (nil, "weir", _):
            return (.record, "")
        default:
            let names = [
                category.map { "category `\($0)`" }, product.map { "product `\($0)`" },
                service.map { "service `\($0)`" },
            ]
            return (nil, "logs of \(names.compactMap { $0 }.joined(separator: ", ")) are no flow records")
        }
    }
}
