internal import Foundation
internal import Identity

/// The aggregator's first line.
struct HostLine: Encodable {
    struct Limits: Encodable {
        let lineOctetsMax = ProgramLimit.lineOctetsMax
        let answersPerBatchMax: Int
        let batchDeadlineMilliseconds: Int64
        let batchRecordsMax = ProgramLimit.batchRecordsMax
        let stateOctetsMax = ProgramLimit.stateOctetsMax
    }
    let protocols = [ProgramLimit.protocolVersion]
    let software: String
    let tenant: String
    let limits: Limits
    let state: String?

    init(_ program: ProgramDescription, software: String, state: String?) {
        self.software = software
        tenant = program.tenant.rawValue
        let (seconds, attoseconds) = program.batchDeadline.components
        limits = Limits(
            answersPerBatchMax: ProgramLimit.answersPerBatchMax(program.kind),
            batchDeadlineMilliseconds: seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
        self.state = state
    }

    /// Its JSON and a line feed.
    var octets: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Text and numbers can always be encoded. The type comes first for those who take lines apart by hand.
        let members = (try? encoder.encode(self)).map { Array($0).dropFirst() } ?? [UInt8(ascii: "}")]
        return Array("{\"type\":\"host\",".utf8) + members + [UInt8(ascii: "\n")]
    }
}
