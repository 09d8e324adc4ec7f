import FlowModel

/// What both sides say of one record, as text: the fields that the promise names.
struct ComparedRecord: Hashable, CustomStringConvertible {
    enum Field: Int, CaseIterable {
        case source, destination, sourcePort, destinationPort, protocolIdentifier, octets, packets, start, end
        case classOfService, tcpFlags, ingress, egress, sourceAS, destinationAS, sourcePrefix, destinationPrefix
        case nextHop, vlan, direction, sampling
    }
    /// What the analyser doesn't say of a packet sample in so many words, or says in several places.
    static let notOfSamples: [Field] = [.destinationAS, .nextHop, .vlan, .direction]
    private var values = [String](repeating: "0", count: Field.allCases.count)

    subscript(field: Field) -> String {
        get { values[field.rawValue] }
        set { values[field.rawValue] = newValue }
    }
    var description: String {
        "\(self[.source]):\(self[.sourcePort]) > \(self[.destination]):\(self[.destinationPort])"
            + " proto \(self[.protocolIdentifier]) octets \(self[.octets]) packets \(self[.packets])"
            + " \(self[.start])...\(self[.end]) "
            + Field.allCases.dropFirst(Field.end.rawValue + 1).map { "\($0) \(self[$0])" }.joined(separator: " ")
    }

    init() {}
    init(_ record: FlowRecord, of exportProtocol: ExportProtocol) {
        self[.source] = record.sourceIPAddress.description
        self[.destination] = record.destinationIPAddress.description
        self[.sourcePort] = String(record.sourceTransportPort)
        self[.destinationPort] = String(record.destinationTransportPort)
        self[.protocolIdentifier] = String(record.protocolIdentifier)
        self[.octets] = String(record.octetDeltaCount)
        self[.packets] = String(record.packetDeltaCount)
        self[.start] = String(record.flowStartMilliseconds)
        self[.end] = String(record.flowEndMilliseconds)
        self[.classOfService] = String(record.ipClassOfService)
        self[.tcpFlags] = String(record.tcpControlBits)
        self[.ingress] = String(record.ingressInterface)
        self[.egress] = String(record.egressInterface)
        self[.sourceAS] = String(record.bgpSourceAsNumber)
        self[.destinationAS] = String(record.bgpDestinationAsNumber)
        self[.sourcePrefix] = String(record.sourceIPPrefixLength)
        self[.destinationPrefix] = String(record.destinationIPPrefixLength)
        self[.nextHop] = record.ipNextHopAddress.description
        self[.vlan] = String(record.vlanId)
        self[.direction] = String(record.flowDirection)
        // Of templated records the rate is mostly options', which the analyser shows where they stand.
        let isTemplated = exportProtocol == .netflow9 || exportProtocol == .ipfix
        self[.sampling] = isTemplated ? "0" : String(Int(record.samplingInterval))
        guard exportProtocol == .sflow5 || exportProtocol == .sflow4 else { return }
        for field in Self.notOfSamples { self[field] = "0" }
    }
    func differences(from other: ComparedRecord) -> [Field] { Field.allCases.filter { self[$0] != other[$0] } }
}

/// One way in which the two sides differ.
enum Difference: Hashable, CustomStringConvertible {
    /// The analyser shows a record that the decoder doesn't make.
    case missing
    /// The decoder makes a record that the analyser doesn't show.
    case extra
    /// Both have the record, with another value in this field.
    case field(ComparedRecord.Field)

    var description: String {
        switch self {
        case .missing: "missing"
        case .extra: "extra"
        case .field(let field): "field \(field)"
        }
    }
}

struct Finding: CustomStringConvertible {
    let frame: Int
    let difference: Difference
    let ours: ComparedRecord?, theirs: ComparedRecord?

    var description: String {
        let (ours, theirs) = (ours.map { "\($0)" } ?? "-", theirs.map { "\($0)" } ?? "-")
        return "frame \(frame), \(difference):\n    ours   \(ours)\n    theirs \(theirs)"
    }
}

/// Compares the records of one datagram. Equal ones cancel out, in whatever order; of the rest those that have most in
/// common are taken for the same record.
func compare(ours: [ComparedRecord], theirs: [ComparedRecord], frame: Int) -> [Finding] {
    var restOfOurs = ours, restOfTheirs: [ComparedRecord] = []
    for record in theirs {
        if let index = restOfOurs.firstIndex(of: record) {
            restOfOurs.remove(at: index)
        } else {
            restOfTheirs.append(record)
        }
    }
    var findings: [Finding] = []
    for record in restOfTheirs {
        let counts = restOfOurs.map { $0.differences(from: record).count }
        guard let least = counts.min(), least <= 8, let index = counts.firstIndex(of: least) else {
            findings.append(Finding(frame: frame, difference: .missing, ours: nil, theirs: record))
            continue
        }
        let own = restOfOurs.remove(at: index)
        findings += own.differences(from: record).map {
            Finding(frame: frame, difference: .field($0), ours: own, theirs: record)
        }
    }
    return findings + restOfOurs.map { Finding(frame: frame, difference: .extra, ours: $0, theirs: nil) }
}
