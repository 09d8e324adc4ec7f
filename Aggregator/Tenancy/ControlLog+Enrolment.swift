internal import GRDB
package import Identity

/// A token that makes whoever shows it first a certain sensor, as its tenant's administrators see it.
package struct OpenEnrolment: Hashable, Sendable {
    package let sensor: SensorIdentity
    package let madeMilliseconds: Int64, expiresMilliseconds: Int64, actor: String
}

/// How a sensor comes by its first certificate: with a token that an administrator made for it, once. Of tokens only
/// the digest is kept. Every certificate that is given out is written down, with its key's digest.
extension ControlLog {
    /// Makes a token for a sensor; one that was made for it before is no good any more.
    package func makeEnrolment(
        of sensor: SensorIdentity, until expires: Int64, by actor: String, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> OpaqueToken {
        let token = OpaqueToken(.enrolment, using: &generator)
        try write { db in
            guard try Self.tenantID(sensor.tenant, in: db) != nil else {
                throw ControlError.unknownTenant(sensor.tenant)
            }
            try db.execute(sql: "DELETE FROM enrolment WHERE expiresMilliseconds <= ?", arguments: [now])
            try Self.drop(sensor, in: db)
            let count = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM enrolment WHERE tenant = ?", arguments: [sensor.tenant.rawValue])
            guard (count ?? 0) < SensorMark.marksMax else { throw ControlError.tooManyNames(max: SensorMark.marksMax) }
            try Self.note(
                "enrolmentOffered", tenant: sensor.tenant, subject: Self.subject(sensor, nil), by: actor, at: now,
                in: db)
            try db.execute(
                sql: """
                    INSERT INTO enrolment
                        (sha256, tenant, site, name, madeMilliseconds, expiresMilliseconds, actor)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    token.digest, sensor.tenant.rawValue, sensor.site, sensor.name, now, expires, actor,
                ])
        }
        return token
    }

    /// Tokens that would do now, by site and name.
    package func enrolments(of tenant: TenantID, at now: Int64) throws(ControlError) -> [OpenEnrolment] {
        try read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM enrolment WHERE tenant = ? AND expiresMilliseconds > ? ORDER BY site, name",
                arguments: [tenant.rawValue, now]
            ).map {
                OpenEnrolment(
                    sensor: SensorIdentity(tenant: tenant, site: $0["site"], name: $0["name"]),
                    madeMilliseconds: $0["madeMilliseconds"], expiresMilliseconds: $0["expiresMilliseconds"],
                    actor: $0["actor"])
            }
        }
    }
    /// - Returns: false when there was no token for the sensor.
    package func withdrawEnrolment(
        of sensor: SensorIdentity, by actor: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            try Self.drop(sensor, in: db)
            guard db.changesCount > 0 else { return false }
            try Self.note(
                "enrolmentWithdrawn", tenant: sensor.tenant, subject: Self.subject(sensor, nil), by: actor, at: now,
                in: db)
            return true
        }
    }

    /// Who `text` would make of somebody now. Asked before anything is signed; `enrol` asks again.
    package func enrolling(_ text: String, at now: Int64) throws(ControlError) -> SensorIdentity? {
        guard let token = OpaqueToken(text, for: .enrolment) else { return nil }
        return try read { try Self.sensor(of: token, at: now, in: $0) }
    }
    /// Uses a token up for a certificate that has been signed and not yet been given out.
    /// - Returns: false: the token is no good, or the key has been another certificate's: give nothing out.
    package func enrol(_ text: String, _ certificate: IssuedCertificate, at now: Int64) throws(ControlError) -> Bool {
        guard let token = OpaqueToken(text, for: .enrolment) else { return false }
        return try write { db in
            guard try Self.sensor(of: token, at: now, in: db) == certificate.sensor,
                try Self.keep(certificate, "sensorEnrolled", by: "enrolment", at: now, in: db)
            else { return false }
            try db.execute(sql: "DELETE FROM enrolment WHERE sha256 = ?", arguments: [token.digest])
            return true
        }
    }
    /// Writes down a certificate that follows another one.
    /// - Returns: false: the key has been another certificate's before, or the sensor is revoked: give nothing out.
    package func renew(
        _ certificate: IssuedCertificate, after serial: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            let standings = SensorStandings(
                try Row.fetchAll(db, sql: "SELECT * FROM sensorMark").compactMap(Self.mark),
                issued: try Row.fetchAll(db, sql: "SELECT * FROM sensorCertificate").compactMap(Self.issued))
            guard !standings.isRevoked(certificate.sensor, serial: serial) else { return false }
            return try Self.keep(certificate, "certificateRenewed", by: "sensor", at: now, in: db)
        }
    }

    /// How long certificates are remembered that have ended: their keys are not to come back.
    private static let rememberedMilliseconds: Int64 = 90 * 86_400_000

    private static func keep(
        _ certificate: IssuedCertificate, _ kind: String, by actor: String, at now: Int64, in db: Database
    ) throws -> Bool {
        let before = try Int.fetchOne(
            db, sql: "SELECT count(*) FROM sensorCertificate WHERE key = ?", arguments: [certificate.key])
        guard before == 0 else { return false }
        try db.execute(
            sql: "DELETE FROM sensorCertificate WHERE expiresMilliseconds <= ?",
            arguments: [now - rememberedMilliseconds])
        let sensor = certificate.sensor
        try note(
            kind, tenant: sensor.tenant, subject: subject(sensor, certificate.serial), by: actor, at: now, in: db)
        try db.execute(
            sql: """
                INSERT INTO sensorCertificate
                    (serial, tenant, site, name, issuedMilliseconds, expiresMilliseconds, key)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                certificate.serial, sensor.tenant.rawValue, sensor.site, sensor.name, certificate.issuedMilliseconds,
                certificate.expiresMilliseconds, certificate.key,
            ])
        return true
    }
    private static func drop(_ sensor: SensorIdentity, in db: Database) throws {
        try db.execute(
            sql: "DELETE FROM enrolment WHERE tenant = ? AND site = ? AND name = ?",
            arguments: [sensor.tenant.rawValue, sensor.site, sensor.name])
    }
    private static func sensor(of token: OpaqueToken, at now: Int64, in db: Database) throws -> SensorIdentity? {
        let row = try Row.fetchOne(
            db, sql: "SELECT * FROM enrolment WHERE sha256 = ? AND expiresMilliseconds > ?",
            arguments: [token.digest, now])
        return row.flatMap(sensor)
    }
}
