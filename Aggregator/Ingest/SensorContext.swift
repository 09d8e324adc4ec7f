package import Hummingbird
internal import Identity
internal import Logging
package import NIOCore
package import ServerChannel

/// What a sensor's request carries: who sent it, from its connection's certificate and from nowhere else.
package struct SensorContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// The request's own channel: an HTTP/2 stream.
    package let channel: any Channel
    package let peer: PeerIdentity?

    package init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
        peer = PeerIdentity.current
    }

    /// - Throws: on a listener that asks for no certificate, which would be our mistake: fails closed.
    func sensor() throws(IngestProblem) -> SensorIdentity {
        guard let sensor = peer?.id.sensor else { throw .noIdentity }
        return sensor
    }
}
