internal import FlowModel
internal import Identity
internal import Query
internal import QueryEngine

/// Which hosts of a tenant met some networks, and when, over all history.
struct Meetings: Sendable {
    struct Sum {
        var first: Int64, last: Int64
        var tally = Tally()
        var hosts: Set<IPAddress> = []
    }
    private let answer: HuntAnswer

    /// Pairs of addresses that are told apart.
    private static let sightingsMax = 20_000

    init(_ networks: [IPNetwork], of tenant: TenantID, in query: any FlowHistory) async throws(QueryError) {
        answer = try await query.hunt(
            tenant: tenant, indicators: networks, sightingsMax: Self.sightingsMax)
    }

    /// All that met an address of `network`; nil when nobody did.
    func sum(of network: IPNetwork) -> Sum? {
        var sum: Sum?
        // Of networks within each other the narrowest was met, and so were the wider.
        for one in answer.sightings where network.contains(one.met) {
            var next = sum ?? Sum(first: one.period.lowerBound, last: one.period.upperBound)
            next.first = min(next.first, one.period.lowerBound)
            next.last = max(next.last, one.period.upperBound)
            next.tally += one.sent
            next.tally += one.received
            next.hosts.insert(one.host)
            sum = next
        }
        return sum
    }
}
