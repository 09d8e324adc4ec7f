import Identity
import Tenancy
import TestKit
import Testing

@Suite("Marks of sensors, their enrolment and certificates") struct SensorMarkTests {
    private let folder: TemporaryFolder, log: ControlLog, edge: SensorIdentity, other: SensorIdentity

    init() throws {
        folder = try TemporaryFolder("weir-marks")
        log = try ControlLog(folder: folder.path)
        let acme = try #require(TenantID("acme")), globex = try #require(TenantID("globex"))
        for tenant in [acme, globex] { try log.createTenant(tenant, by: "test", at: 1) }
        edge = SensorIdentity(tenant: acme, site: "hq", name: "edge1")
        other = SensorIdentity(tenant: globex, site: "hq", name: "edge1")
    }
    private func certificate(_ serial: String, at issued: Int64, key: String? = nil) -> IssuedCertificate {
        IssuedCertificate(
            sensor: edge, serial: serial, issuedMilliseconds: issued, expiresMilliseconds: issued + 1_000,
            key: key ?? "key of \(serial)")
    }
    private func token(at now: Int64 = 10, until end: Int64 = 100) throws -> String {
        var chance = SystemRandomNumberGenerator()
        return try log.makeEnrolment(of: edge, until: end, by: "test", at: now, using: &chance).secret
    }

    @Test("a revoked sensor stays out with what it had, in another process too, and is in with what it got afterwards")
    func revoked() throws {
        let first = try token()
        #expect(try log.enrol(first, certificate("0a", at: 20), at: 20))
        try log.mark(edge, .revoked, reason: "stolen", by: "test", at: 30)
        let elsewhere = try ControlLog(folder: folder.path).sensorStandings()
        #expect(elsewhere.isRevoked(edge, serial: "0a") && elsewhere.isRevoked(edge, serial: "ff"))
        #expect(!elsewhere.isRevoked(other, serial: "0a"), "another tenant's of the same name")
        #expect(try !log.renew(certificate("0b", at: 40), after: "0a", at: 40), "by who stole it")
        let second = try token(at: 40)
        #expect(try log.enrol(second, certificate("0c", at: 50), at: 50))
        let standings = try log.sensorStandings()
        #expect(!standings.isRevoked(edge, serial: "0c") && standings.isRevoked(edge, serial: "0a"))
        #expect(try log.renew(certificate("0d", at: 60), after: "0c", at: 60))
        #expect(try !log.sensorStandings().isRevoked(edge, serial: "0d"))
        #expect(try log.unmark(edge, .revoked, by: "test", at: 70))
        #expect(try !log.unmark(edge, .revoked, by: "test", at: 70))
        let kinds = try log.events(of: edge.tenant, AuditQuestion()).map(\.entry.kind)
        let all = [
            "sensorRestored", "certificateRenewed", "sensorEnrolled", "enrolmentOffered", "sensorRevoked",
            "sensorEnrolled", "enrolmentOffered", "tenantCreated",
        ]
        #expect(kinds == all)
    }

    @Test("one certificate is revoked alone; a mark twice is one; what is no serial number is refused") func serial()
        throws
    {
        try log.mark(edge, .revoked, serial: "0a", reason: "x", by: "test", at: 2)
        try log.mark(edge, .revoked, serial: "0a", reason: "y", by: "test", at: 3)
        let standings = try log.sensorStandings()
        #expect(standings.isRevoked(edge, serial: "0a") && !standings.isRevoked(edge, serial: "0b"))
        #expect(try log.sensorMarks(of: edge.tenant).map(\.reason) == ["x"])
        #expect(try log.sensorMarks(of: other.tenant).isEmpty)
        for bad in ["", "0", "0A", "0g", String(repeating: "0", count: 42)] {
            #expect(throws: ControlError.badName(bad)) {
                try log.mark(edge, .revoked, serial: bad, reason: "x", by: "test", at: 4)
            }
        }
        #expect(throws: ControlError.badName("0a")) {
            try log.mark(edge, .quarantined, serial: "0a", reason: "x", by: "test", at: 4)
        }
        try log.mark(edge, .quarantined, reason: "x", by: "test", at: 5)
        #expect(try log.sensorStandings().quarantined == [edge])
    }

    @Test("a token is good once, for its time, until another is made or it is taken back; a key is one certificate's")
    func tokens() throws {
        let old = try token(), new = try token()
        #expect(try log.enrolling(old, at: 20) == nil && log.enrolling(new, at: 20) == edge)
        #expect(try log.enrolling(new, at: 100) == nil, "too late")
        #expect(try log.enrolments(of: edge.tenant, at: 20).map(\.sensor) == [edge])
        #expect(try log.enrol(new, certificate("0a", at: 20, key: "k"), at: 20))
        #expect(try !log.enrol(new, certificate("0b", at: 20), at: 20), "twice")
        let third = try token()
        #expect(try !log.enrol(third, certificate("0b", at: 20, key: "k"), at: 20), "the key was another's")
        #expect(try log.enrolling(third, at: 20) == edge, "and the token is good still")
        #expect(try log.withdrawEnrolment(of: edge, by: "test", at: 30))
        #expect(try log.enrolling(third, at: 30) == nil)
        #expect(try !log.withdrawEnrolment(of: edge, by: "test", at: 30))
        #expect(try log.enrolling("nonsense", at: 30) == nil)
    }
}
