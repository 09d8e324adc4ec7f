/// What a host is used to send to the outside in an hour: a histogram that forgets.
import FlowModel

struct UploadProfile: WindowEntry {
    /// The hour that is being summed, and its octets. Hours without uploads don't count.
    private var hour = Int64.min, octets = 0.0
    /// Weights of hours by the binary logarithm of their octets; each new hour takes a fiftieth off the others.
    private var bins: [Float] = []
    private var hours = 0
    var recency = Int64.min
    var itemCount: Int { bins.count }

    private static let binsMax = 50, hoursMax = 1 << 20
    private static let decay: Float = 0.98

    mutating func add(_ more: Double, in time: Int64) {
        // Late records are those of an hour that has been put away.
        guard time >= hour else { return }
        if time > hour {
            if hour != Int64.min { putAway() }
            (hour, octets) = (time, 0)
        }
        octets += more
    }
    private mutating func putAway() {
        if bins.isEmpty { bins = [Float](repeating: 0, count: Self.binsMax) }
        for bin in bins.indices { bins[bin] *= Self.decay }
        bins[Self.bin(of: octets)] += 1
        hours = min(hours + 1, Self.hoursMax)
    }
    private static func bin(of octets: Double) -> Int {
        min(max(Int(min(octets, 1e17)).bitWidth - Int(min(octets, 1e17)).leadingZeroBitCount, 0), binsMax - 1)
    }

    /// Octets of the host's usual largest hours (95th percentile, rounded up to a power of two); nil before so many
    /// hours are known.
    func usual(hoursMin: Int) -> Double? {
        guard hours >= hoursMin else { return nil }
        let all = bins.reduce(0, +)
        var sum: Float = 0
        for bin in bins.indices {
            sum += bins[bin]
            if sum >= 0.95 * all { return Double(UInt64(1) << UInt64(bin)) }
        }
        return nil
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(hour)
        writer.add(octets)
        writer.add(hours)
        writer.add(bins.count)
        for bin in bins { writer.add(UInt64(bin.bitPattern)) }
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        hour = try reader.nextSigned()
        octets = try reader.nextDouble()
        hours = Int(try reader.nextSmall(Int32.self))
        let count = try reader.nextCount()
        guard count == 0 || count == Self.binsMax else { throw .damaged }
        for _ in 0..<count { bins.append(Float(bitPattern: try reader.nextSmall(UInt32.self))) }
        recency = try reader.nextSigned()
    }
}
