import API
import Detect
import FlowLog
import FlowModel
import FlowStore
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Identity
import Incidents
import Ingest
import Intelligence
import Knowledge
import ModelRegister
import Notify
import Passwords
import Query
import Sigma
import Telemetry
import Tenancy
import TestKit

/// What the routes' ids and the texts in answers are made of, for one tenant or for none.
struct Names: Sendable {
    var incident: String, exception: String, proposal: String, cursor: String
    var networks: String, rule: String, sensor: String, channel: String
    /// Of somebody whom no actor is.
    var session: String
    /// A role without permissions, which anybody who may give roles may give; and who and what has it.
    var role: String, member = "", invitation = "", account = "", key = ""
    /// In the tenant's own directory.
    var user = "", group = ""
    /// Hosts at the sites `hq` and `lab`.
    var host: String, labHost: String
    var all: [String] {
        [
            incident, exception, proposal, cursor, networks, rule, sensor, channel, session, host, role, member,
            invitation, account, key, user, group,
        ].sorted { $0.count > $1.count }
    }
}

/// Three tenants with the same kinds of things in real stores. Each thing's text holds its tenant's mark of 128 random
/// bits, each flow an address as random: what of it is in an answer to somebody else was leaked.
final class MatrixWorld: Sendable {
    static let now: Int64 = 1_700_000_000_000, count = 3
    struct Tenant: Sendable {
        let id: TenantID, mark: String
        var names: Names
        var canaries: [String] { [mark, names.host, names.labHost, names.incident, names.exception] }
    }
    let folder: TemporaryFolder
    let sources: APISources
    let tenants: [Tenant]
    let absent: Names
    let actors: [Actor]

    init() async throws {
        folder = try TemporaryFolder("weir-matrix")
        let control = try ControlLog(folder: folder.path), incidents = try IncidentLog(directory: folder.path)
        let store = try SQLiteFlowStore(directory: folder.path), time = ManualTime(wallMilliseconds: Self.now)
        var sources = APISources(
            query: FlowQuery(store: store, time: time), incidents: incidents, control: control,
            sensors: SensorRegistry(), log: try SQLiteFlowLog(directory: folder.path), metrics: MetricRegistry(),
            time: time, pseudonymSecret: Array(repeating: 7, count: 32))
        // One look, and the end.
        sources.live.lasts = .zero
        sources.models = ModelDesk(try ModelRegister(folder: folder.path))
        var tenants: [Tenant] = []
        for index in 0..<Self.count {
            guard let id = TenantID("tenant-\(index)") else { throw Missing() }
            let mark = Self.mark()
            let names = Names(
                incident: "", exception: "", proposal: "", cursor: "", networks: "nets-\(mark)", rule: "rule-\(mark)",
                sensor: "hq:s\(mark)", channel: "channel-\(mark)", session: "",
                role: "r-\(mark)", host: Self.host(), labHost: Self.host())
            tenants.append(Tenant(id: id, mark: mark, names: names))
            try control.createTenant(id, by: "test", at: Self.now)
            try await Self.fill(store, tenants[index], index)
            try Self.plant(&tenants[index], sources)
            try Self.plantPeople(&tenants[index], control)
        }
        Self.addDesks(tenants, to: &sources)
        var chance = SystemRandomNumberGenerator()
        sources.signIn = SignIn(
            passwords: PasswordDesk(cost: Argon2Cost(kibibytes: 64, passes: 1)),
            limits: SignInLimits(perAddress: .none, perPair: .none, perAccount: .none))
        let people = try People(tenants.map(\.id), control, using: &chance)
        actors = try Actor.all(tenants.map(\.id), control, using: &chance) + people.actors
        for index in tenants.indices {
            let stranger = try control.addPerson(
                email: "s\(index)@example.net", name: tenants[index].mark, by: Granter("test", scopes: nil),
                at: Self.now, using: &chance)
            tenants[index].names.session = try control.startSession(
                of: stranger, address: tenants[index].mark, agent: tenants[index].mark, at: Self.now, using: &chance
            ).session.id
        }
        for index in tenants.indices {
            guard let owner = actors.first(where: { $0.tenant == index && $0.name == "owner" }) else { throw Missing() }
            let names = tenants[index].names
            let page = try await Self.json("/v1/flows?limit=1", owner, sources)
            tenants[index].names.cursor = page["next"] as? String ?? ""
            let items = try await Self.json("/v1/incidents/\(names.incident)/proposals", owner, sources)["items"]
            tenants[index].names.proposal = (items as? [[String: Any]])?.last?["id"] as? String ?? ""
            guard !tenants[index].names.cursor.isEmpty, !tenants[index].names.proposal.isEmpty else { throw Missing() }
        }
        let none = Self.mark()
        absent = Names(
            incident: none, exception: "exc_\(none)", proposal: "none-\(none)", cursor: tenants[0].names.cursor,
            networks: "nets-\(none)", rule: "rule-\(none)", sensor: "hq:s\(none)", channel: "channel-\(none)",
            session: "ses-\(none)", role: "r-\(none)", member: "usr-\(none)", invitation: "inv-\(none)",
            account: "svc-\(none)", key: "key-\(none)", user: "scu-\(none)", group: "scg-\(none)", host: Self.host(),
            labHost: Self.host())
        (self.sources, self.tenants) = (sources, tenants)
    }
    struct Missing: Error {}

