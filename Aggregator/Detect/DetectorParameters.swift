/// Every limit of every detector, with its unit and its default. The handbook's page "Detectors" says how they were
/// chosen. Two nodes that detect for one tenant must use the same ones: a snapshot of others is refused.
package struct DetectorParameters: Equatable, Sendable {
    /// Failed first contacts with distinct ports of one host, less the successful ones, that make a vertical scan over
    /// TCP.
    package var scanPortsMin = 8
    /// The same with distinct hosts on one port: a horizontal scan over TCP.
    package var scanHostsMin = 8
    /// The same on ports of the web, where clients meet dead hosts in everyday use (80, 443, 8080, 8443).
    package var scanWebHostsMin = 24
    /// The same for UDP, for ICMP echo, and for TCP records without control bits: weaker signs.
    package var scanWeakMin = 32
    /// Over how much event time contacts are counted together, in ms; also the width of a finding's window.
    package var scanWindowMilliseconds: Int64 = 4 * 3_600_000

    /// Completed connections of like size from one source to one login service that make password guessing.
    package var guessSessionsMin = 10
    /// The same on services that programs use all day (databases and mail).
    package var guessBusySessionsMin = 30
    /// Within how much event time, in ms.
    package var guessSpanMilliseconds: Int64 = 300_000
    /// Standard deviation of the sessions' octets over their mean, at most: guesses are alike, work is not.
    package var guessVariationMax = 0.25
    /// Width of a finding's window, in ms.
    package var guessWindowMilliseconds: Int64 = 3_600_000

    /// To one host, averaged over one bucket: UDP (but QUIC), ICMP, TCP without ACK and everything else.
    package var floodPacketsPerSecond = 20_000.0, floodBitsPerSecond = 200e6
    /// The same for what looks like conversations: TCP with ACK, and UDP from port 443.
    package var conversationPacketsPerSecond = 100_000.0, conversationBitsPerSecond = 1e9
    /// The same for packets that carry no work at all: TCP SYN without ACK, ICMP, and protocols other than TCP and
    /// UDP, when smaller than `floodSmallPacketOctets` on average.
    package var emptyPacketsPerSecond = 2_000.0
    package var floodSmallPacketOctets = 160.0
    /// Over how much event time a rate is averaged, in ms.
    package var floodBucketMilliseconds: Int64 = 5_000
    /// Counters of a record are spread over at most this much of its end, in ms, at its own rate.
    package var floodSpreadMaxMilliseconds: Int64 = 600_000
    /// Over how much time before the export a record without times of its own is spread, in ms.
    package var floodUntimedMilliseconds: Int64 = 60_000
    /// Width of a finding's window, in ms.
    package var floodWindowMilliseconds: Int64 = 600_000

    /// Distinct sources that answer one host from an amplifying port without having been asked.
    package var reflectionSourcesMin = 100
    /// There must be this many of them for each source that was asked.
    package var reflectionUnaskedRatio = 20
    /// Within how much event time they are counted, in ms; also the width of a finding's window.
    package var reflectionWindowMilliseconds: Int64 = 60_000

    /// Entries in each detector's table; of more, those go that were not touched lately.
    package var tableEntriesMax = 100_000
    /// Distinct ports, hosts, sessions or sources kept in one entry; more are not told apart.
    package var itemsPerEntryMax = 4_096
    /// The same over all entries of one table, together.
    package var itemsMax = 1_000_000
    /// A running attack is said again when it has doubled, and else at most this often, in ms of receive time.
    package var updatePaceMilliseconds: Int64 = 60_000

    package init() {}

    /// Of every value here: what a snapshot must agree on.
    var fingerprint: UInt64 { StableHash.of("\(self)") }
}
