package import FlowModel
package import Identity

/// What is summed by time beside the records, and kept longer than they are.
package enum RollupKind: UInt8, CaseIterable, Hashable, Sendable {
    /// Transport protocol and the server's port.
    case service = 1
    /// Both addresses, the smaller one first.
    case hostPair = 2
    case sourceAS = 3, destinationAS = 4
    /// An exporter's interface (ifIndex) on which traffic came in, or went out.
    case ingressInterface = 5, egressInterface = 6
    /// Only where an enricher tells addresses' countries.
    case sourceCountry = 7, destinationCountry = 8
}

package enum RollupPeriod: Int64, CaseIterable, Hashable, Sendable {
    /// Milliseconds.
    case minute = 60_000, hour = 3_600_000, day = 86_400_000
}

/// By what a rollup's entry is known. Which case it is follows from the kind.
package enum RollupKey: Hashable, Sendable {
    case service(protocolIdentifier: UInt8, port: UInt16)
    case hosts(IPAddress, IPAddress)
    case asNumber(UInt32)
    case interface(ExporterKey, index: UInt32)
    /// ISO 3166-1 alpha-2, two ASCII letters: "CH" is 0x4348.
    case country(UInt16)
}

/// The sums of one period.
package struct RollupBucket: Equatable, Sendable {
    /// When it begins, ms since 1970 UTC: a multiple of the period.
    package var start: Int64
    /// Exact where no key of the bucket was left out, else at least what is said: the rest is in `other`.
    package var entries: [RollupKey: Tally] = [:]
    /// What of the bucket's records is in no entry. `entries` and `other` together are exact.
    package var other = Tally()

    package init(start: Int64) { self.start = start }
}

package struct RollupQuestion: Hashable, Sendable {
    package var tenant: TenantID
    package var kind: RollupKind
    package var period: RollupPeriod
    /// Buckets that begin in [from, to), ms since 1970 UTC.
    package var from: Int64
    package var to: Int64

    package init(tenant: TenantID, kind: RollupKind, period: RollupPeriod, from: Int64, to: Int64) {
        self.tenant = tenant
        self.kind = kind
        self.period = period
        self.from = from
        self.to = to
    }
}

package struct RollupAnswer: Sendable {
    /// Rising by start; those without traffic are not there.
    package var buckets: [RollupBucket] = []
    /// Segments with records that can belong to the question and are in no bucket: read them and add them, by
    /// `TimeShare`.
    package var unsummed: [Segment] = []
    /// Rollups that could not be read: what they sum is missing.
    package var damaged = 0

    package init(buckets: [RollupBucket] = [], unsummed: [Segment] = []) {
        self.buckets = buckets
        self.unsummed = unsummed
    }
}
