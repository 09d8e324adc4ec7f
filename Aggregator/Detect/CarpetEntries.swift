/// The state behind `CarpetBombingDetector`: a bucket is one network in a few seconds, a case its hot buckets in a
/// window.
import FlowModel

/// Packets by host, in the order of addresses; of more hosts than `hostsMax` the rest are left out.
struct HostSums: Sendable {
    private(set) var hosts: [IPAddress] = [], packets: [Double] = []
    static let hostsMax = 256

    var count: Int { hosts.count }
    var most: Double { packets.max() ?? 0 }
    var all: Double { packets.reduce(0, +) }
    /// Hosts with a tenth of an even share at least, those with most packets first: not whom somebody merely asked
    /// something meanwhile.
    var loaded: [IPAddress] {
        let least = all / Double(max(count, 1)) / 10
        return packets.indices.filter { packets[$0] >= least }
            .sorted { (-packets[$0], hosts[$0]) < (-packets[$1], hosts[$1]) }.map { hosts[$0] }
    }

    mutating func add(_ more: Double, to host: IPAddress) {
        var low = 0, high = hosts.count
        while low < high {
            let middle = (low + high) / 2
            if hosts[middle] < host { low = middle + 1 } else { high = middle }
        }
        if low < hosts.count, hosts[low] == host {
            packets[low] += more
        } else if hosts.count < Self.hostsMax {
            hosts.insert(host, at: low)
            packets.insert(more, at: low)
        }
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(hosts.count)
        for (host, packets) in zip(hosts, packets) {
            writer.add(host.high)
            writer.add(host.low)
            writer.add(packets)
        }
    }
    init() {}
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) {
            let host = IPAddress(high: try reader.next(), low: try reader.next())
            if let last = hosts.last, !(last < host) { throw .damaged }
            guard hosts.count < Self.hostsMax else { throw .damaged }
            hosts.append(host)
            packets.append(try reader.nextDouble())
        }
    }
}

/// A network's packets and octets a second, beside their limits.
struct CarpetRates {
    let datagrams: Double, empty: Double, octets: Double
    /// Everybody's; the octets are all.
    private let base: FloodLimit, emptyBase: Double
    /// Of the network's own.
    let limit: FloodLimit, emptyLimit: Double
    private let isEven: Bool

    init(_ bucket: CarpetBucket, _ parameters: DetectorParameters) {
        let seconds = Double(max(parameters.floodBucketMilliseconds, 1)) / 1_000
        (datagrams, empty, octets) = (bucket.datagrams / seconds, bucket.empty / seconds, bucket.octets / seconds)
        (base, emptyBase) = (Self.limit(.datagrams, parameters), Self.limit(.empty, parameters).packets)
        // Of sampled packets a handful tells nothing.
        let mayBeLower = bucket.packets >= parameters.floodUsual.seenMin * bucket.samplingInterval
        let own = bucket.scale[.datagrams], ownEmpty = bucket.scale[.empty]
        limit = base.times(mayBeLower ? own : own.raisedOnly)
        emptyLimit = Self.limit(.empty, parameters).times(mayBeLower ? ownEmpty : ownEmpty.raisedOnly).packets
        isEven = own == .even && ownEmpty == .even
        fullness = max(datagrams / base.packets, empty / emptyBase, octets * 8 / base.bits)
    }
    /// Everybody's.
    static func limit(_ kind: FloodClass, _ parameters: DetectorParameters) -> FloodLimit {
        let packets = kind == .empty ? parameters.carpetEmptyPacketsPerSecond : parameters.carpetPacketsPerSecond
        return FloodLimit(packets: packets, bits: parameters.carpetBitsPerSecond)
    }

    /// How full everybody's limits are, and the network's own: 1 is a flood. Most networks have everybody's.
    let fullness: Double
    var ownFullness: Double {
        isEven ? fullness : max(datagrams / limit.packets, empty / emptyLimit, octets * 8 / limit.bits)
    }
    /// What the fullest limit is one of, and how many times everybody's it is.
    var fullest: (kind: FloodClass, byPackets: Bool, ratio: Double) {
        if ownFullness <= empty / emptyLimit { return (.empty, true, emptyLimit / emptyBase) }
        if ownFullness <= datagrams / limit.packets { return (.datagrams, true, limit.packets / base.packets) }
        return (.datagrams, false, limit.bits / base.bits)
    }
}

/// What a bucket says to one more record: as `FloodAnswer`.
struct CarpetAnswer {
    var isNew = false
    var isHot = false
    var lesson: FloodLesson?, emptyLesson: FloodLesson?
}

struct CarpetBucket: WindowEntry {
    private(set) var datagrams = 0.0, empty = 0.0, octets = 0.0
    /// Packets that the network sent meanwhile over UDP.
    var sent = 0.0
    var hosts = HostSums()
    private(set) var flows: UInt64 = 0
    /// What the network's own limits are, looked up when the bucket is made: of datagrams, with all octets, and empty.
    var scale = FloodScale()
    private var takenPackets = 0.0, takenOctets = 0.0, takenFlows: UInt64 = 0
    private(set) var samplingInterval = 1.0
    var recency = Int64.min
    var itemCount: Int { hosts.count }

