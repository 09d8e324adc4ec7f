package import Detect
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
package import Identity
internal import Platform
package import Tenancy

/// `PUT /v1/detectors/limits`: what a tenant's own people set about the built-in detectors, over the operator's
/// settings.
struct DetectorLimitRoutes {
    let desk: DetectorDesk, control: ControlLog, time: any TimeSource

    private static let bodyBytesMax = 16 << 10

    func add(to router: PolicedRoutes) {
        router.put("/v1/detectors/limits") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let body = try await request.body.collect(upTo: Self.bodyBytesMax)
            let asked = try OwnLimits(Array(body.readableBytesView))
            _ = try asked.tuning { throw $0 }
            try desk.set(asked, of: principal.tenant, by: principal.keyID, in: control, at: time.wallMilliseconds())
            return try jsonResponse(OwnLimitsBody(of: principal.tenant, in: control))
        }
    }
}

/// `{"limits":{"scanPortsMin":12},"off":["new-*"]}`, as people write it and as it is kept.
struct OwnLimits: Codable {
    var limits: [String: Double]?, off: [String]?

    init(_ octets: [UInt8]) throws(Problem) {
        guard let own = try? JSONDecoder().decode(OwnLimits.self, from: Data(octets)) else {
            throw Self.wrong(
                #"It should be {"limits":{"scanPortsMin":12},"off":["new-*"]}; what is left out is the operator's"#
            )
        }
        self = own
    }

    /// - Parameter refuse: what to do about what can't be set: throw it, or pass it over.
    func tuning(_ refuse: (Problem) throws -> Void) rethrows -> DetectorTuning {
        var tuning = DetectorTuning()
        for (name, value) in (limits ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let problem = tuning.setForTenant(name, value) { try refuse(Self.wrong("limits.\(name): \(problem)")) }
        }
        let patterns = off ?? []
        for pattern in patterns where DetectorTuning.rules(pattern).isEmpty {
            try refuse(Self.wrong("off: \"\(pattern)\" is no built-in rule; GET /v1/detectors lists them"))
        }
        let known = patterns.filter { !DetectorTuning.rules($0).isEmpty }
        if !known.isEmpty { _ = tuning.setOff(known) }
        return tuning
    }
    private static func wrong(_ detail: String) -> Problem {
        Problem(.badRequest, "bad-body", "The body is wrong", detail: detail)
    }
}

/// What a tenant's own people have set last.
struct OwnLimitsBody: Encodable {
    let limits: [String: Double], off: [String]
    /// From 1; 0: nothing was ever set.
    let version: Int
    let at: String?, by: String?

    init(of tenant: TenantID, in control: ControlLog) throws {
        let kept = try control.detectorLimits(of: tenant)
        let own = try kept.map { try OwnLimits(Array($0.text.utf8)) }
        (limits, off, version) = (own?.limits ?? [:], own?.off ?? [], kept?.version ?? 0)
        at = kept.map { EventTime($0.atMilliseconds).description }
        by = kept?.actor
    }
}

extension DetectorDesk {
    /// Keeps it, and has it hold.
    func set(_ own: OwnLimits, of tenant: TenantID, by actor: String, in control: ControlLog, at now: Int64) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let text = String(decoding: try encoder.encode(own), as: UTF8.self)
        // One at a time, so that what is kept last holds.
        try inTurn {
            _ = try control.setDetectorLimits(text, of: tenant, by: actor, at: now)
            limits.set(own.tuning { _ in }, of: tenant)
        }
    }
    /// What tenants' people had set before the start. What can't be set any more, as of an older program, is passed
    /// over.
    package static func kept(in control: ControlLog) throws -> [TenantID: DetectorTuning] {
        var all: [TenantID: DetectorTuning] = [:]
        for tenant in try control.tenants() {
            guard let kept = try control.detectorLimits(of: tenant) else { continue }
            guard let own = try? OwnLimits(Array(kept.text.utf8)) else { continue }
            let tuning = own.tuning { _ in }
            if !tuning.isEmpty { all[tenant] = tuning }
        }
        return all
    }
}
