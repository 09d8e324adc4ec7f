internal import Ship
internal import Spool
internal import Telemetry

/// What a sensor needs. It goes on without an aggregator and without a certificate: only its intake can't be missed.
/// - Parameter nowMilliseconds: since 1970 UTC.
func healthChecks(
    intakeFailure: String?, shipping: ShipStatus, spool: SpoolUsage, nowMilliseconds: Int64
) -> [HealthCheck] {
    let expiry = shipping.certificateExpiryMilliseconds
    let fullPercent = spool.bytesMax > 0 ? spool.bytes * 100 / spool.bytesMax : 0
    return [
        HealthCheck("intake", problem: intakeFailure),
        HealthCheck("spool", problem: fullPercent >= 90 ? "\(fullPercent) % full" : nil, isNeeded: false),
        HealthCheck("dead-letters", problem: deadLetters(spool.deadLetters), isNeeded: false),
        HealthCheck(
            "certificate",
            problem: expiry.map { $0 > nowMilliseconds } == true ? nil : "none that is valid now", isNeeded: false),
        HealthCheck(
            "aggregator",
            problem: shipping.connectedEndpoint == nil ? "not connected; flows are spooled" : nil, isNeeded: false),
    ]
}
private func deadLetters(_ count: Int) -> String? {
    count > 0 ? "\(count) batches that no aggregator took: weir-sensor dead-letters" : nil
}
