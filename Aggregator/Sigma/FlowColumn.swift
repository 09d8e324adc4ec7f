/// What a rule can ask of a record: read from its columns when asked, without a copy.
///
/// Log sources of connections (a firewall's, a host's, Zeek's) tell of who opened a connection and who was called; a
/// record tells of one direction. So their fields are turned: in a record that is known to be the answer, the
/// originator is the destination. Fields of the other direction are absent from a record.
import Detect
import FlowModel

enum AddressColumn: UInt8, Sendable {
    case source, destination, originator, responder, nextHop, exporter
}

enum NumberColumn: UInt8, Sendable {
    case sourcePort, destinationPort, originatorPort, responderPort, transport
    case octets, packets, originatorOctets, responderOctets, originatorPackets, responderPackets, flows
    case ingressInterface, egressInterface, sourceAS, destinationAS, vlan, classOfService, controlBits, direction
    case sourcePrefix, destinationPrefix
    /// In ms; the last four since 1970 UTC.
    case duration, start, end, exported, received
    /// 1 refused by a firewall, 0 let through.
    case refused
    /// 1 the source opened the conversation, 0 the destination did.
    case initiated
    /// `ConnectionState`, `Service` by their raw values.
    case connectionState, service
    /// 1 IPv6, 0 IPv4.
    case sourceIsV6, destinationIsV6
    /// 1 a private address, 0 another.
    case originatorIsLocal, responderIsLocal

    /// What a record without the field has; in no set of numbers.
    static let absent = UInt64.max
}

/// One record while rules look at it.
struct RowSight {
    let row: Int
    private var knownInitiator: Initiator?

    init(row: Int) { self.row = row }

    mutating func initiator(_ columns: borrowing FlowColumns) -> Initiator {
        if let known = knownInitiator { return known }
        let initiator = Initiator(columns, row: row)
        knownInitiator = initiator
        return initiator
    }
    /// The record is the answer: its destination opened the conversation.
    mutating func isAnswer(_ columns: borrowing FlowColumns) -> Bool { initiator(columns) == .destination }
}

extension RowSight {
    @inline(__always)
    mutating func address(_ column: AddressColumn, _ columns: borrowing FlowColumns) -> IPAddress {
        switch column {
        case .source: return source(columns)
        case .destination: return destination(columns)
        case .originator: return isAnswer(columns) ? destination(columns) : source(columns)
        case .responder: return isAnswer(columns) ? source(columns) : destination(columns)
        case .nextHop: return IPAddress(high: columns.nextHopHigh[row], low: columns.nextHopLow[row])
        case .exporter:
            let number = Int(columns.exporter[row])
            return number < columns.exporters.count ? columns.exporters[number].address : .absent
        }
    }
    @inline(__always) private func source(_ columns: borrowing FlowColumns) -> IPAddress {
        IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
    }
    @inline(__always) private func destination(_ columns: borrowing FlowColumns) -> IPAddress {
        IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
    }

    @inline(__always)
    mutating func number(_ column: NumberColumn, _ columns: borrowing FlowColumns) -> UInt64 {
        switch column {
        case .sourcePort: return sourcePort(columns)
        case .destinationPort: return destinationPort(columns)
        case .originatorPort: return isAnswer(columns) ? destinationPort(columns) : sourcePort(columns)
        case .responderPort: return isAnswer(columns) ? sourcePort(columns) : destinationPort(columns)
        case .transport: return UInt64(columns.protocolIdentifier[row])
        case .octets: return columns.octetDeltaCount[row]
        case .packets: return columns.packetDeltaCount[row]
        default: return rarer(column, columns)
        }
    }

