internal import Foundation

/// What a sensor says of itself every few seconds. The API shows it as it is, so unknown keys are dropped here and
/// the number of entries is bounded. Counts are since the sensor's start.
package struct Heartbeat: Codable, Equatable, Sendable {
    package struct Spool: Codable, Equatable, Sendable {
        package var batches: UInt64, bytes: UInt64, bytesMax: UInt64
    }
    package struct Sums: Codable, Equatable, Sendable {
        package var flows: UInt64, octets: UInt64, packets: UInt64
    }
    /// One exporter's ledger, as `ExporterLedger`.
    package struct Exporter: Codable, Equatable, Sendable {
        package var exporter: String, observationDomain: UInt32, exportProtocol: String
        package var datagramsReceived: UInt64, datagramsDecoded: UInt64
        package var decoded: Sums, sealed: Sums, sealedRows: UInt64
        /// By `Loss`: datagrams or sets.
        package var counts: [String: UInt64]
        /// By `Loss`: records, and what they carried.
        package var records: [String: Sums]
        /// Absent from sensors that don't follow sequence numbers.
        package var missing: Missing?
        /// Absent for what no exporter is known of.
        package var health: Health?
        /// Absent where no counters came; the busiest, and how many more there are.
        package var interfaces: [Interface]?, interfacesOmitted: UInt64?
    }
    /// One interface by the device's own counters (sFlow): what it received, then what it sent.
    package struct Interface: Codable, Equatable, Sendable {
        package var ifIndex: UInt32, octets: [UInt64], packets: [UInt64], errors: [UInt64], discards: [UInt64]

        fileprivate var isWhole: Bool { [octets, packets, errors, discards].allSatisfy { $0.count == 2 } }
    }
    /// Lost before the sensor, by the exporter's sequence numbers, in its own units: records or datagrams.
    package struct Missing: Codable, Equatable, Sendable {
        package var units: UInt64, late: UInt64, restarts: UInt64
    }
    /// Times in ms since 1970 UTC by the sensor's clock; a skew is positive when the exporter's clock is ahead.
    package struct Health: Codable, Equatable, Sendable {
        package var firstHeardMilliseconds: Int64, lastHeardMilliseconds: Int64
        package var clockSkewMilliseconds: Int64?
        /// Packets for each one looked at; 0 unknown.
        package var samplingInterval: Double
        package var templatesReplaced: UInt64
        /// Names of the sensor's `HealthIssue`.
        package var issues: [String]
    }
    /// Of the sensor's program.
    package var version: String
    /// When the program began, by the sensor's clock, in ms since 1970 UTC.
    package var startedMilliseconds: Int64?
    /// How coarse the sensor sums now: `full`, `service` or `host`.
    package var fidelity: String
    package var spool: Spool
    package var deadLetters: UInt64
    package var ledger: [Exporter]
    /// Exporters that found no room in `ledger`.
    package var ledgerOmitted: UInt64?

    static let exportersMax = 4_096, textMax = 128, reasonsMax = 64, interfacesMax = 64

    /// Nil when `json` isn't of this shape, or has more than the limits.
    package init?(json: [UInt8]) {
        guard let value = try? JSONDecoder().decode(Heartbeat.self, from: Data(json)), value.isWithinLimits else {
            return nil
        }
        self = value
    }
    private var isWithinLimits: Bool {
        version.utf8.count <= Self.textMax && fidelity.utf8.count <= Self.textMax && ledger.count <= Self.exportersMax
            && ledger.allSatisfy {
                $0.exporter.utf8.count <= Self.textMax && $0.exportProtocol.utf8.count <= Self.textMax
                    && $0.counts.count <= Self.reasonsMax && $0.records.count <= Self.reasonsMax
                    && ($0.health?.issues ?? []).count <= Self.reasonsMax
                    && ($0.health?.issues ?? []).allSatisfy { $0.utf8.count <= Self.textMax }
                    && ($0.interfaces ?? []).count <= Self.interfacesMax
                    && ($0.interfaces ?? []).allSatisfy(\.isWhole)
                    && ($0.counts.keys.map(\.utf8.count) + $0.records.keys.map(\.utf8.count))
                        .allSatisfy { $0 <= Self.textMax }
            }
    }
}
