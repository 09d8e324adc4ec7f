package import FlowModel

/// Which of the elements that no column holds are kept beside a record (`FlowColumns.extras`).
package enum ExtraSelection: Sendable, Equatable {
    case all, none
    case only(Set<ElementKey>)

    func includes(_ element: ElementKey) -> Bool {
        switch self {
        case .all: true
        case .none: false
        case .only(let chosen): chosen.contains(element)
        }
    }
}
