internal import Detect
internal import HTTPTypes
internal import Hummingbird
package import Identity
internal import Platform
internal import Tenancy

/// What a node does about sensors that are revoked or in quarantine.
package struct SensorControl: Sendable {
    /// A mark was made or taken away: what listeners go by is to be read anew.
    package let changed: @Sendable () -> Void
    /// How much is held of a sensor.
    package let held: @Sendable (SensorIdentity) -> (batches: Int, bytes: Int)
    /// Throws away what is held of a sensor, and says how many batches that were.
    package let discard: @Sendable (SensorIdentity) -> Int

    package init(
        changed: @escaping @Sendable () -> Void,
        held: @escaping @Sendable (SensorIdentity) -> (batches: Int, bytes: Int),
        discard: @escaping @Sendable (SensorIdentity) -> Int
    ) {
        (self.changed, self.held, self.discard) = (changed, held, discard)
    }
    package static let none = SensorControl(changed: {}, held: { _ in (0, 0) }, discard: { _ in 0 })
}

/// `GET /v1/sensors/marks`, `PUT` and `DELETE /v1/sensors/{id}/quarantine` and `…/revocation`, `DELETE
/// /v1/sensors/{id}/held`: which sensors are let in, and whose batches count. Of a sensor that was never heard of, too.
struct SensorMarkRoutes {
    let control: ControlLog, sensors: SensorControl, time: any TimeSource

    private static let bodyBytesMax = 4 << 10

    func add(to router: PolicedRoutes) {
        router.get("/v1/sensors/marks") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            let marks = try control.sensorMarks(of: caller.tenant).filter { caller.reach.holds(site: $0.sensor.site) }
            return try jsonResponse(
                ["items": marks.map { MarkBody($0, held: sensors.held($0.sensor)) }])
        }
        router.put("/v1/sensors/{id}/quarantine") { try await mark($0, $1, .quarantined) }
        router.delete("/v1/sensors/{id}/quarantine") { try unmark($0, $1, .quarantined) }
        router.put("/v1/sensors/{id}/revocation") { try await mark($0, $1, .revoked) }
        router.delete("/v1/sensors/{id}/revocation") { try unmark($0, $1, .revoked) }
        router.delete("/v1/sensors/{id}/held") { request, context in
            let caller = try context.caller, sensor = try Self.sensor(context)
            _ = try Parameters(request, allowed: [])
            let count = sensors.held(sensor).batches
            guard count > 0 else { throw Problem.notFound }
            try control.noteDiscard(sensor, batches: count, by: caller.keyID, at: time.wallMilliseconds())
            return try jsonResponse(["batches": sensors.discard(sensor)])
        }
    }

    private func mark(
        _ request: Request, _ context: APIContext, _ kind: SensorMark.Kind
    ) async throws -> Response {
        let caller = try context.caller, sensor = try Self.sensor(context)
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(MakeMark.self, of: request, bytesMax: Self.bodyBytesMax)
        guard asked.serial.map(SensorMark.isSerial) ?? true, asked.serial == nil || kind == .revoked else {
            throw Problem.badBody("serial: lower-case hexadecimal digits of a certificate's serial number")
        }
        guard (1...SensorMark.reasonOctetsMax).contains(asked.reason.utf8.count) else {
            throw Problem.badBody("reason: 1 to \(SensorMark.reasonOctetsMax) octets")
        }
        try control.mark(
            sensor, kind, serial: asked.serial, reason: asked.reason, by: caller.keyID, at: time.wallMilliseconds())
        sensors.changed()
        return Response(status: .noContent)
    }
    private func unmark(_ request: Request, _ context: APIContext, _ kind: SensorMark.Kind) throws -> Response {
        let caller = try context.caller, sensor = try Self.sensor(context)
        let serial = try Parameters(request, allowed: ["serial"]).text("serial")
        guard
            try control.unmark(sensor, kind, serial: serial, by: caller.keyID, at: time.wallMilliseconds())
        else { throw Problem.notFound }
        sensors.changed()
        return Response(status: .noContent)
    }

    /// The caller's own sensor of that id, at a site that the caller sees; there need not be one.
    static func sensor(_ context: APIContext) throws -> SensorIdentity {
        let caller = try context.caller
        guard let sensor = SensorIdentity(id: try context.parameters.require("id"), of: caller.tenant),
            caller.reach.holds(site: sensor.site)
        else { throw Problem.notFound }
        return sensor
    }
}

extension SensorIdentity {
    /// - Parameter id: SITE:NAME.
    init?(id: String, of tenant: TenantID) {
        let parts = id.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2,
            let read = try? SPIFFEID("spiffe://x/tenant/\(tenant)/site/\(parts[0])/sensor/\(parts[1])").sensor,
            read == SensorIdentity(tenant: tenant, site: parts[0], name: parts[1])
        else { return nil }
        self = read
    }
}

private struct MakeMark: Decodable { let reason: String, serial: String? }
private struct MarkBody: Encodable {
    let id: String, kind: String, serial: String?, reason: String, actor: String, at: EventTime
    let heldBatches: Int, heldOctets: Int

    init(_ mark: SensorMark, held: (batches: Int, bytes: Int)) {
        id = "\(mark.sensor.site):\(mark.sensor.name)"
        (kind, serial, reason, actor) = (mark.kind.rawValue, mark.serial, mark.reason, mark.actor)
        at = EventTime(mark.atMilliseconds)
        (heldBatches, heldOctets) = (held.batches, held.bytes)
    }
}
