/// Who opened a conversation, where the exporter says so: biflowDirection (element 239, RFC 5103 §6.3). It saw the
/// first packets, so its word counts before flags and ports. The sensor has turned it around for the other side's
/// record.
import FlowModel

struct StatedInitiator {
    private static let element = ElementKey(id: 239)
    /// Some record of the columns may say so: most exporters' never do, and cost nothing more.
    private let isThere: Bool

    init(_ columns: borrowing FlowColumns) {
        isThere = columns.extras.shapes.contains { fields in fields.contains { $0.element == Self.element } }
    }

    /// Arbitrary directions and those of a perimeter say nothing about who began.
    @inline(__always)
    func initiator(_ columns: borrowing FlowColumns, row: Int) -> Initiator {
        guard isThere, columns.extra[row] != 0 else { return .unknown }
        return Self.read(columns, row: row)
    }
    private static func read(_ columns: borrowing FlowColumns, row: Int) -> Initiator {
        switch columns.extras.value(of: element, at: columns.extra[row]) {
        case [1]: .source
        case [2]: .destination
        default: .unknown
        }
    }
}
