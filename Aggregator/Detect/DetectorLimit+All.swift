/// The limits there are, with what each may be. The upper ends are what detectors can tell apart, or what no network
/// reaches; the lower ones where a limit says nothing any more.
extension DetectorLimit {
    private static let hour: Int64 = 3_600, day: Int64 = 86_400

    static let scans: [DetectorLimit] = [
        .count("scanPortsMin", \.scanPortsMin, 2...4_096, ["port-scan", "summed-scan"]),
        .count("scanHostsMin", \.scanHostsMin, 2...4_096, ["port-scan"]),
        .count("scanWebHostsMin", \.scanWebHostsMin, 2...4_096, ["port-scan", "summed-scan"]),
        .count("scanWeakMin", \.scanWeakMin, 2...2_048, ["port-scan", "summed-scan"]),
        .time(
            "scanWindow", \.scanWindowMilliseconds, 60...day, ["port-scan", "summed-scan", "distributed-scan"],
            isShape: true),
        .count("distributedPortsMin", \.distributedPortsMin, 2...4_096, ["distributed-scan"]),
        .count("distributedSourcesMin", \.distributedSourcesMin, 2...HostSums.hostsMax, ["distributed-scan"]),
    ]

    static let guesses: [DetectorLimit] = [
        .count("guessSessionsMin", \.guessSessionsMin, 2...4_096, ["password-guessing", "spread-guessing"]),
        .count("guessBusySessionsMin", \.guessBusySessionsMin, 2...4_096, ["password-guessing"]),
        .time("guessSpan", \.guessSpanMilliseconds, 1...hour, ["password-guessing", "spread-guessing"]),
        .number("guessVariationMax", \.guessVariationMax, 0.01...1, ["password-guessing", "spread-guessing"]),
        .time("guessWindow", \.guessWindowMilliseconds, hour...day, ["password-guessing"], isShape: true),
        .count("guessSourcesMin", \.guessSourcesMin, 2...4_096, ["spread-guessing"]),
        .count(
            "guessSlowSessionsMin", \.guessSlowSessionsMin, 2...SpreadGuessingDetector.sessionsMax,
            ["spread-guessing"]),
    ]

    static let floods: [DetectorLimit] = [
        .number("floodPacketsPerSecond", \.floodPacketsPerSecond, 100...1e10, ["flood"]),
        .number("floodBitsPerSecond", \.floodBitsPerSecond, 1e5...1e13, ["flood"]),
        .number("conversationPacketsPerSecond", \.conversationPacketsPerSecond, 100...1e10, ["flood"]),
        .number("conversationBitsPerSecond", \.conversationBitsPerSecond, 1e5...1e13, ["flood"]),
        .number("emptyPacketsPerSecond", \.emptyPacketsPerSecond, 100...1e10, ["flood"]),
        .number("floodSmallPacketOctets", \.floodSmallPacketOctets, 40...65_535, ["flood"]),
        .time("floodBucket", \.floodBucketMilliseconds, 1...60, ["flood", "carpet-bombing"], isShape: true),
        .time("floodSpreadMax", \.floodSpreadMaxMilliseconds, 1...hour, ["flood", "carpet-bombing"]),
        .time("floodUntimed", \.floodUntimedMilliseconds, 1...hour, ["flood", "carpet-bombing"]),
        .time("floodWindow", \.floodWindowMilliseconds, 60...hour, ["flood", "carpet-bombing"], isShape: true),
        .count("reflectionSourcesMin", \.reflectionSourcesMin, 2...4_096, ["reflection-flood"]),
        .count("reflectionUnaskedRatio", \.reflectionUnaskedRatio, 1...1_000, ["reflection-flood"]),
        .time("reflectionWindow", \.reflectionWindowMilliseconds, 1...hour, ["reflection-flood"], isShape: true),
        .count("carpetHostsMin", \.carpetHostsMin, 2...64, ["carpet-bombing"]),
        .number("carpetShareMax", \.carpetShareMax, 0.01...1, ["carpet-bombing"]),
        .number("carpetPacketsPerSecond", \.carpetPacketsPerSecond, 100...1e10, ["carpet-bombing"]),
        .number("carpetEmptyPacketsPerSecond", \.carpetEmptyPacketsPerSecond, 100...1e10, ["carpet-bombing"]),
        .number("carpetBitsPerSecond", \.carpetBitsPerSecond, 1e5...1e13, ["carpet-bombing"]),
        .number("carpetOneWayFactor", \.carpetOneWayFactor, 0...1_000, ["carpet-bombing"]),
    ]

