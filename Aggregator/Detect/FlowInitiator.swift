/// Which end of a record opened the conversation, for folds of other modules: as the detectors here tell it.
package import FlowModel

package enum FlowInitiator: Sendable {
    case source, destination, unknown

    /// - Parameter row: must be below `columns.count`.
    package init(_ columns: borrowing FlowColumns, row: Int) {
        switch FlowSight(columns, row: row).initiator {
        case .source: self = .source
        case .destination: self = .destination
        case .unknown: self = .unknown
        }
    }
}
