import Detect
import FlowModel
import Identity
import Sigma

enum SigmaTarget {
    /// The input is the text of rules. What is read is written and read again; what compiles is asked of some records,
    /// together and each rule alone.
    static func run(_ input: [UInt8]) throws(Violation) {
        guard input.count <= 16_384 else { return }
        let parse = SigmaParse(String(decoding: input, as: UTF8.self))
        for refusal in parse.refusals {
            try hold(!refusal.issues.isEmpty, "\(refusal.title) is refused for nothing")
            try hold(
                refusal.issues.allSatisfy { $0.line >= 1 && !$0.reason.isEmpty }, "a reason without place or words")
        }
        for document in parse.documents {
            let again = SigmaParse(document.yaml)
            try hold(again.documents == [document], "written otherwise: \(document.yaml)")
        }
        let set = SigmaRuleSet(parse.documents)
        try hold(
            set.rules.count + set.correlations.count + set.filters.count + set.refusals.count == parse.documents.count,
            "a document is neither taken nor refused")
        try match(set)
        try fold(set)
    }

    private static func match(_ set: SigmaRuleSet) throws(Violation) {
        var found: [SigmaMatch] = [], alone: [SigmaMatch] = []
        SigmaMatcher(set.rules).match(records, rows: records.rows, into: &found)
        for row in records.rows {
            for (number, rule) in set.rules.enumerated() where rule.matches(records, row: row) {
                alone.append(SigmaMatch(row: Int32(row), rule: Int32(number)))
            }
        }
        try hold(found == alone, "the index finds \(found.count) matches, the rules \(alone.count)")
    }

    private static func fold(_ set: SigmaRuleSet) throws(Violation) {
        guard let tenant = TenantID("fuzz") else { return }
        var fold = SigmaFold(tenant: tenant, rules: set)
        var said = fold.observe(records)
        let copy = try? SigmaFold(restoring: fold.snapshot(), tenant: tenant, rules: set)
        guard var copy else { throw Violation(description: "a snapshot is refused") }
        let rest = fold.finish()
        try hold(rest == copy.finish(), "a snapshot says other findings")
        said += rest
        for finding in said { try hold(finding.start <= finding.end, "\(finding.title) ends before it starts") }
    }

    /// Of each kind some: both families, transports with and without ports, both directions, refused, without times.
    private static let records: FlowColumns = {
        var columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 1, exportProtocol: .ipfix)
        let exporter = columns.intern(key) ?? 0
        let hosts = [
            IPAddress(v4: 0x0A00_0001), IPAddress(v4: 0xCB00_7109), IPAddress(high: 0x2001_0DB8 << 32, low: 7), .absent,
        ]
        let ports: [UInt16] = [22, 443, 50_000, 0]
        for number in 0..<64 {
            var record = FlowRecord()
            record.exporter = exporter
            record.sourceIPAddress = hosts[number % 4]
            record.destinationIPAddress = hosts[number / 4 % 4]
            record.sourceTransportPort = ports[number / 2 % 4]
            record.destinationTransportPort = ports[number / 8 % 4]
            record.protocolIdentifier = [6, 17, 1][number % 3]
            record.tcpControlBits = UInt16(number % 32)
            record.octetDeltaCount = number == 63 ? .max : UInt64(number * 100)
            record.packetDeltaCount = UInt64(number % 5)
            record.flowStartMilliseconds = number % 7 == 0 ? 0 : 1_772_366_400_000 + Int64(number) * 20_000
            record.flowEndMilliseconds = record.flowStartMilliseconds + Int64(number % 11) * 500
            record.receiveMilliseconds = 1_772_366_400_000 + Int64(number) * 20_000
            if number % 9 == 0 { record.flags = .denied }
            columns.append(record)
        }
        return columns
    }()
}