    /// A quiet host's limit is at least a quarter of everybody's, as less is not measured (`CarpetGate`).
    static let usual: [DetectorLimit] = [
        .count("floodUsual.days", \.floodUsual.days, 1...7, ["flood", "carpet-bombing"]),
        .number("floodUsual.factor", \.floodUsual.factor, 1...100, ["flood", "carpet-bombing"]),
        .number("floodUsual.raiseMax", \.floodUsual.raiseMax, 1...1_000, ["flood", "carpet-bombing"]),
        .number("floodUsual.quietFactor", \.floodUsual.quietFactor, 1...1_000, ["flood", "carpet-bombing"]),
        .number("floodUsual.quietShare", \.floodUsual.quietShare, 0.25...1, ["flood", "carpet-bombing"]),
        .count("floodUsual.sourcesMin", \.floodUsual.sourcesMin, 1...4_096, ["flood"]),
        .number("floodUsual.seenMin", \.floodUsual.seenMin, 1...1e6, ["flood", "carpet-bombing"]),
    ]

    static let lasting: [DetectorLimit] = [
        .count("beaconCallsMin", \.beaconCallsMin, 4...BeaconEntry.callsMax, ["beacon"]),
        .number("beaconScoreMin", \.beaconScoreMin, 0.1...1, ["beacon"]),
        .number("beaconJitterMax", \.beaconJitterMax, 0.01...1, ["beacon"]),
        .count("beaconHostsMax", \.beaconHostsMax, 1...(Callers.hostsMax - 1), ["beacon"]),
        .count("tunnelQueriesMin", \.tunnelQueriesMin, 10...1_000_000, ["dns-tunnel"]),
        .number("tunnelQueryOctets", \.tunnelQueryOctets, 20...1_500, ["dns-tunnel"]),
        .number("tunnelOnePortQueryOctets", \.tunnelOnePortQueryOctets, 20...1_500, ["dns-tunnel"]),
        .time("tunnelWindow", \.tunnelWindowMilliseconds, 60...hour, ["dns-tunnel"], isShape: true),
        .time("longConnection", \.longConnectionMilliseconds, 600...30 * day, ["long-connection"]),
        .time("longService", \.longServiceMilliseconds, 600...30 * day, ["long-connection"]),
        .time("longGap", \.longGapMilliseconds, 10...hour, ["long-connection"]),
        .number("exfiltrationOctetsMin", \.exfiltrationOctetsMin, 1e6...1e15, ["exfiltration"]),
        .number("exfiltrationUnlearnedOctetsMin", \.exfiltrationUnlearnedOctetsMin, 1e6...1e15, ["exfiltration"]),
        .number("exfiltrationRatioMin", \.exfiltrationRatioMin, 1...1_000, ["exfiltration"]),
        .number("exfiltrationUsualFactor", \.exfiltrationUsualFactor, 1...1_000, ["exfiltration"]),
        .count("exfiltrationHoursMin", \.exfiltrationHoursMin, 1...168, ["exfiltration"]),
        .count("lateralHostsMin", \.lateralHostsMin, 2...LateralMovementDetector.peersMax, ["lateral-movement"]),
    ]

    static let places: [DetectorLimit] = [
        .time("newPlaceLearning", \.newPlaceLearningMilliseconds, hour...90 * day, ["new-place"]),
        .count("newCountriesMax", \.newCountriesMax, 1...250, ["new-place"]),
        .count("newSystemsMax", \.newSystemsMax, 1...128, ["new-place"]),
        .count("newNetworksMax", \.newNetworksMax, 1...128, ["new-place"]),
        .count("newPlaceCallersMax", \.newPlaceCallersMax, 1...(Callers.hostsMax - 1), ["new-place"]),
        .time("rogueLearning", \.rogueLearningMilliseconds, 600...90 * day, ["rogue-service"]),
        .time("silence", \.silenceMilliseconds, 60...30 * day, ["exporter-silence"]),
        .factor("silencePausesMin", \.silencePausesMin, 1...1_000, ["exporter-silence"]),
    ]

    /// Memory: see "What all of them share" in the handbook.
    static let tables: [DetectorLimit] = [
        .count("tableEntriesMax", \.tableEntriesMax, 1_000...4_000_000, isShape: true),
        .count("itemsPerEntryMax", \.itemsPerEntryMax, 4_096...65_536, isShape: true),
        .count("itemsMax", \.itemsMax, 10_000...64_000_000, isShape: true),
        .time("lateness", \.latenessMilliseconds, 60...30 * day),
        .time("updatePace", \.updatePaceMilliseconds, 1...day),
    ]
}
