internal import BatchFormat
internal import FlowModel
internal import Identity
internal import QueryEngine

/// What a question does with the blocks that it is shown.
protocol BlockConsumer {
    /// What must be decoded before `select`.
    var selectFields: FieldSet { get }
    /// What must be decoded before `add`.
    var fields: FieldSet { get }
    /// Blocks whose flows all ended before are of no use; nil: all are.
    var floor: Int64? { get }
    /// Which of the rows that match are worth more columns.
    func select(_ rows: [Int32], of block: RowBlock) -> [Int32]
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError)
    /// The end of a row that decides by itself, with the counters, what the row adds; nil when more does. Then
    /// segments' rows come as sums by endpoint instead.
    var endpoint: BlockAddress? { get }
    mutating func add(_ sums: EndpointSums, _ addresses: EndpointAddresses) throws(EngineError)
    /// Whether it looks at whole records, not only at columns of `fields`.
    var usesRecords: Bool { get }
    /// Whether it may have enough before the last segment.
    var endsEarly: Bool { get }
    /// Whether rows can be worth something, given which addresses can occur: `may` is a Bloom filter's answer.
    func canMatch(_ may: (IPNetwork) -> Bool) -> Bool
}

extension BlockConsumer {
    var selectFields: FieldSet { [] }
    var floor: Int64? { nil }
    func select(_ rows: [Int32], of block: RowBlock) -> [Int32] { rows }
    func canMatch(_ may: (IPNetwork) -> Bool) -> Bool { true }
    var endpoint: BlockAddress? { nil }
    var usesRecords: Bool { false }
    var endsEarly: Bool { false }
    mutating func add(_ sums: EndpointSums, _ addresses: EndpointAddresses) throws(EngineError) {}
}

struct TopConsumer: BlockConsumer {
    var sums: GroupSums
    var fields: FieldSet { sums.fields }
    var endpoint: BlockAddress? { sums.endpoint }
    mutating func add(_ sums: EndpointSums, _ addresses: EndpointAddresses) throws(EngineError) {
        try self.sums.add(sums, addresses)
    }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        try sums.add(block, rows: rows)
    }
}

struct SeriesConsumer: BlockConsumer {
    var sums: SeriesSums
    var fields: FieldSet { sums.fields }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        try sums.add(block, rows: rows)
    }
}

struct ConversationConsumer: BlockConsumer {
    var sums: ConversationSums
    var fields: FieldSet { sums.fields }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        try sums.add(block, rows: rows)
    }
}

struct DistinctConsumer: BlockConsumer {
    var keys: DistinctKeys
    var groups: DistinctByGroup?
    var fields: FieldSet { keys.fields.union(groups?.fields ?? []) }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        keys.add(block, rows: rows)
        try groups?.add(block, rows: rows)
    }
}

struct NewestConsumer: BlockConsumer {
    var newest: NewestRecords
    var selectFields: FieldSet { .flowEndMilliseconds }
    var fields: FieldSet { .all }
    var usesRecords: Bool { true }
    var endsEarly: Bool { true }
    var floor: Int64? { newest.floor?.flowEndMilliseconds }
    func select(_ rows: [Int32], of block: RowBlock) -> [Int32] { newest.useful(rows, of: block) }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        newest.add(rows, of: block)
    }
}

struct HuntConsumer: BlockConsumer {
    var hunt: IndicatorHunt
    var selectFields: FieldSet { IndicatorHunt.addressFields }
    var fields: FieldSet { IndicatorHunt.fields.union(.flags) }
    var usesRecords: Bool { true }
    func select(_ rows: [Int32], of block: RowBlock) -> [Int32] { hunt.meetings(rows, of: block) }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        hunt.add(rows, of: block)
    }
    func canMatch(_ may: (IPNetwork) -> Bool) -> Bool { hunt.indicators.networks.contains(where: may) }
}

/// Hands matching rows on, block by block.
struct StreamConsumer: BlockConsumer {
    var fields: FieldSet { .all }
    var usesRecords: Bool { true }
    /// Rows that wait to be handed on, copied out of their blocks.
    var found: [(columns: FlowColumns, sensors: [SensorIdentity])] = []
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        found.append(block.taking(rows))
    }
}
