internal import Detect
internal import Enrolment
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Logging
internal import Platform
internal import Tenancy

/// How sensors come by certificates: an administrator makes a token for one (`POST /v1/sensors/{id}/enrolment`), the
/// machine at the site asks what to believe (`GET /v1/enrolment/authorities`), finds that it has the hash that the
/// token says, and shows the token once, with a request for a certificate (`POST /v1/enrolment`).
struct EnrolmentRoutes {
    let control: ControlLog, issuer: CertificateIssuer?, time: any TimeSource

    private static let bodyBytesMax = 16 << 10, minutes = 60, minutesMax = 7 * 24 * 60

    func add(to router: PolicedRoutes) {
        router.get("/v1/enrolment/authorities") { request, context in
            _ = try Parameters(request, allowed: [])
            let trust = try trust(context)
            return try jsonResponse(TrustBody(trust: trust.pem, sha256: trust.pin))
        }
        router.post("/v1/enrolment") { try await enrol($0, $1) }
        router.get("/v1/sensors/enrolments") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            let open = try control.enrolments(of: caller.tenant, at: time.wallMilliseconds())
            return try jsonResponse(
                ["items": open.filter { caller.reach.holds(site: $0.sensor.site) }.map(EnrolmentBody.init)])
        }
        router.post("/v1/sensors/{id}/enrolment") { try await offer($0, $1) }
        router.delete("/v1/sensors/{id}/enrolment") { request, context in
            let caller = try context.caller, sensor = try SensorMarkRoutes.sensor(context)
            _ = try Parameters(request, allowed: [])
            guard
                try control.withdrawEnrolment(of: sensor, by: caller.keyID, at: time.wallMilliseconds())
            else { throw Problem.notFound }
            return Response(status: .noContent)
        }
    }

    private func offer(_ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller, sensor = try SensorMarkRoutes.sensor(context)
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(MakeEnrolment.self, of: request, bytesMax: Self.bodyBytesMax)
        let minutes = asked.minutes ?? Self.minutes
        guard (1...Self.minutesMax).contains(minutes) else {
            throw Problem.badBody("minutes: \(minutes) is outside 1...\(Self.minutesMax)")
        }
        let pin = try trust(context).pin, now = time.wallMilliseconds(), end = now + Int64(minutes) * 60_000
        var chance = SystemRandomNumberGenerator()
        let token = try control.makeEnrolment(of: sensor, until: end, by: caller.keyID, at: now, using: &chance)
        return try jsonResponse(MadeEnrolment(token: "\(token.secret).\(pin)", expiresAt: EventTime(end)))
    }

    /// Only a request whose signature holds uses the token up, and only what was written down is given out.
    private func enrol(_ request: Request, _ context: APIContext) async throws -> Response {
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(EnrolBody.self, of: request, bytesMax: Self.bodyBytesMax)
        guard let issuer else { throw Problem.noAuthority }
        let token = asked.token.split(separator: ".").first.map(String.init) ?? "", now = time.wallMilliseconds()
        guard let sensor = try control.enrolling(token, at: now) else { throw Problem.badToken }
        do {
            var chance = SystemRandomNumberGenerator()
            let request = try CertificateRequest(pem: asked.request)
            let issued = try issuer.issue(request, to: sensor, at: now, using: &chance)
            let certificate = IssuedCertificate(
                sensor: sensor, serial: issued.serial, issuedMilliseconds: now,
                expiresMilliseconds: issued.expiresMilliseconds, key: request.keyDigest)
            guard try control.enrol(token, certificate, at: now) else { throw Problem.badToken }
            context.logger.notice(
                "A sensor was enrolled.",
                metadata: ["sensor": "\(sensor.tenant) \(sensor.site):\(sensor.name)", "serial": "\(issued.serial)"])
            return try jsonResponse(
                EnrolledBody(
                    certificate: issued.pem, trust: try trust(context).pem,
                    expiresAt: EventTime(issued.expiresMilliseconds)))
        } catch let error as EnrolmentError {
            throw refusal(error, context)
        }
    }

    private func trust(_ context: APIContext) throws -> (pem: String, pin: String) {
        guard let issuer else { throw Problem.noAuthority }
        do throws(EnrolmentError) { return try issuer.trust() } catch { throw refusal(error, context) }
    }
    private func refusal(_ error: EnrolmentError, _ context: APIContext) -> Problem {
        if case .badRequest(let problem) = error { return .badBody("request: \(problem)") }
        context.logger.error("No certificate can be given out.", metadata: ["error": "\(error)"])
        return .unavailable
    }
}

extension Problem {
    static let noAuthority = Problem(
        .serviceUnavailable, "no-authority", "No certificates are given out here",
        detail: "enrolment.certificate and enrolment.key are not set at this aggregator: sensors bring their own")
}

private struct TrustBody: Encodable { let trust: String, sha256: String }
private struct MakeEnrolment: Decodable { let minutes: Int? }
private struct MadeEnrolment: Encodable { let token: String, expiresAt: EventTime }
private struct EnrolBody: Decodable { let token: String, request: String }
private struct EnrolledBody: Encodable { let certificate: String, trust: String, expiresAt: EventTime }
private struct EnrolmentBody: Encodable {
    let id: String, actor: String, madeAt: EventTime, expiresAt: EventTime

    init(_ open: OpenEnrolment) {
        id = "\(open.sensor.site):\(open.sensor.name)"
        (actor, madeAt, expiresAt) =
            (open.actor, EventTime(open.madeMilliseconds), EventTime(open.expiresMilliseconds))
    }
}