    private static func mark() -> String {
        (0..<2).map { _ in
            let word = String(UInt64.random(in: .min ... .max), radix: 16)
            return String(repeating: "0", count: 16 - word.count) + word
        }.joined()
    }
    /// All of one length as text, so that answers about them are, too.
    private static func host() -> String {
        "fd"
            + (0..<8).map { group in
                let digits = String(UInt16.random(in: 0x1000 ... .max), radix: 16)
                return group == 0 ? String(digits.suffix(2)) : digits
            }.joined(separator: ":")
    }
    private static func json(_ uri: String, _ actor: Actor, _ sources: APISources) async throws -> [String: Any] {
        let app = Application(router: try apiRouter(sources))
        let octets = try await app.test(.router) { client in
            try await client.execute(uri: uri, method: .get, headers: actor.fields) {
                Data($0.body.readableBytesView)
            }
        }
        return try JSONSerialization.jsonObject(with: octets) as? [String: Any] ?? [:]
    }

    // MARK: What is planted

    private static func plant(_ tenant: inout Tenant, _ sources: APISources) throws {
        let (id, mark) = (tenant.id, tenant.mark)
        let attacker = FindingEntity(type: "ipv6-addr", role: .attacker, value: tenant.names.host)
        let finding = Finding(
            id: mark, rule: "port-scan-vertical", title: "ports were tried: \(mark)", severity: .high,
            tactics: ["TA0043"], techniques: ["T1046"], entities: [attacker], ports: [22], start: now - 10_000,
            end: now, windowStart: now - 10_000,
            evidence: Evidence(observed: 9, threshold: 5, unit: "ports", flows: 9, packets: 9, octets: 900), update: 0)
        guard let incident = try sources.incidents.record([finding], tenant: id, at: now).first?.incident else {
            throw Missing()
        }
        tenant.names.incident = incident.id
        var scope = IncidentException.Scope()
        scope.rules = ["nothing-\(mark)"]
        tenant.names.exception =
            try sources.incidents.addException(
                scope, reason: mark, owner: mark, expires: now + 3_600_000, tenant: id, by: mark, at: now
            ).id
        try restoreNetworks(tenant, sources)
        try restoreRule(tenant, sources)
        guard
            let heartbeat = Heartbeat(
                json: Array(
                    """
                    {"version":"\(mark)","fidelity":"full","spool":{"batches":0,"bytes":0,"bytesMax":1},"deadLetters":0,
                    "ledger":[]}
                    """.utf8))
        else { throw Missing() }
        for (site, name) in [("hq", "s\(mark)"), ("lab", "lab\(mark)")] {
            sources.sensors.heard(heartbeat, from: SensorIdentity(tenant: id, site: site, name: name), at: now)
        }
    }
    static func restoreNetworks(_ tenant: Tenant, _ sources: APISources) throws {
        try sources.control.setNamedNetworks(
            tenant.names.networks, ["\(tenant.names.host)/128"], of: tenant.id, by: "test", at: now)
    }
    static func restoreRule(_ tenant: Tenant, _ sources: APISources) throws {
        _ = try sources.control.setSigmaRule(
            tenant.names.rule, text: rule(tenant.names.rule), state: "test", level: nil, of: tenant.id, by: "test",
            at: now)
        sources.sigma.changed(tenant.id)
    }
    static func rule(_ name: String) -> String {
        "title: \(name)\nname: \(name)\nlogsource: {category: firewall}\n"
            + "detection:\n    s: {dst_port: 443}\n    condition: s\n"
    }

    private static func addDesks(_ tenants: [Tenant], to sources: inout APISources) {
        let channels = Dictionary(uniqueKeysWithValues: tenants.map { ($0.id, $0.names.channel) })
        sources.notify = NotifyDesk(
            policy: MitigationPolicy(), channels: { channels[$0].map { [$0] } ?? [] },
            outbox: { tenant in
                guard let channel = channels[tenant] else { return [] }
                var outbox = Outbox()
                let added = outbox.add(Delivery(channel: channel, message: .test(of: tenant, at: now)), at: now)
                return added.compactMap { if case .save(let entry) = $0 { entry } else { nil } }
            }, test: { tenant, name in channels[tenant] == name ? .delivered : nil })
        var own: [TenantID: Intelligence] = [:]
        for tenant in tenants {
            guard let subject = IndicatorSubject(tenant.names.host) else { continue }
            var source = FeedSource(name: "feed-\(tenant.mark)")
            source.weight = 1
            let indicator = Indicator(
                subject, confidence: 80, lastSeen: now,
                context: IndicatorContext(labels: ["c2"], malwareFamily: tenant.mark))
            own[tenant.id] = Intelligence(
                indicators: IndicatorSet([(source, [indicator])]), allowed: AllowTable(), rules: ScoreRules())
        }
        sources.knowledge.intelligence.replace(shared: .none, own: own)
    }
}
