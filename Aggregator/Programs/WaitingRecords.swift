/// The records of one mark that wait for their program: as columns, which share the memory of whoever offered them, or
/// encoded.
internal import FlowModel

struct WaitingRecords: Sendable {
    let mark: Int64
    /// Of what waits, more or less: what the cap of `ProgramRunner` counts.
    let octets: Int
    let columns: FlowColumns?
    private var batches: ArraySlice<ProgramBatch>
    /// The first row that no batch was made of.
    private var row = 0

    /// Of a row of columns.
    static let rowOctets = 200

    init(_ columns: FlowColumns, mark: Int64) {
        (self.mark, self.columns, batches) = (mark, columns, [])
        octets = columns.count * Self.rowOctets
    }
    /// Nil without batches.
    init?(_ batches: [ProgramBatch]) {
        guard let first = batches.first else { return nil }
        (mark, columns, self.batches) = (first.mark, nil, batches[...])
        octets = batches.reduce(0) { $0 + $1.octets.count }
    }

    /// The next batch; nil when there is none, or nobody knows yet what the program wants.
    mutating func next(_ subscription: ProgramSubscription?) -> ProgramBatch? {
        guard let columns else { return batches.popFirst() }
        guard let subscription, row <= columns.count else { return nil }
        let (batch, next) = subscription.batch(of: columns, from: row, mark: mark)
        row = next ?? columns.count + 1
        return batch
    }
    /// What is told of it when it is lost as a whole.
    var placeholder: ProgramBatch {
        let records = columns.map { max($0.count - row, 0) } ?? batches.reduce(0) { $0 + $1.records }
        return ProgramBatch(mark: mark, records: records)
    }
}
