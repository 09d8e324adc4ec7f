/// Names of tenants, sites and sensors, and the SPIFFE ID that carries them in a certificate. Pure text: reading
/// certificates is the business of `HTTP2Client` and `ServerChannel`.

/// A tenant's name: the boundary that no data crosses. One to 63 of `a-z 0-9 -`, neither first nor last a hyphen (a
/// DNS label, RFC 1035).
package struct TenantID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let rawValue: String
    package var description: String { rawValue }
    /// Nil when `text` is not a DNS label in lower case.
    package init?(_ text: some StringProtocol) {
        let name = String(text)
        guard isLabel(name) else { return nil }
        rawValue = name
    }
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = TenantID(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a tenant name"))
        }
        self = id
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

/// Who a sensor is: what its certificate says, and nothing else.
package struct SensorIdentity: Hashable, Sendable {
    package let tenant: TenantID
    package let site: String
    package let name: String
    package init(tenant: TenantID, site: String, name: String) {
        self.tenant = tenant
        self.site = site
        self.name = name
    }
}

/// A SPIFFE ID of one of the two shapes that Weir uses (SPIFFE-ID §2, X509-SVID §2):
///     spiffe://<trust-domain>/tenant/<tenant>/site/<site>/sensor/<name>
///     spiffe://<trust-domain>/aggregator/<name>
package struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
    package enum Path: Hashable, Sendable {
        case sensor(SensorIdentity)
        case aggregator(name: String)
    }
    package let trustDomain: String
    package let path: Path

    package static let octetsMax = 2_048

    package init(trustDomain: String, path: Path) {
        self.trustDomain = trustDomain
        self.path = path
    }

    package var description: String {
        switch path {
        case .sensor(let id): "spiffe://\(trustDomain)/tenant/\(id.tenant)/site/\(id.site)/sensor/\(id.name)"
        case .aggregator(let name): "spiffe://\(trustDomain)/aggregator/\(name)"
        }
    }
    package var sensor: SensorIdentity? {
        if case .sensor(let identity) = path { identity } else { nil }
    }

    /// - Throws: `SPIFFEError`, first fault first. Upper case, `%`, ports, queries, fragments, empty or dotted segments
    ///   are all refused.
    package init(_ text: String) throws(SPIFFEError) {
        guard text.utf8.count <= Self.octetsMax else { throw .tooLong }
        guard text.hasPrefix("spiffe://") else { throw .badScheme }
        let segments = text.dropFirst("spiffe://".count).split(separator: "/", omittingEmptySubsequences: false)
        guard let domain = segments.first, isTrustDomain(domain) else { throw .badTrustDomain }
        guard segments.dropFirst().allSatisfy(isSegment) else { throw .badPath }
        trustDomain = String(domain)
        path = try Self.path(of: segments.dropFirst().map(String.init))
    }

    private static func path(of segments: [String]) throws(SPIFFEError) -> Path {
        if segments.count == 2, segments[0] == "aggregator" { return .aggregator(name: segments[1]) }
        guard segments.count == 6, segments[0] == "tenant", segments[2] == "site", segments[4] == "sensor" else {
            throw .badPath
        }
        guard let tenant = TenantID(segments[1]) else { throw .badTenant }
        return .sensor(SensorIdentity(tenant: tenant, site: segments[3], name: segments[5]))
    }
}

/// Why a name in a certificate is not an identity.
package enum SPIFFEError: Error, Equatable, Sendable {
    case tooLong, badScheme, badTrustDomain, badPath, badTenant
    /// SPIFFE demands exactly one URI name; this many were there.
    case uriNames(Int)
    /// A sound ID of another trust domain.
    case foreignTrustDomain(String)
    /// A sound ID of the wrong kind, such as an aggregator's where a sensor's is wanted.
    case wrongKind
}

private func isLabel(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-") && text.last != "-"
        && text.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
}
private func isTrustDomain(_ text: Substring) -> Bool {
    (1...255).contains(text.utf8.count)
        && text.utf8.allSatisfy {
            isLowerOrDigit($0) || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains($0)
        }
}
/// SPIFFE allows more; Weir's names are lower case so that two spellings are never one thing on some file system.
private func isSegment(_ text: Substring) -> Bool {
    (1...63).contains(text.utf8.count) && text != "." && text != ".."
        && text.utf8.allSatisfy {
            isLowerOrDigit($0) || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains($0)
        }
}
private func isLowerOrDigit(_ octet: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
}
