internal import GRDB
package import Identity

/// Which sensors are revoked or in quarantine. Each change is an event; listeners look every few seconds.
extension ControlLog {
    /// All tenants', for the listener.
    package func sensorStandings() throws(ControlError) -> SensorStandings {
        try read { db in
            SensorStandings(
                try Row.fetchAll(db, sql: "SELECT * FROM sensorMark").compactMap(Self.mark),
                issued: try Row.fetchAll(db, sql: "SELECT * FROM sensorCertificate").compactMap(Self.issued))
        }
    }
    /// One tenant's, by site and name.
    package func sensorMarks(of tenant: TenantID) throws(ControlError) -> [SensorMark] {
        try read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM sensorMark WHERE tenant = ? ORDER BY site, name, kind, serial",
                arguments: [tenant.rawValue]
            ).compactMap(Self.mark)
        }
    }

    /// Marks a sensor, of which nothing need have been heard yet. A mark that is there already stays as it is.
    /// - Parameter serial: of the one certificate that is revoked; nil: all that the sensor has.
    package func mark(
        _ sensor: SensorIdentity, _ kind: SensorMark.Kind, serial: String? = nil, reason: String, by actor: String,
        at now: Int64
    ) throws(ControlError) {
        guard serial.map(SensorMark.isSerial) ?? true, serial == nil || kind == .revoked,
            reason.utf8.count <= SensorMark.reasonOctetsMax
        else { throw .badName(serial ?? "") }
        try write { db in
            guard try Self.tenantID(sensor.tenant, in: db) != nil else {
                throw ControlError.unknownTenant(sensor.tenant)
            }
            let count = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM sensorMark WHERE tenant = ?", arguments: [sensor.tenant.rawValue])
            guard (count ?? 0) < SensorMark.marksMax else { throw ControlError.tooManyNames(max: SensorMark.marksMax) }
            try db.execute(
                sql: """
                    INSERT OR IGNORE INTO sensorMark
                        (tenant, site, name, kind, serial, reason, atMilliseconds, actor)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    sensor.tenant.rawValue, sensor.site, sensor.name, kind.rawValue, serial ?? "", reason, now, actor,
                ])
            guard db.changesCount > 0 else { return }
            try Self.note(
                kind == .revoked ? "sensorRevoked" : "sensorQuarantined", tenant: sensor.tenant,
                subject: Self.subject(sensor, serial), by: actor, at: now, in: db)
        }
    }

    /// - Returns: false when there was no such mark.
    package func unmark(
        _ sensor: SensorIdentity, _ kind: SensorMark.Kind, serial: String? = nil, by actor: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            try db.execute(
                sql: "DELETE FROM sensorMark WHERE tenant = ? AND site = ? AND name = ? AND kind = ? AND serial = ?",
                arguments: [sensor.tenant.rawValue, sensor.site, sensor.name, kind.rawValue, serial ?? ""])
            guard db.changesCount > 0 else { return false }
            try Self.note(
                kind == .revoked ? "sensorRestored" : "sensorReleased", tenant: sensor.tenant,
                subject: Self.subject(sensor, serial), by: actor, at: now, in: db)
            return true
        }
    }

    /// What was held back of a sensor is thrown away by somebody: said before it is done.
    package func noteDiscard(
        _ sensor: SensorIdentity, batches: Int, by actor: String, at now: Int64
    ) throws(ControlError) {
        try write { db in
            try Self.note(
                "heldBatchesDiscarded", tenant: sensor.tenant, subject: Self.subject(sensor, nil) + " \(batches)",
                by: actor, at: now, in: db)
        }
    }

    static func subject(_ sensor: SensorIdentity, _ serial: String?) -> String {
        "\(sensor.site):\(sensor.name)" + (serial.map { " certificate \($0)" } ?? "")
    }
    static func sensor(_ row: Row) -> SensorIdentity? {
        TenantID(row["tenant"] as String).map { SensorIdentity(tenant: $0, site: row["site"], name: row["name"]) }
    }
    static func mark(_ row: Row) -> SensorMark? {
        guard let sensor = sensor(row), let kind = SensorMark.Kind(rawValue: row["kind"]) else { return nil }
        let serial = row["serial"] as String
        return SensorMark(
            sensor: sensor, kind: kind, serial: serial.isEmpty ? nil : serial, reason: row["reason"],
            atMilliseconds: row["atMilliseconds"], actor: row["actor"])
    }
    static func issued(_ row: Row) -> IssuedCertificate? {
        sensor(row).map {
            IssuedCertificate(
                sensor: $0, serial: row["serial"], issuedMilliseconds: row["issuedMilliseconds"],
                expiresMilliseconds: row["expiresMilliseconds"], key: row["key"])
        }
    }
}