    private mutating func rarer(_ column: NumberColumn, _ columns: borrowing FlowColumns) -> UInt64 {
        switch column {
        case .originatorOctets: isAnswer(columns) ? NumberColumn.absent : columns.octetDeltaCount[row]
        case .responderOctets: isAnswer(columns) ? columns.octetDeltaCount[row] : NumberColumn.absent
        case .originatorPackets: isAnswer(columns) ? NumberColumn.absent : columns.packetDeltaCount[row]
        case .responderPackets: isAnswer(columns) ? columns.packetDeltaCount[row] : NumberColumn.absent
        case .flows: UInt64(max(columns.deltaFlowCount[row], 1))
        case .ingressInterface: orAbsent(columns.ingressInterface[row])
        case .egressInterface: orAbsent(columns.egressInterface[row])
        case .sourceAS: orAbsent(columns.bgpSourceAsNumber[row])
        case .destinationAS: orAbsent(columns.bgpDestinationAsNumber[row])
        case .vlan: orAbsent(columns.vlanId[row])
        case .classOfService: UInt64(columns.ipClassOfService[row])
        case .controlBits: orAbsent(columns.tcpControlBits[row])
        case .sourcePrefix: orAbsent(columns.sourceIPPrefixLength[row])
        case .destinationPrefix: orAbsent(columns.destinationIPPrefixLength[row])
        case .direction:
            columns.flowDirection[row] == 0
                ? NumberColumn.absent : UInt64(columns.flowDirection[row] &- FlowColumns.directionBase)
        case .start: time(columns.flowStartMilliseconds[row])
        case .end: time(columns.flowEndMilliseconds[row])
        case .exported: time(columns.exportMilliseconds[row])
        case .received: time(columns.receiveMilliseconds[row])
        case .duration: duration(columns)
        default: derived(column, columns)
        }
    }

    private mutating func derived(_ column: NumberColumn, _ columns: borrowing FlowColumns) -> UInt64 {
        switch column {
        case .refused: columns.flags[row] & RecordFlags.denied.rawValue == 0 ? 0 : 1
        case .initiated:
            switch initiator(columns) {
            case .source: 1
            case .destination: 0
            case .unknown: NumberColumn.absent
            }
        case .connectionState: connectionState(columns).map { UInt64($0.rawValue) } ?? NumberColumn.absent
        case .service: service(columns).map { UInt64($0.rawValue) } ?? NumberColumn.absent
        case .sourceIsV6: isV6(address(.originator, columns))
        case .destinationIsV6: isV6(address(.responder, columns))
        case .originatorIsLocal: address(.originator, columns).isSitePrivate ? 1 : 0
        case .responderIsLocal: address(.responder, columns).isSitePrivate ? 1 : 0
        default: NumberColumn.absent
        }
    }

    private func orAbsent(_ value: some UnsignedInteger) -> UInt64 { value == 0 ? NumberColumn.absent : UInt64(value) }
    private func time(_ milliseconds: Int64) -> UInt64 {
        milliseconds > 0 ? UInt64(milliseconds) : NumberColumn.absent
    }
    private func isV6(_ address: IPAddress) -> UInt64 {
        address.isAbsent ? NumberColumn.absent : address.isV4 ? 0 : 1
    }
    private func duration(_ columns: borrowing FlowColumns) -> UInt64 {
        let start = columns.flowStartMilliseconds[row], end = columns.flowEndMilliseconds[row]
        guard start > 0, end > 0 else { return NumberColumn.absent }
        return end > start ? UInt64(end &- start) : 0
    }
    /// Only transports that have ports: ICMP's type and code stand in the column, too.
    @inline(__always) private func hasPorts(_ columns: borrowing FlowColumns) -> Bool {
        switch columns.protocolIdentifier[row] {
        case 6, 17, 33, 132, 136: true
        default: false
        }
    }
    @inline(__always) private func sourcePort(_ columns: borrowing FlowColumns) -> UInt64 {
        let port = columns.sourceTransportPort[row]
        return port == 0 || !hasPorts(columns) ? NumberColumn.absent : UInt64(port)
    }
    @inline(__always) private func destinationPort(_ columns: borrowing FlowColumns) -> UInt64 {
        let port = columns.destinationTransportPort[row]
        return port == 0 || !hasPorts(columns) ? NumberColumn.absent : UInt64(port)
    }

    private mutating func service(_ columns: borrowing FlowColumns) -> Service? {
        let port = number(.responderPort, columns)
        guard let port = UInt16(exactly: port) else { return nil }
        return Service(port: port, isUDP: columns.protocolIdentifier[row] == IPProtocol.udp)
    }

    private mutating func connectionState(_ columns: borrowing FlowColumns) -> ConnectionState? {
        if columns.flags[row] & RecordFlags.denied.rawValue != 0 { return .rejected }
        let bits = columns.tcpControlBits[row] & 0x3F
        guard columns.protocolIdentifier[row] == IPProtocol.tcp, bits != 0 else { return nil }
        return ConnectionState(
            bits, isAnswer: isAnswer(columns), isSinglePacket: columns.packetDeltaCount[row] == 1)
    }
}

