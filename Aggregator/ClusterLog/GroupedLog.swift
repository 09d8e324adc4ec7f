package import FlowLog
package import Identity

/// Which group a shard is in: FNV-1a of the tenant and its bucket. Never changes: a batch's key is known by the stream
/// of its group.
package func groupOf(_ tenant: TenantID, bucket: Int = 0, groups: Int) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for octet in "\(tenant)/\(bucket)".utf8 { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
    // The lower bits of one octet's difference alone would leave groups empty.
    return Int((hash ^ hash >> 32) % UInt64(groups))
}

/// Takes any batch, into the log of its group.
package struct GroupedLog: BatchSink {
    package let logs: [JetStreamFlowLog]
    /// - Parameter logs: of all groups, in their order; at least one.
    package init(_ logs: [JetStreamFlowLog]) { self.logs = logs }

    package func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult {
        try await logs[groupOf(batch.sensor.tenant, groups: logs.count)].append(batch)
    }
}
