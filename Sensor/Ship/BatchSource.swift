package import Delivery

/// A sealed batch that waits in the spool.
package struct WaitingBatch: Hashable, Sendable {
    package let key: BatchKey
    package let digest: BatchDigest
    package let byteCount: Int

    package init(key: BatchKey, digest: BatchDigest, byteCount: Int) {
        self.key = key
        self.digest = digest
        self.byteCount = byteCount
    }
}

/// What shipping needs of a spool. Called from the shipper's thread only.
package protocol BatchSource: Sendable {
    /// Unsent batches, oldest first, without those in `excluding`.
    func waiting(limit: Int, excluding: Set<BatchKey>) throws -> [WaitingBatch]
    /// The sealed bytes; nil when the batch is gone.
    func body(of key: BatchKey) throws -> [UInt8]?
    /// An aggregator has these durably: they may be deleted.
    func acknowledge(_ keys: [BatchKey]) throws
    /// No aggregator will take this: it is kept aside with the reason.
    func deadLetter(_ key: BatchKey, reason: String) throws
    /// An aggregator has lost what it answered at or after this time (ms since 1970 UTC by this sensor's clock): what
    /// is still there of that waits again.
    /// - Returns: how many batches.
    func reship(sinceMilliseconds: Int64) throws -> Int
    /// Why these batches must not be shipped with the certificate of this URI name; nil: they may.
    func refusal(of uriName: String?) -> String?
}

extension BatchSource {
    /// For a source that keeps nothing that was answered.
    package func reship(sinceMilliseconds: Int64) throws -> Int { 0 }
    /// For a source that is nobody's.
    package func refusal(of uriName: String?) -> String? { nil }
}