/// How a connection went, as Zeek names it; told from the control bits of one direction, so the finer ones are not.
enum ConnectionState: UInt8, CaseIterable, Sendable {
    case attempt, established, finished, rejected, resetByOriginator, resetByResponder, resetBeforeAnswer,
        finBeforeAnswer, midstream

    var word: String {
        switch self {
        case .attempt: "S0"
        case .established: "S1"
        case .finished: "SF"
        case .rejected: "REJ"
        case .resetByOriginator: "RSTO"
        case .resetByResponder: "RSTR"
        case .resetBeforeAnswer: "RSTOS0"
        case .finBeforeAnswer: "SH"
        case .midstream: "OTH"
        }
    }

    init(_ bits: UInt16, isAnswer: Bool, isSinglePacket: Bool) {
        func has(_ flag: UInt16) -> Bool { bits & flag != 0 }
        if isAnswer {
            self =
                has(TCPFlag.rst)
                ? (isSinglePacket && !has(TCPFlag.syn) ? .rejected : .resetByResponder)
                : has(TCPFlag.fin) ? .finished : has(TCPFlag.syn) ? .established : .midstream
        } else if has(TCPFlag.syn), !has(TCPFlag.ack) {
            self = has(TCPFlag.rst) ? .resetBeforeAnswer : has(TCPFlag.fin) ? .finBeforeAnswer : .attempt
        } else {
            self =
                has(TCPFlag.rst)
                ? .resetByOriginator
                : has(TCPFlag.fin) ? .finished : has(TCPFlag.syn) ? .established : .midstream
        }
    }
}

/// The service that a port usually has: a guess, where Zeek looks at the payload.
enum Service: UInt8, CaseIterable, Sendable {
    case dns, http, ssl, ssh, smtp, ftp, rdp, smb, kerberos, dhcp, ntp, snmp, sip, radius, mysql, imap, pop3, irc,
        ldap, syslog, vnc, mqtt, modbus, dnp3, rpc, quic, telnet, socks, postgresql

    /// As Zeek calls it, in `conn` and as the log's name.
    var words: [String] {
        switch self {
        case .kerberos: ["krb", "krb_tcp", "kerberos"]
        case .smb: ["smb", "smb_files", "smb_mapping", "smb_cmd", "gssapi,smb"]
        case .vnc: ["rfb", "vnc"]
        case .ldap: ["ldap", "ldap_tcp", "ldap_search"]
        case .rpc: ["dce_rpc"]
        case .ssl: ["ssl", "tls"]
        case .dnp3: ["dnp3", "dnp3_tcp"]
        default: ["\(self)"]
        }
    }

    init?(port: UInt16, isUDP: Bool) {
        switch port {
        case 443: self = isUDP ? .quic : .ssl
        case 53, 5353: self = .dns
        case 80, 8000, 8080, 8888: self = .http
        case 8443, 993, 995, 465, 636, 853: self = .ssl
        case 22: self = .ssh
        case 25, 587: self = .smtp
        case 21: self = .ftp
        case 3389: self = .rdp
        case 445, 139: self = .smb
        case 88: self = .kerberos
        case 67, 68: self = .dhcp
        case 123: self = .ntp
        default:
            guard let other = Service(rarePort: port) else { return nil }
            self = other
        }
    }
    private init?(rarePort port: UInt16) {
        switch port {
        case 161, 162: self = .snmp
        case 5060, 5061: self = .sip
        case 1812, 1813: self = .radius
        case 3306: self = .mysql
        case 143: self = .imap
        case 110: self = .pop3
        case 6667: self = .irc
        case 389, 3268: self = .ldap
        case 514: self = .syslog
        case 5900...5904: self = .vnc
        case 1883: self = .mqtt
        case 502: self = .modbus
        case 20_000: self = .dnp3
        case 135: self = .rpc
        case 23: self = .telnet
        case 1080: self = .socks
        case 5432: self = .postgresql
        default: return nil
        }
    }
}

extension IPAddress {
    /// RFC 1918, 6598, 3927, 4193, 4291 and loopback: what Zeek takes for local when nobody says otherwise.
    var isSitePrivate: Bool {
        if isV4 {
            return v4 >> 24 == 10 || v4 >> 20 == 0xAC1 || v4 >> 16 == 0xC0A8 || v4 >> 22 == 0x191
                || v4 >> 16 == 0xA9FE || v4 >> 24 == 127
        }
        return high >> 57 == 0xFC >> 1 || high >> 54 == 0x3FA || (high == 0 && low == 1)
    }
}