    var packets: Double { datagrams + empty }
    var untaken: (packets: Double, octets: Double, flows: UInt64) {
        (packets - takenPackets, octets - takenOctets, flows &- takenFlows)
    }

    mutating func add(_ more: CarpetCell) {
        datagrams += more.datagrams
        empty += more.empty
        octets += more.octets
        sent += more.sent
        flows &+= UInt64(more.flows)
        samplingInterval = max(samplingInterval, Double(more.samplingInterval))
    }
    mutating func markTaken() { (takenPackets, takenOctets, takenFlows) = (packets, octets, flows) }

    func isCarpet(_ rates: CarpetRates, _ parameters: DetectorParameters) -> Bool {
        isHot(rates) && packets >= parameters.carpetOneWayFactor * sent
            && hosts.loaded.count >= parameters.carpetHostsMin
            && hosts.most <= parameters.carpetShareMax * hosts.all
    }
    /// Of sampled packets, by more than chance.
    private func isHot(_ rates: CarpetRates) -> Bool {
        SampledLimit.isPassed(fullness: rates.ownFullness, packets: packets, interval: samplingInterval)
    }
    /// - Returns: also what the network's day has to learn. What is above its limits teaches these.
    mutating func hold(_ rates: CarpetRates) -> CarpetAnswer {
        let limit = rates.limit
        var answer = CarpetAnswer(isHot: isHot(rates))
        answer.lesson = scale.lesson(
            .datagrams, packets: min(rates.datagrams, limit.packets), octets: min(rates.octets, limit.bits / 8))
        answer.emptyLesson = scale.lesson(.empty, packets: min(rates.empty, rates.emptyLimit), octets: 0)
        return answer
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for value in [datagrams, empty, octets, sent, takenPackets, takenOctets, samplingInterval] { writer.add(value) }
        writer.add(flows)
        writer.add(takenFlows)
        hosts.save(to: &writer)
        scale.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        datagrams = try reader.nextDouble()
        empty = try reader.nextDouble()
        octets = try reader.nextDouble()
        sent = try reader.nextDouble()
        takenPackets = try reader.nextDouble()
        takenOctets = try reader.nextDouble()
        samplingInterval = try reader.nextDouble()
        flows = try reader.next()
        takenFlows = try reader.next()
        hosts = try HostSums(from: &reader)
        scale = try FloodScale(from: &reader)
        recency = try reader.nextSigned()
    }
}

struct CarpetCase: CaseEntry {
    /// Of the fullest bucket; the fullness is that of the network's own limits.
    private(set) var fullness = 0.0, packetsPerSecond = 0.0, bitsPerSecond = 0.0
    /// Of the limit that is fullest in it.
    private(set) var kind = FloodClass.datagrams, byPackets = true, ratio = 1.0
    /// Of everybody's limits, in whichever bucket that was.
    private(set) var plainFullness = 0.0
    private(set) var hosts = 0
    /// Those with most packets, as many as a finding names.
    private(set) var victims: [IPAddress] = []
    private(set) var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { 0 }

    /// Takes over what a bucket has newly counted.
    /// - Parameters:
    ///   - start: of the bucket, in ms.
    ///   - width: of the bucket, in ms.
    /// - Returns: true: it is worth weighing.
    mutating func take(_ bucket: CarpetBucket, _ rates: CarpetRates, start: Int64, width: Int64) -> Bool {
        let full = rates.ownFullness, more = bucket.untaken
        plainFullness = max(plainFullness, rates.fullness)
        if full >= fullness {
            (fullness, packetsPerSecond) = (full, rates.datagrams + rates.empty)
            bitsPerSecond = rates.octets * 8
            (kind, byPackets, ratio) = rates.fullest
        }
        let loaded = bucket.hosts.loaded
        if loaded.count > hosts {
            hosts = loaded.count
            victims = Array(loaded.prefix(Finding.entitiesMax))
        }
        totals.flows &+= more.flows
        totals.packets &+= UInt64(min(max(more.packets, 0), 9e17))
        totals.octets &+= UInt64(min(max(more.octets, 0), 9e17))
        totals.first = min(totals.first, start)
        totals.last = max(totals.last, start + width)
        totals.samplingInterval = max(totals.samplingInterval, bucket.samplingInterval)
        return true
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for value in [fullness, packetsPerSecond, bitsPerSecond] { writer.add(value) }
        writer.add(hosts)
        writer.add(victims.count)
        for victim in victims {
            writer.add(victim.high)
            writer.add(victim.low)
        }
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
        writer.add(kind.rawValue)
        writer.add(byPackets)
        for value in [ratio, plainFullness] { writer.add(value) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        fullness = try reader.nextDouble()
        packetsPerSecond = try reader.nextDouble()
        bitsPerSecond = try reader.nextDouble()
        hosts = Int(try reader.nextSmall(Int32.self))
        for _ in 0..<(try reader.nextCount()) {
            victims.append(IPAddress(high: try reader.next(), low: try reader.next()))
        }
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
        plainFullness = fullness
        guard reader.edition >= .usual else { return }
        guard let kind = FloodClass(rawValue: Int(try reader.nextSmall(UInt8.self))) else { throw .damaged }
        self.kind = kind
        byPackets = try reader.nextBool()
        ratio = try reader.nextDouble()
        plainFullness = try reader.nextDouble()
    }
}
