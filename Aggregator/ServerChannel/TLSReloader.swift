internal import Foundation
package import Logging
internal import NIOCore
package import NIOSSL
package import Platform
internal import ServiceLifecycle
internal import SwiftASN1
internal import Synchronization
package import Telemetry
internal import X509

/// The PEM files of a listener.
package struct ServerTLSFiles: Hashable, Sendable {
    /// The listener's certificate and its intermediates, leaf first.
    package let certificate: String
    /// Its private key, not encrypted.
    package let key: String
    /// The authorities whose clients are believed; nil for a listener that asks for no certificate.
    package let trust: String?

    package init(certificate: String, key: String, trust: String?) {
        self.certificate = certificate
        self.key = key
        self.trust = trust
    }
}

/// Why a listener's files can't be used: names the file, or the two that don't match.
package struct ServerTLSError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
}

/// Keeps a listener's TLS context up to date with its files, which ops tooling may replace at any time.
///
/// Invariants: `current` is always a context whose certificate, key and trust roots were read together and fit; a
/// set that doesn't (half-written, mismatching, expired) changes nothing but metrics and, once, the log.
/// Contents are compared, not times: no file system's clock can hide a change.
/// A context never changes: connections keep the one that they began with.
package final class TLSReloader: Sendable {
    private struct Contents: Equatable {
        let certificate: [UInt8], key: [UInt8], trust: [UInt8]?
    }
    private struct State {
        var context: NIOSSLContext
        /// What `context` was made of.
        var contents: Contents
        /// What is wrong with the files on disk, so that it is said once; nil when they are those in use.
        var refusal: ServerTLSError?
    }
    package enum Outcome: Equatable, Sendable {
        case unchanged, reloaded
        case refused(ServerTLSError)
    }

    private let files: ServerTLSFiles, listener: String, protocols: [String], interval: Duration
    private let time: any TimeSource, logger: Logger
    private let state: Mutex<State>
    private let reloads: Counter, refusals: Counter, stale: Gauge, expiry: Gauge

    private static let fileBytesMax = 1 << 20

    /// - Parameters:
    ///   - listener: the metrics' label.
    ///   - interval: how often the files are looked at.
    /// - Throws: when the files can't be used: there is nothing to keep yet.
    package init(
        _ files: ServerTLSFiles, listener: String, protocols: [String], interval: Duration = .seconds(2),
        time: any TimeSource, metrics: MetricRegistry, logger: Logger
    ) throws(ServerTLSError) {
        self.files = files
        self.listener = listener
        self.protocols = protocols
        self.interval = interval
        self.time = time
        self.logger = logger
        let labels = ["listener": listener]
        reloads = metrics.counter(
            "weir_tls_reloads_total", help: "Certificate files taken into use while running.", labels: labels)
        refusals = metrics.counter(
            "weir_tls_reload_refusals_total", help: "Certificate files refused; the old ones stay.", labels: labels)
        stale = metrics.gauge(
            "weir_tls_files_refused", help: "1 while the files on disk are not those in use.", labels: labels)
        expiry = metrics.gauge(
            "weir_tls_certificate_expiry_seconds", help: "End of the certificate in use, Unix time.", labels: labels)
        let contents = try Self.read(files)
        let made = try Self.context(of: contents, files, protocols, now: time.wallMilliseconds())
        state = Mutex(State(context: made.context, contents: contents))
        expiry.set(Double(made.expiryMilliseconds / 1_000))
    }

    /// Whether the certificate in use is valid, and the files on disk are those in use.
    package var health: HealthCheck {
        let name = "certificate-\(listener)"
        if expiry.value <= Double(time.wallMilliseconds()) / 1_000 { return HealthCheck(name, problem: "it has ended") }
        let isRefused = state.withLock { $0.refusal != nil }
        return HealthCheck(
            name, problem: isRefused ? "the new files were refused, the old are in use" : nil, isNeeded: false)
    }

    /// What a new connection uses.
    package var current: NIOSSLContext { state.withLock { $0.context } }

    /// Looks at the files once.
    @discardableResult
    package func refresh() -> Outcome {
        do throws(ServerTLSError) {
            let contents = try Self.read(files)
            guard state.withLock({ $0.contents != contents || $0.refusal != nil }) else { return .unchanged }
            let made = try Self.context(of: contents, files, protocols, now: time.wallMilliseconds())
            state.withLock { $0 = State(context: made.context, contents: contents) }
            expiry.set(Double(made.expiryMilliseconds / 1_000))
            reloads.add()
            stale.set(0)
            logger.notice("The listener's certificate files were reloaded.", metadata: names)
            return .reloaded
        } catch {
            return refuse(error)
        }
    }

    private func refuse(_ error: ServerTLSError) -> Outcome {
        let isNews = state.withLock { state in
            defer { state.refusal = error }
            return state.refusal != error
        }
        stale.set(1)
        guard isNews else { return .refused(error) }
        refusals.add()
        logger.error(
            "The listener's new certificate files were refused; the old ones stay in use.",
            metadata: names.merging(["reason": "\(error)"]) { $1 })
        return .refused(error)
    }
    private var names: Logger.Metadata { ["certificate": "\(files.certificate)"] }

    // MARK: Files

    private static func read(_ files: ServerTLSFiles) throws(ServerTLSError) -> Contents {
        Contents(
            certificate: try read(files.certificate), key: try read(files.key),
            trust: try files.trust.map { path throws(ServerTLSError) in try read(path) })
    }
    private static func read(_ path: String) throws(ServerTLSError) -> [UInt8] {
        do { return try readFile(path, bytesMax: fileBytesMax) } catch {
            throw ServerTLSError(description: "\(path): \(error)")
        }
    }

    private static func context(
        of contents: Contents, _ files: ServerTLSFiles, _ protocols: [String], now: Int64
    ) throws(ServerTLSError) -> (context: NIOSSLContext, expiryMilliseconds: Int64) {
        let chain = try certificates(contents.certificate, files.certificate)
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(bytes: contents.key, format: .pem) } catch {
            throw ServerTLSError(description: "\(files.key): holds no private key in PEM")
        }
        let expiry = try checkValidity(of: chain[0], files.certificate, now: now)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        if let trust = contents.trust, let path = files.trust {
            configuration.trustRoots = .certificates(try certificates(trust, path))
            configuration.certificateVerification = .noHostnameVerification
        }
        configuration.minimumTLSVersion = .tlsv13
        // Who is told to leave and goes on talking is read, and paid for, no longer than this.
        configuration.shutdownTimeout = .seconds(1)
        configuration.applicationProtocols = protocols
        do { return (try NIOSSLContext(configuration: configuration), expiry) } catch {
            throw ServerTLSError(description: "\(files.key) is not the key of \(files.certificate)")
        }
    }
    private static func certificates(_ pem: [UInt8], _ path: String) throws(ServerTLSError) -> [NIOSSLCertificate] {
        guard let found = try? NIOSSLCertificate.fromPEMBytes(pem), !found.isEmpty else {
            throw ServerTLSError(description: "\(path): holds no certificate in PEM, or a cut one")
        }
        return found
    }
    private static func checkValidity(
        of certificate: NIOSSLCertificate, _ path: String, now: Int64
    ) throws(ServerTLSError) -> Int64 {
        let parsed: Certificate
        do { parsed = try Certificate(derEncoded: try certificate.toDERBytes()) } catch {
            throw ServerTLSError(description: "\(path): \(error)")
        }
        let from = milliseconds(parsed.notValidBefore), to = milliseconds(parsed.notValidAfter)
        guard now >= from else {
            throw ServerTLSError(description: "\(path): not valid before \(rfc3339(milliseconds: from))")
        }
        guard now < to else { throw ServerTLSError(description: "\(path): expired at \(rfc3339(milliseconds: to))") }
        return to
    }
}

extension TLSReloader: Service {
    package func run() async throws {
        for await _ in ticks(every: interval).cancelOnGracefulShutdown() { refresh() }
    }
}

/// A tick after each `interval`, until the task is cancelled.
func ticks(every interval: Duration) -> AsyncStream<Void> {
    AsyncStream(unfolding: {
        do { try await Task.sleep(for: interval) } catch { return nil }
        return ()
    })
}
