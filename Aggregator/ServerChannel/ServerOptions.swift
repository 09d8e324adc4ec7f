internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2

/// The limits of one listener. Every one is a bound on what a peer can make the server hold or do.
package struct ServerOptions: Sendable {
    /// The protocols offered by ALPN (RFC 7301), best first. A peer that picks none of them is refused.
    package var protocols = ["h2", "http/1.1"]
    /// HTTP/2 flow control (RFC 9113 §6.9), in octets: how much a peer may send ahead on a stream and on all of a
    /// connection. 64 KiB, the protocol's default, would give 0.7 MB/s over 50 ms.
    package var streamWindow = 1 << 20
    package var connectionWindow = 4 << 20
    package var concurrentStreamsMax = 32
    /// A request's header list in octets, counted as RFC 9113 §6.5.2 says.
    package var headerListBytesMax = 8 << 10
    /// When a connection gets its GOAWAY; nil lets it live. HTTP/2 only.
    package var connectionAgeMax: Duration?
    /// How long requests may go on after that GOAWAY, and after the one that a shutdown sends.
    package var graceMax: Duration = .seconds(10)
    /// Without a request; for a request, without progress.
    package var idleMax: Duration = .seconds(60)
    /// From a request's head to its end, however little by little it comes.
    package var requestMax: Duration = .seconds(120)
    /// How long a peer may take for what it is sent, in octets a second, once `idleMax` has gone by without progress.
    package var answerRateMin = 16 << 10
    /// PING, SETTINGS and PRIORITY frames in ten seconds.
    package var controlFramesMax = 60
    /// From accept to the end of TLS' handshake.
    package var handshakeMax: Duration = .seconds(10)
    package var connectionsMax = 4_096
    /// Whether WebSocket is offered over HTTP/2 (RFC 8441).
    package var offersWebSocket = false
    /// How long the end of a peer's certificate may be overlooked when the wall clock is set, and a revocation.
    package var expiryCheckInterval: Duration = .seconds(30)

    package init() {}

    /// For machines with certificates: HTTP/2 only, connections that come back every ten minutes to pick up new
    /// certificates and spread over the aggregators.
    package static var sensors: ServerOptions {
        var options = ServerOptions()
        options.protocols = ["h2"]
        options.connectionAgeMax = .seconds(600)
        options.idleMax = .seconds(300)
        options.expiryCheckInterval = .seconds(5)
        return options
    }
    /// For people and programs.
    package static var people: ServerOptions {
        var options = ServerOptions()
        options.concurrentStreamsMax = 100
        options.headerListBytesMax = 16 << 10
        // Browsers and proxies measure round trips with PING, and some send a PRIORITY with each request.
        options.controlFramesMax = 600
        options.offersWebSocket = true
        return options
    }

    var http2: NIOHTTP2Handler.Configuration {
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: concurrentStreamsMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: headerListBytesMax),
            HTTP2Setting(parameter: .initialWindowSize, value: streamWindow),
        ]
        if offersWebSocket {
            configuration.connection.initialSettings.append(HTTP2Setting(parameter: .enableConnectProtocol, value: 1))
        }
        configuration.connection.targetWindowSize = connectionWindow
        configuration.stream.targetWindowSize = streamWindow
        // Rapid Reset (CVE-2023-44487) and its kin. A sensor resets a stream only when a request timed out.
        configuration.stream.streamResetFrameRateLimit.maximumCount = 100
        configuration.connection.controlFrameRateLimit.maximumCount = controlFramesMax
        configuration.connection.controlFrameRateLimit.windowLength = .seconds(10)
        configuration.connection.maximumBufferedControlFrames = 1_000
        return configuration
    }
    var connectionManager: NIOHTTP2ServerConnectionManagementHandler.Configuration {
        NIOHTTP2ServerConnectionManagementHandler.Configuration(
            maxIdleTime: TimeAmount(idleMax), maxAge: connectionAgeMax.map { TimeAmount($0) },
            maxGraceTime: TimeAmount(graceMax), keepalive: nil)
    }
    var http1Limits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = min(headerListBytesMax, 8 << 10)
        limits.maxHeaderListSize = 2 * headerListBytesMax
        limits.maxHeaderFieldCount = 64
        return limits
    }
}
