internal import FlowModel

/// Notices that a site has one observation point only: rows of one point are never duplicates of each other, so there
/// is nothing to look for.
///
/// Only after a whole horizon of nothing else: until then rows of a second point may still turn up for what the first
/// has seen. When a second point comes later, what the first saw before it is not remembered: for the first horizon
/// those flows may be counted by both.
struct SolePoint {
    private var point = ObservationPoint.none
    private var since: Int64 = 0

    /// - Parameter exporters: the memory's numbers of the columns' exporters.
    /// - Returns: whether these rows, and all that came within the horizon before, are of one point.
    mutating func isAlone(_ columns: FlowColumns, _ exporters: [ObserverFacts], horizon: Int64) -> Bool {
        guard exporters.count == 1, let only = Self.point(of: columns, exporters[0]) else {
            point = .none
            return false
        }
        let now = columns.receiveMilliseconds[columns.count - 1]
        if only != point || now < since { (point, since) = (only, now) }
        let (age, overflow) = now.subtractingReportingOverflow(since)
        return overflow || age > horizon
    }

    /// The point that all rows have; nil when they have several.
    private static func point(of columns: FlowColumns, _ observer: ObserverFacts) -> ObservationPoint? {
        let directions = columns.flowDirection.span.extracting(columns.rows)
        let ingress = columns.ingressInterface.span.extracting(columns.rows)
        let egress = columns.egressInterface.span.extracting(columns.rows)
        let outbound = FlowColumns.directionBase + 1, isEgress = directions[0] == outbound
        let interface = isEgress ? egress[0] : ingress[0]
        for row in 0..<columns.count {
            guard (directions[row] == outbound) == isEgress, (isEgress ? egress[row] : ingress[row]) == interface else {
                return nil
            }
        }
        return ObservationPoint(bits: observer.pointBase | (isEgress ? 1 << 32 : 0) | UInt64(interface))
    }
}
