package import FlowModel

/// Every limit of every detector, with its unit and its default. The handbook's page "Detectors" says how they were
/// chosen; `DetectorLimit` says what each may be. Two nodes that detect for one tenant must use the same ones.
package struct DetectorParameters: Equatable, Sendable {
    /// The tenant's own networks: what is inside. Empty: private addresses (RFC 1918, 4193 and the like) are, and of
    /// two public ends either may be.
    package var ownNetworks: [IPNetwork] = []

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
    package var guessVariationMax = 0.15
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

    /// Calls of one host to one outside address and port before their rhythm is judged.
    package var beaconCallsMin = 20
    /// The score that makes a beacon: the mean of four, each 0 to 1 (evenness and spread of intervals, of sizes).
    package var beaconScoreMin = 0.85
    /// Median absolute deviation of the intervals over their median, at most: 0.3 bears a jitter of half the interval.
    package var beaconJitterMax = 0.3
    /// An outside address that more of the own hosts speak to is a service of theirs; no more than 12 are counted.
    package var beaconHostsMax = 10

    /// Queries of one host to one server in one window that are looked at.
    package var tunnelQueriesMin = 100
    /// Mean octets of a query's DNS message: of any queries, and of those that come from one client port.
    package var tunnelQueryOctets = 100.0, tunnelOnePortQueryOctets = 60.0
    /// Width of the window, in ms.
    package var tunnelWindowMilliseconds: Int64 = 600_000

    /// How long a TCP connection lasts that is worth telling, in ms: on a port of no service, and to the outside on
    /// ports of services whose connections stay open by design.
    package var longConnectionMilliseconds: Int64 = 3_600_000, longServiceMilliseconds: Int64 = 12 * 3_600_000
    /// Records of one connection are no further apart, in ms.
    package var longGapMilliseconds: Int64 = 300_000

    /// Octets of one inside host to one outside address in one hour, at least: for a host whose usual is known, and
    /// for others.
    package var exfiltrationOctetsMin = 100e6, exfiltrationUnlearnedOctetsMin = 400e6
    /// How many times what came back, and how many times the host's usual hour (its 95th percentile).
    package var exfiltrationRatioMin = 4.0, exfiltrationUsualFactor = 4.0
    /// Hours with uploads before a host's usual is known.
    package var exfiltrationHoursMin = 12

    /// Inside hosts that an inside host had never before opened an administrative session with, within an hour.
    package var lateralHostsMin = 15

    /// Hosts of one network (a /24, or a /64 of IPv6) that a carpet covers, at least, and the share that the most
    /// loaded of them has, at most.
    package var carpetHostsMin = 16, carpetShareMax = 0.25
    /// Together, averaged over one bucket: datagrams, and packets without work in them.
    package var carpetPacketsPerSecond = 20_000.0, carpetEmptyPacketsPerSecond = 10_000.0
    package var carpetBitsPerSecond = 200e6
    /// How many times the packets that the network itself sends in answer.
    package var carpetOneWayFactor = 10.0

    /// Ports of one host that many sources together tried without success, and the sources.
    package var distributedPortsMin = 100, distributedSourcesMin = 16

    /// Outside sources whose sessions with one login service are of like size, in a day.
    package var guessSourcesMin = 20
    /// Sessions of like size of one outside source with one login service, in a day.
    package var guessSlowSessionsMin = 30

    /// How long a host's usual destinations are learned, in ms from its first call.
    package var newPlaceLearningMilliseconds: Int64 = 7 * 86_400_000
    /// Countries, systems and networks that a host is used to, at most, for a new one to be worth telling; and hosts
    /// of the tenant that call the country or the system.
    package var newCountriesMax = 3, newSystemsMax = 6, newNetworksMax = 6, newPlaceCallersMax = 2

    /// How long a tenant's servers are learned, in ms from its first record.
    package var rogueLearningMilliseconds: Int64 = 86_400_000

    /// An exporter is silent after so long, in ms, and after so many times its own usual longest pause.
    package var silenceMilliseconds: Int64 = 900_000, silencePausesMin: Int64 = 4

    /// What must not be.
    package var policies: [PolicyRule] = []

    /// Entries in each detector's table; of more, those go that were not touched lately.
    package var tableEntriesMax = 100_000
    /// Distinct ports, hosts, sessions or sources kept in one entry; more are not told apart.
    package var itemsPerEntryMax = 4_096
    /// The same over all entries of one table, together.
    package var itemsMax = 1_000_000
    /// A running attack is said again when it has doubled, and else at most this often, in ms of receive time.
    package var updatePaceMilliseconds: Int64 = 60_000

    /// What is usual for a host, or a network, beside the limits of floods and carpets above.
    package var floodUsual = FloodUsual()

    /// Rules that say nothing, in the order of letters: their detectors go on learning. What follows `floodUsual` was
    /// added since: see `edition`.
    package var off: [String] = []
    /// A batch that reaches the aggregator so long after its last flow has ended is late, in ms.
    package var latenessMilliseconds: Int64 = 3_600_000

    package init() {}

    /// Whether `address` is of the tenant's own.
    package func isInside(_ address: IPAddress) -> Bool {
        ownNetworks.isEmpty ? address.isPrivate : ownNetworks.contains { $0.contains(address) }
    }
    /// Whether a host that calls the outside may be of the tenant's own: without networks any may.
    func mayBeInside(_ address: IPAddress) -> Bool { ownNetworks.isEmpty || isInside(address) }

    /// Of what detectors' states are cut to: what a snapshot must agree on. With other limits of the rest a state goes
    /// on, as what was learned in weeks must outlive a change of what is said of it.
    var fingerprint: UInt64 {
        StableHash.of("\(shapeText) signs")
    }
    private var shapeText: String {
        let shape = DetectorLimit.all.filter(\.isShape).map { "\($0.name) \(DetectorLimit.text($0.value(in: self)))" }
        return "\(ownNetworks) \(policies) \(shape.joined(separator: " "))"
    }

    /// Which parts a snapshot has that was taken with these parameters, as far as there were such; nil: with others.
    /// What detectors have learned in weeks outlives an update of the program.
    func edition(of fingerprint: UInt64) -> SnapshotEdition? {
        if fingerprint == self.fingerprint { return .signs }
        if fingerprint == StableHash.of(shapeText) { return .usual }
        // Before limits could be set, it was of every value, and all but the tenant's own were the usual ones.
        var before = DetectorParameters()
        (before.ownNetworks, before.policies) = (ownNetworks, policies)
        guard before.fingerprint == self.fingerprint else { return nil }
        var text = "\(before)"
        for (added, edition) in [
            (", off: [], latenessMilliseconds: 3600000)", SnapshotEdition.usual),
            (", floodUsual: \(String(reflecting: FloodUsual())))", .first),
        ] {
            guard text.hasSuffix(added) else { return nil }
            text = "\(text.dropLast(added.count)))"
            if fingerprint == StableHash.of(text) { return edition }
        }
        return nil
    }
}

/// How far a host's own limits of floods lie from everybody's. The handbook's page "Detectors" says how.
package struct FloodUsual: Equatable, Sendable {
    /// Of the seven days before: so many must be known, and what is usual was reached on so many.
    package var days = 3
    /// Limits are so many times what is usual, where that is more than everybody's, and at most so many times these.
    package var factor = 2.0, raiseMax = 10.0
    /// Limits are so many times the largest of the seven days, where that is less than everybody's, and at least this
    /// part of these.
    package var quietFactor = 10.0, quietShare = 0.25
    /// Sources that there must be for a lower limit of anything but datagrams.
    package var sourcesMin = 64
    /// Packets that must really have been seen, where packets are sampled, for a lower limit.
    package var seenMin = 16.0

    package init() {}
}
