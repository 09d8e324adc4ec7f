internal import FlowModel

/// What the rows of a batch share, by number, as the batch itself has it: for who would otherwise find out anew, row by
/// row, which rows have the same ends.
///
/// Invariants: `places` has a word for each row, below twice `conversationCount`; the other lists of conversations have
/// two words each, first what its first row has at its source, then at its destination; `ends` are below
/// `endpointCount`. So of a row with place p the source is `ends[p]` and the destination `ends[p ^ 1]`.
package struct BatchSharing: Sendable {
    /// One a row: its conversation's number << 1 | 1 if it goes the other way than the conversation's first row.
    package internal(set) var places: [UInt32] = []
    package internal(set) var conversationCount = 0, endpointCount = 0
    /// Two a conversation: numbers of endpoints, ports, and the interfaces that its first row came in and went out by.
    package internal(set) var ends: [UInt32] = [], ports: [UInt32] = [], interfaces: [UInt32] = []
    /// One a conversation.
    package internal(set) var protocols: [UInt8] = []
    /// One an endpoint: both halves of its address, its AS number and prefix length.
    package internal(set) var highs: [UInt64] = [], lows: [UInt64] = []
    package internal(set) var asNumbers: [UInt32] = [], lengths: [UInt8] = []

    package init() {}
}

extension FieldSet {
    /// What `BatchSharing` has, so that no column needs it.
    static let shared: FieldSet = [.endpoints, .protocolIdentifier, .ports]
}

extension BatchHead {
    /// Whether all that rows can share is by conversation.
    var isShared: Bool {
        column(.turns) != nil
            && !columns.contains {
                $0.encoding == .values && $0.id.isColumn && FieldSet.byConversation.holds($0.id)
            }
    }
}
