package import Identity

/// What people decided about a sensor, over what its certificate says.
package struct SensorMark: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Its connections are cut and refused.
        case revoked
        /// Its batches are kept apart, and nothing is detected in them.
        case quarantined
    }
    package let sensor: SensorIdentity, kind: Kind
    /// The one certificate that is meant, in lower-case hexadecimal digits; nil: the sensor.
    package let serial: String?
    package let reason: String
    package let atMilliseconds: Int64, actor: String

    package static let reasonOctetsMax = 400
    /// Of one tenant.
    package static let marksMax = 16_384

    /// Lower-case hexadecimal digits, two for each of up to 20 octets (RFC 5280 §4.1.2.2).
    package static func isSerial(_ text: String) -> Bool {
        (2...40).contains(text.utf8.count) && text.utf8.count.isMultiple(of: 2)
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

/// All marks of a node as a listener asks for them: a value, made anew whenever one changes.
package struct SensorStandings: Equatable, Sendable {
    /// Sensors that were revoked, and the certificates that they were given afterwards.
    private var revoked: [SensorIdentity: Set<String>] = [:]
    private var revokedSerials: [SensorIdentity: Set<String>] = [:]
    package private(set) var quarantined: Set<SensorIdentity> = []

    package init() {}
    /// - Parameter issued: of certificates that this cluster gave out.
    package init(_ marks: [SensorMark], issued: [IssuedCertificate]) {
        let issued = Dictionary(grouping: issued, by: \.sensor)
        for mark in marks {
            switch (mark.kind, mark.serial) {
            case (.quarantined, _): quarantined.insert(mark.sensor)
            case (.revoked, let serial?): revokedSerials[mark.sensor, default: []].insert(serial)
            case (.revoked, nil):
                let later = (issued[mark.sensor] ?? []).filter { $0.issuedMilliseconds > mark.atMilliseconds }
                revoked[mark.sensor] = Set(later.map(\.serial))
            }
        }
    }

    /// Whether who shows this certificate is sent away. A sensor that was revoked comes back with a certificate that
    /// it was given after that.
    package func isRevoked(_ sensor: SensorIdentity, serial: String) -> Bool {
        if revokedSerials[sensor]?.contains(serial) == true { return true }
        return revoked[sensor].map { !$0.contains(serial) } ?? false
    }
}

/// A certificate that was given to a sensor here.
package struct IssuedCertificate: Hashable, Sendable {
    package let sensor: SensorIdentity
    /// In lower-case hexadecimal digits.
    package let serial: String
    package let issuedMilliseconds: Int64, expiresMilliseconds: Int64
    /// SHA-256 of its SubjectPublicKeyInfo in lower-case hexadecimal digits.
    package let key: String

    package init(
        sensor: SensorIdentity, serial: String, issuedMilliseconds: Int64, expiresMilliseconds: Int64, key: String
    ) {
        (self.sensor, self.serial, self.key) = (sensor, serial, key)
        (self.issuedMilliseconds, self.expiresMilliseconds) = (issuedMilliseconds, expiresMilliseconds)
    }
}
