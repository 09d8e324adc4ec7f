internal import FlowModel
internal import Identity
internal import Intelligence
internal import Query

/// What one tenant's history has of indicators.
struct HistorySightings: SightingSource {
    /// Nil: who asks may not read flows.
    let query: (any FlowHistory)?
    let tenant: TenantID

    private struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    func sightings(of subjects: [IndicatorSubject]) async throws -> [Sighting?] {
        guard let query else { throw Refusal(description: "this key lacks the scope flows:read") }
        let networks = subjects.map { subject in
            if case .network(let network) = subject { network } else { nil as IPNetwork? }
        }
        let meetings = try await meetings(networks.compactMap { $0 }, query)
        return networks.map { network in
            guard let network, let seen = meetings.sum(of: network) else { return nil }
            return Sighting(
                first: seen.first, last: seen.last, flows: seen.tally.flows, octets: seen.tally.octets,
                hosts: seen.hosts.count)
        }
    }

    private func meetings(_ networks: [IPNetwork], _ query: any FlowHistory) async throws -> Meetings {
        do throws(QueryError) {
            return try await Meetings(networks, of: tenant, in: query)
        } catch {
            switch error {
            case .busy: throw Refusal(description: "too many questions are being answered: ask again")
            case .keyDestroyed: throw Refusal(description: "the tenant's data key was destroyed")
            case .cancelled: throw error
            default: throw Refusal(description: "history can't be read now")
            }
        }
    }
}
