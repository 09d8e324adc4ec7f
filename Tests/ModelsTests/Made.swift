import Detect
import FlowModel
import Identity
import Models
import Platform

/// A made network: hosts that are busy on weekdays from 8 to 18 h, one that sends its backup out at 2 h each night.
enum Made {
    /// A Thursday, 0 h.
    static let start: Int64 = 1_795_046_400_000
    static let week: Int64 = 7 * 86_400_000, width: Int64 = 600_000
    static let server = 10

    static func host(_ number: Int) -> IPAddress { IPAddress(v4: 0x0A00_0001 + UInt32(number)) }

    /// By window, then host: what hosts do from `from` on for so many weeks, but for what `change` makes of it.
    static func samples(
        weeks: Int = 3, from: Int64 = start, seed: UInt64 = 1, hosts: Int = 11,
        _ change: (inout FeatureVector, Int, Int64) -> Void = { _, _, _ in }
    ) -> [WindowSample] {
        var generator = SeededGenerator(seed: seed), samples: [WindowSample] = []
        for window in (from / width)..<((from + Int64(weeks) * week) / width) {
            for number in 0..<hosts {
                guard var features = features(of: number, at: window * width, &generator) else { continue }
                change(&features, number, window * width)
                samples.append(WindowSample(host: host(number), window: window, features: features))
            }
        }
        return samples
    }

    /// What models are made of here: three weeks of all hosts.
    static let history = samples()
    /// Windows of the first day's busy hours, of hosts that send no backup: what most are like.
    static func busySamples(seed: UInt64) -> [WindowSample] {
        let hour: Int64 = 3_600_000, busy = (start + 8 * hour)..<(start + 18 * hour)
        return samples(weeks: 1, seed: seed, hosts: server).filter { busy.contains($0.window * width) }
    }

    /// Nil: quiet.
    private static func features(
        of number: Int, at time: Int64, _ generator: inout SeededGenerator
    ) -> FeatureVector? {
        let hour = time / 3_600_000 % 24, day = (time - start) / 86_400_000 % 7
        let isBackup = number == server && hour == 2
        let isBusy = isBackup || ((8..<18).contains(hour) && day != 2 && day != 3)
        func around(_ middle: Float, _ spread: Float, _ generator: inout SeededGenerator) -> Float {
            let three = (0..<3).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &generator) }
            return max(middle + three * spread, 0)
        }
        guard isBusy || Int.random(in: 0..<3, using: &generator) == 0 else { return nil }
        var features = FeatureVector()
        features[.octetsOut] = around(isBackup ? 33 : isBusy ? 21 : 13, 0.6, &generator)
        features[.octetsIn] = around(isBackup ? 24 : isBusy ? 24 : 14, 0.6, &generator)
        features[.calls] = around(isBusy ? 7 : 3, 0.4, &generator)
        features[.callsIn] = 0
        features[.peers] = around(isBusy ? 4 : 2, 0.3, &generator)
        features[.ports] = around(2, 0.2, &generator)
        features[.failedShare] = min(around(0.03, 0.01, &generator), 1)
        features[.outsideShare] = min(around(0.8, 0.05, &generator), 1)
        features[.packetOctets] = around(isBackup ? 10.3 : 8, 0.2, &generator)
        features[.sentShare] = min(around(isBackup ? 0.95 : 0.2, 0.02, &generator), 1)
        return features
    }

    /// Made once: training takes its time.
    private static let usual = Result { try train(seed: 1, trees: 60) }
    static func model() throws -> AnomalyModel { try usual.get() }
    /// Of four hosts that send no backup, and with fewer trees: for where it only matters that there is a model.
    private static let small = Result { try train(seed: 1, trees: 20, hosts: 4) }
    static func smallModel() throws -> AnomalyModel { try small.get() }
    static func train(seed: UInt64, trees: Int, hosts: Int = server + 1) throws -> AnomalyModel {
        var settings = ModelSettings()
        (settings.seed, settings.trees) = (seed, trees)
        let samples = hosts == server + 1 ? history : history.filter { $0.host < host(hosts) }
        return try AnomalyModel.train(samples, from: start, to: start + 3 * week, settings: settings)
    }

    // MARK: Records

    static func columns(_ records: [FlowRecord]) -> FlowColumns {
        var columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 0xC000_0201), observationDomain: 1, exportProtocol: .ipfix)
        let exporter = columns.intern(key) ?? 0
        for var record in records {
            record.exporter = exporter
            columns.append(record)
        }
        return columns
    }
    static func record(
        _ source: IPAddress, _ destination: IPAddress, port: UInt16 = 443, octets: UInt64 = 4_000, at time: Int64,
        isAnswered: Bool = true
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (source, destination)
        (record.sourceTransportPort, record.destinationTransportPort) = (50_000, port)
        record.protocolIdentifier = IPProtocol.tcp
        record.tcpControlBits = isAnswered ? TCPFlag.syn | TCPFlag.ack : TCPFlag.syn
        (record.octetDeltaCount, record.packetDeltaCount) = (octets, max(octets / 256, 1))
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time - 100, time)
        record.receiveMilliseconds = time + 1_000
        return record
    }
    /// What a host of the made network does at a busy hour, about, in a window: a fifth of it inside.
    static func busy(_ number: Int, at time: Int64) -> [FlowRecord] {
        (0..<100).map { call in
            let inside = host(100 + number), outside = IPAddress(v4: 0xC633_6401 + UInt32(call % 15))
            return record(
                host(number), call % 5 == 0 ? inside : outside, port: [443, 80, 53][call % 3], octets: 20_000,
                at: time + Int64(call) * 1_000, isAnswered: call % 33 != 0)
        }
            + (0..<15).map { call in
                var answer = record(
                    IPAddress(v4: 0xC633_6401 + UInt32(call)), host(number), octets: 533_000,
                    at: time + Int64(call) * 1_000)
                (answer.sourceTransportPort, answer.destinationTransportPort) = (443, 50_000)
                return answer
            }
    }
    /// Calls to many hosts that nobody answers.
    static func sweep(_ number: Int, at time: Int64) -> [FlowRecord] {
        (0..<900).map { call in
            record(
                host(number), IPAddress(v4: 0x0A01_0000 + UInt32(call)), port: 445, octets: 44,
                at: time + Int64(call) * 500, isAnswered: false)
        }
    }
    static func tenant(_ name: String = "acme") throws -> TenantID {
        guard let tenant = TenantID(name) else { throw NoTenant() }
        return tenant
    }
    struct NoTenant: Error {}
}
