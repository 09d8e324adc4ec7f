package import Settings

/// The authority that sensors enrol at.
///
/// - `enrolment.certificate` (path): PEM, of the authority whose key the aggregator has. Nobody enrols without.
/// - `enrolment.key` (`file:PATH` or `env:NAME`, required then): its private key in PEM.
/// - `enrolment.life` (duration, `24h`, 1m…90d): of a sensor's certificate; it is renewed at half of that.
/// - `enrolment.trust` (path, `sensors.trust`): PEM, what sensors are to believe: the authorities of both listeners.
package struct EnrolmentSettings: Equatable, Sendable {
    package let certificate: String, key: SecretReference, life: Duration, trust: String

    /// - Parameter trust: the path that counts without `enrolment.trust`.
    /// - Throws: the first wrong key.
    package init?(_ reader: SettingsReader, trust fallback: String) throws(SettingError) {
        let certificate = try reader.optionalPath(of: "certificate")
        let key = try reader.optionalSecret("key")
        life = try reader.duration("life", default: .seconds(86_400), in: .seconds(60) ... .seconds(90 * 86_400))
        trust = try reader.optionalPath(of: "trust") ?? fallback
        guard let certificate else {
            guard key == nil else { throw reader.error("certificate", "missing, and there is enrolment.key") }
            return nil
        }
        guard let key else { throw reader.error("key", "missing, and there is enrolment.certificate") }
        self.certificate = certificate
        if case .file(let path) = key { self.key = .file(reader.resolved(path)) } else { self.key = key }
    }
}
