import API
import Detect
import Enrichment
import Identity
import Incidents
import Intelligence
import Knowledge
import KnowledgeUpkeep
import Logging
import Platform
import Query
import ReverseNames
import Telemetry
import Tenancy

/// What a node knows about the world around its flows, and who keeps it up to date.
struct Surroundings {
    let intelligence = CurrentIntelligence(), enrichment = CurrentEnrichment(.none)
    private let settings: KnowledgeSettings
    private let feeds: FeedUpkeep, places: EnrichmentUpkeep, names: NameDesk?

    init(
        _ settings: KnowledgeSettings, folder: String, time: any TimeSource, metrics: MetricRegistry, logger: Logger
    ) {
        self.settings = settings
        feeds = FeedUpkeep(
            settings, folder: folder + "/intelligence", current: intelligence, enrichment: enrichment,
            transport: HTTPFeedTransport(HTTPFeedTransport.policy(settings.egress)), time: time, registry: metrics,
            logger: logger)
        places = EnrichmentUpkeep(settings.enrichment, current: enrichment, registry: metrics, logger: logger)
        let asked = settings.enrichment.names
        names =
            asked.isEnabled
            ? NameDesk(asked, transport: UDPNameTransport(), time: time, registry: metrics) {
                UInt16.random(in: .min ... .max)
            } : nil
    }

    /// What needs no network, before the first record.
    func load() async {
        await places.refresh()
        await feeds.load()
    }

    func upkeep(
        history: any FlowHistory, incidents: IncidentLog, control: ControlLog, limits: LiveParameters,
        time: any TimeSource
    ) -> KnowledgeUpkeep {
        let hunter = HistoryHunt(
            query: history, incidents: incidents, time: time, places: lookup
        ) { limits[$0] }
        return KnowledgeUpkeep(feeds: feeds, enrichment: places, hunter: hunter) { try control.tenants() }
    }

    var parameters: TenantParameters { settings.parameters }

    /// Where addresses are, for the detectors.
    var lookup: PlaceLookup {
        PlaceLookup { [enrichment] address in
            let place = enrichment.value.place(of: address)
            return (place.country.rawValue, place.systemNumber)
        }
    }

    var sources: KnowledgeSources {
        KnowledgeSources(
            intelligence: intelligence, enrichment: enrichment,
            assets: settings.tenants.mapValues { AssetNetworks($0.networks) }, names: names
        ) { [feeds] in await feeds.states(for: $0) }
    }
}
