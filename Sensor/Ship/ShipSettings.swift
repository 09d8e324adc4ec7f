package import HTTP2Client
internal import Identity

/// The limits of shipping, all in one place.
package struct ShipSettings: Sendable {
    /// Aggregators, or load balancers before them, in the order they are tried.
    package let endpoints: [HTTP2Endpoint]
    /// An aggregator must be of this trust domain.
    package let trustDomain: String
    package var files: TLSFiles
    package var inFlightBatchesMax = 4
    package var inFlightBytesMax = 8 << 20
    /// Batches whose state is kept in memory: more would only matter if so many were backing off at once.
    package var knownBatchesMax = 256
    package var backOffMin = Duration.milliseconds(500)
    package var backOffMax = Duration.seconds(60)
    /// Answers that name another digest than ours, before the batch is set aside.
    package var strangeDigestsMax = 5
    package var heartbeatEvery = Duration.seconds(10)
    /// How often the certificate files are looked at.
    package var filesCheckedEvery = Duration.seconds(2)
    /// Whether the certificate is renewed over the connection that it made: key and certificate are one file then.
    package var renewsCertificate = false
    /// The source is asked this often although nobody woke the shipper.
    package var sourceAskedEvery = Duration.seconds(1)
    package var patience = HTTP2Connection.Patience()
    /// With several endpoints: how long a request may go without progress before the next one is tried.
    package var hangAfter = Duration.seconds(3)

    var endpointCount: Int { endpoints.count }

    /// - Precondition: there is an endpoint.
    package init(endpoints: [HTTP2Endpoint], trustDomain: String, files: TLSFiles) {
        precondition(!endpoints.isEmpty, "settings are validated before they come here")
        self.endpoints = endpoints
        self.trustDomain = trustDomain
        self.files = files
    }

    /// Why the server with this URI name is not an aggregator of ours; nil when it is.
    package static func refusal(of uriName: String, trustDomain: String) -> String? {
        let id: SPIFFEID
        do {
            id = try SPIFFEID(uriName)
        } catch {
            return "not one of Weir's SPIFFE IDs (\(error))"
        }
        guard id.trustDomain == trustDomain else { return "its trust domain is \(id.trustDomain), ours \(trustDomain)" }
        guard case .aggregator = id.path else { return "it is no aggregator" }
        return nil
    }
}
