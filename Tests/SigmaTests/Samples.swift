import Detect
import FlowModel
import Identity
import Sigma
import Testing

/// Records and rules for the tests.
enum Sample {
    /// 2026-03-01T12:00:00Z, a Sunday.
    static let noon: Int64 = 1_772_366_400_000

    static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    static func record(
        _ source: String = "10.0.0.7", _ sourcePort: UInt16 = 50_000, to destination: String = "192.0.2.5",
        _ destinationPort: UInt16 = 443, transport: UInt8 = IPProtocol.tcp, bits: UInt16 = 0, octets: UInt64 = 600,
        packets: UInt64 = 5, at start: Int64 = noon, lasting: Int64 = 0, flags: RecordFlags = []
    ) throws -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.sourceTransportPort) = (try address(source), sourcePort)
        (record.destinationIPAddress, record.destinationTransportPort) = (try address(destination), destinationPort)
        (record.protocolIdentifier, record.tcpControlBits) = (transport, bits)
        (record.packetDeltaCount, record.octetDeltaCount) = (packets, octets)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (start, start + lasting)
        record.receiveMilliseconds = start + lasting + 1_000
        record.flags = flags
        return record
    }

    /// Between the usual two hosts.
    static func record(
        _ sourcePort: UInt16, _ destinationPort: UInt16, transport: UInt8 = IPProtocol.tcp, at start: Int64 = noon
    ) throws -> FlowRecord {
        try record("10.0.0.7", sourcePort, to: "192.0.2.5", destinationPort, transport: transport, at: start)
    }

    static func columns(_ records: [FlowRecord]) -> FlowColumns {
        var columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 0xC0A8_0101), observationDomain: 0, exportProtocol: .ipfix)
        let exporter = columns.intern(key) ?? 0
        for var record in records {
            record.exporter = exporter
            columns.append(record)
        }
        return columns
    }

    /// A rule of `detection`'s lines on a log source.
    static func text(
        _ detection: String, logsource: String = "category: firewall", title: String = "a rule", more: String = ""
    ) -> String {
        let lines = detection.split(separator: "\n", omittingEmptySubsequences: false).map { "    \($0)" }
        return "title: \(title)\n\(more)logsource:\n    \(logsource)\ndetection:\n"
            + lines.joined(separator: "\n") + "\n"
    }

    static func rule(_ text: String) throws -> SigmaRule {
        let parse = SigmaParse(text)
        try #require(parse.refusals.isEmpty, "\(parse.refusals)")
        guard case .rule(let rule) = try #require(parse.documents.first) else {
            throw SigmaSampleError.noRule
        }
        return rule
    }
    static func compiled(_ detection: String, logsource: String = "category: firewall") throws -> CompiledSigmaRule {
        try SigmaCompiler().compile(rule(text(detection, logsource: logsource)))
    }
    /// Whether one search's items match a record.
    static func matches(
        _ items: String, _ record: FlowRecord, logsource: String = "category: firewall"
    ) throws -> Bool {
        let indented = items.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
        let rule = try compiled("s:\n\(indented)\ncondition: s", logsource: logsource)
        return rule.matches(columns([record]), row: 0)
    }
    /// All reasons for which a text is not used.
    static func issues(_ text: String) -> [SigmaIssue] {
        let parse = SigmaParse(text)
        return (parse.refusals + SigmaRuleSet(parse.documents).refusals).flatMap(\.issues)
    }

    static func tenant(_ name: String = "acme") throws -> TenantID { try #require(TenantID(name)) }
    static func fold(_ text: String, _ parameters: SigmaParameters = .init()) throws -> SigmaFold {
        let parse = SigmaParse(text)
        try #require(parse.refusals.isEmpty, "\(parse.refusals)")
        let set = SigmaRuleSet(parse.documents)
        try #require(set.refusals.isEmpty, "\(set.refusals)")
        return SigmaFold(tenant: try tenant(), rules: set, parameters: parameters)
    }
}

enum SigmaSampleError: Error { case noRule }
