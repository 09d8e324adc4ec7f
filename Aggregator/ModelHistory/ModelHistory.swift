/// Windows of a tenant's hosts from its stored history: what models are trained and evaluated on.
///
/// They are those that a promoted model would have seen live, with one difference: what came late is in them. Not
/// here: who may ask (`API`), what that may cost (`Query`), what becomes of the windows (`Models`).
internal import BatchFormat
internal import Detect
internal import FlowModel
package import Identity
package import Models
package import Query

package struct ModelHistory: Sendable {
    /// By window, then host.
    package let samples: [WindowSample]
    /// Hosts that found no room, about; and records that are in the windows.
    package let hostsLeftOut: Int, records: Int
    package let effort: QueryEffort

    /// - Parameters:
    ///   - from, to: in ms since 1970; windows that lie between wholly.
    ///   - seed: decides which hosts are left out where there are too many.
    /// - Throws: `QueryError`, as every question about history.
    package static func gather(
        of tenant: TenantID, from: Int64, to: Int64, cut: WindowCut, seed: UInt64, in query: any FlowHistory,
        windowsMax: Int = WindowGatherer.windowsMax
    ) async throws(QueryError) -> ModelHistory {
        let work = Gathering(
            WindowGatherer(cut: cut, from: from, to: to, seed: seed, windowsMax: windowsMax))
        let effort = try await query.looked(tenant: tenant, from: from, to: to, fields: .windows) { columns, rows in
            work.add(columns, rows)
        }
        return ModelHistory(
            samples: work.gatherer.samples(), hostsLeftOut: work.gatherer.hostsLeftOut,
            records: work.gatherer.records, effort: effort)
    }
}

/// A class, so that what reads history can hand records to it; it is never shared.
private final class Gathering {
    private(set) var gatherer: WindowGatherer

    init(_ gatherer: WindowGatherer) { self.gatherer = gatherer }
    func add(_ columns: borrowing FlowColumns, _ rows: [Int32]) {
        gatherer.add(columns, rows: rows.lazy.map { Int($0) })
    }
}

extension FieldSet {
    /// All that a window is made of.
    fileprivate static let windows: FieldSet = [
        .sourceIPAddress, .destinationIPAddress, .sourceTransportPort, .destinationTransportPort, .protocolIdentifier,
        .tcpControlBits, .counters, .samplingInterval, .flags, .flowStartMilliseconds, .flowEndMilliseconds,
        .receiveMilliseconds,
    ]
}
