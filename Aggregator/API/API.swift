/// The HTTP API that people and programs use: one tenant's incidents, flows and sensors, as `openapi.json` describes
/// them.
///
/// Invariants: every route has a row in the policy table, which is asked before its handler, and reads with the tenant
/// of the key that was shown; every refusal is an RFC 9457 problem; every route is in `openapi.json` and every path of
/// it is a route (a test compares them).
/// Not here: TLS and listeners (`ServerChannel`), what sensors send (`Ingest`).
package import Enrolment
package import FlowLog
package import Hummingbird
package import Incidents
package import Ingest
package import Notify
package import OpenID
package import Platform
package import ProgramDesk
package import Query
package import Sigma
package import Telemetry
package import Tenancy

/// All that the routes answer from.
package struct APISources: Sendable {
    package var query: any FlowHistory
    package var incidents: IncidentLog
    package var control: ControlLog
    package var sensors: SensorRegistry
    package var log: any SensorTotals
    /// Whose batches are shown as they come in.
    package var logs: FollowedLogs
    package var metrics: MetricRegistry
    package var time: any TimeSource
    package var knowledge: KnowledgeSources
    /// Which Sigma rules tenants have.
    package var sigma: SigmaRegister
    /// What pseudonyms are made of; nil: none are made.
    package var pseudonymSecret: [UInt8]?
    /// What keeps the aggregator from being ready, in words for operators; empty when it is.
    package var unready: @Sendable () async -> [String]
    /// What the node needs, for whoever asks: see `HealthCheck`.
    package var checks: @Sendable () async -> [HealthCheck] = { [] }
    package var notify = NotifyDesk.none
    package var tracer = Tracer.off
    /// Tenants' anomaly models; nil: there are none, and none can be made.
    package var models: ModelDesk?
    /// Own programs; nil: there are none.
    package var programs: ProgramDesk?
    /// For reports of compliance.
    package var facts = NodeFacts()
    /// What gives sensors their certificates; nil: sensors bring their own.
    package var issuer: CertificateIssuer?
    /// Which sensors are let in, and what is held of them.
    package var sensorControl = SensorControl.none
    /// The limits that detectors go by.
    package var detectors = DetectorDesk()
    package var signIn = SignIn()
    /// Of streams of live incidents.
    package var live = LiveLimits()
    /// Of requests of all kinds.
    package var requests = RequestLimits()
    /// Tenants' own providers; nil: there are none.
    package var signOn: SignOnDesk?

    package init(
        query: any FlowHistory, incidents: IncidentLog, control: ControlLog, sensors: SensorRegistry,
        log: any SensorTotals, metrics: MetricRegistry, time: any TimeSource,
        knowledge: KnowledgeSources = KnowledgeSources(), sigma: SigmaRegister? = nil, pseudonymSecret: [UInt8]? = nil,
        unready: @escaping @Sendable () async -> [String] = { [] }
    ) {
        (self.query, self.incidents, self.control, self.sensors) = (query, incidents, control, sensors)
        (self.log, self.metrics, self.time, self.unready) = (log, metrics, time, unready)
        // A node's own log is both.
        logs = FollowedLogs((log as? any FlowLog).map { [$0] } ?? [])
        (self.knowledge, self.pseudonymSecret) = (knowledge, pseudonymSecret)
        self.sigma = sigma ?? SigmaRegister(control: control)
    }
}

/// The routes of the listener for people and programs.
/// - Throws: when a route has no row in `policy`, or a row no route.
package func apiRouter(
    _ sources: APISources, policy: PolicyTable = .standard
) throws(PolicyError) -> Router<APIContext> {
    let router = Router(context: APIContext.self)
    router.add(middleware: RequestTraces(tracer: sources.tracer, time: sources.time))
    router.add(middleware: CrossOrigin(origins: sources.requests.origins))
    router.add(middleware: Compressed())
    router.add(middleware: Answers())
    let authentication = Authentication(control: sources.control, time: sources.time)
    router.add(middleware: authentication)
    if let perMinute = sources.requests.perMinute {
        router.add(middleware: RateLimited(quota: RequestQuota(perMinute: perMinute), time: sources.time))
    }
    let routes = PolicedRoutes(
        router, policy, answerMax: sources.requests.answerMax,
        once: OnlyOnce(control: sources.control, time: sources.time)
    ) { [control = sources.control, time = sources.time] visitor, route in
        try control.noteVisit(visitor, to: route, at: time.wallMilliseconds())
    } has: { [control = sources.control] caller, feature in
        try control.has(feature, caller.tenant)
    }
    addAdministration(sources, to: routes)
    OperationRoutes(metrics: sources.metrics, unready: sources.unready, checks: sources.checks).add(to: routes)
    SessionRoutes(control: sources.control, signIn: sources.signIn, time: sources.time).add(to: routes)
    SignOnRoutes(control: sources.control, signIn: sources.signIn, desk: sources.signOn, time: sources.time)
        .add(to: routes)
    IncidentRoutes(incidents: sources.incidents, knowledge: sources.knowledge).add(to: routes)
    let flows = FlowSources(
        query: sources.query, control: sources.control, pseudonymSecret: sources.pseudonymSecret,
        enrichment: sources.knowledge.enrichment)
    var live = sources.live
    live.origins = sources.requests.origins
    let streams = LiveStreams(authentication, sources.time, live)
    LiveRoutes(incidents: sources.incidents, streams: streams).add(to: routes)
    LiveFlowRoutes(logs: sources.logs, sources: flows, streams: streams).add(to: routes)
    LiveSensorRoutes(registry: sources.sensors, streams: streams).add(to: routes)
    IncidentEditRoutes(incidents: sources.incidents, time: sources.time).add(to: routes)
    ExceptionRoutes(incidents: sources.incidents, time: sources.time).add(to: routes)
    MitigationRoutes(
        incidents: sources.incidents, query: sources.query, desk: sources.notify, time: sources.time
    ).add(to: routes)
    NotifyRoutes(desk: sources.notify).add(to: routes)
    FlowRoutes(sources: flows, knowledge: sources.knowledge).add(to: routes)
    ExportRoutes(sources: flows).add(to: routes)
    HuntRoutes(sources: flows).add(to: routes)
    TrendRoutes(sources: flows, time: sources.time).add(to: routes)
    IntelRoutes(knowledge: sources.knowledge, sources: flows, programs: sources.programs, time: sources.time)
        .add(to: routes)
    ProgramRoutes(desk: sources.programs).add(to: routes)
    DetectorRoutes(
        desk: sources.detectors, knowledge: sources.knowledge, query: sources.query, control: sources.control,
        time: sources.time
    ).add(to: routes)
    SigmaRoutes(register: sources.sigma, control: sources.control, query: sources.query, time: sources.time)
        .add(to: routes)
    ModelRoutes(desk: sources.models, query: sources.query, time: sources.time).add(to: routes)
    SensorRoutes(registry: sources.sensors, log: sources.log).add(to: routes)
    try routes.finish()
    return router
}
