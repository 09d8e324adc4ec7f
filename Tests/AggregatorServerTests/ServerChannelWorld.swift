import Foundation
import HTTP2Client
import Hummingbird
import Identity
import Ingest
import Logging
import NIOCore
import Platform
import ServerChannel
import ServiceLifecycle
import Telemetry
import TestKit

struct ScriptFailed: Error {
    let errors: String
}

/// A development authority in a folder of its own, by the script that people use.
final class Authority: Sendable {
    let folder: TemporaryFolder
    let domain: String
    init(_ domain: String = "weir.test") throws {
        folder = try TemporaryFolder("weir-ca")
        self.domain = domain
        try run("init", folder.path, domain)
        try run("aggregator", folder.path, "agg1")
        try run("sensor", folder.path, "acme", "rome", "edge1")
    }
    func run(_ arguments: String..., environment: [String: String] = [:]) throws {
        let script = PackageTree.root.appendingPathComponent("certs/dev-ca").path
        let outcome = try Program.run("bash", [script] + arguments, environment: environment)
        guard outcome.status == 0 else { throw ScriptFailed(errors: outcome.errors) }
    }
    /// A leaf with any subject alternative names.
    func leaf(_ name: String, _ names: String, environment: [String: String] = [:]) throws -> TLSFiles {
        try run("leaf", folder.path, path(name), names, environment: environment)
        return files(name)
    }
    func path(_ name: String) -> String { folder.file(name).path }
    func files(_ name: String) -> TLSFiles {
        TLSFiles(certificate: path("\(name).pem"), key: path("\(name).key"), trust: path("ca.pem"))
    }
    var sensor: TLSFiles { files("edge1") }
    static let sensorID = "spiffe://weir.test/tenant/acme/site/rome/sensor/edge1"

    /// The form of X.509 for a time: 20260102030405Z.
    static func stamp(secondsFromNow seconds: Double) -> String {
        let format = DateFormatter()
        format.dateFormat = "yyyyMMddHHmmss'Z'"
        format.timeZone = TimeZone(identifier: "UTC")
        format.locale = Locale(identifier: "en_US_POSIX")
        return format.string(from: Date(timeIntervalSinceNow: seconds))
    }
}

/// Two log lines' worth of what a test wants to see.
final class LogLines: Sendable {
    private let lines = Locked<[String]>([])
    var all: [String] { lines.with { $0 } }
    func logger(_ level: Logger.Level = .debug) -> Logger {
        Logger(label: "test") { label in
            JSONLogHandler(label: label, level: level, time: SystemTime()) { line in
                self.lines.with { $0.append(String(decoding: line, as: UTF8.self)) }
            }
        }
    }
    func contains(_ parts: String...) -> Bool { all.contains { line in parts.allSatisfy(line.contains) } }
}

/// A real listener on a port of its own, in this process.
struct RunningServer: Sendable {
    let port: UInt16, tls: TLSReloader, metrics: MetricRegistry, log: LogLines
    /// Ends the listener's tasks at once, as when another part of the program has failed.
    let cancel: @Sendable () -> Void

    func value(_ metric: String) -> Double {
        let line = metrics.prometheusText().split(separator: "\n").first { $0.hasPrefix(metric + " ") }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Double($0) } ?? -1
    }
}

/// Waits until `condition` holds, at most some seconds.
func eventually(within seconds: Double = 20, _ condition: @Sendable () -> Bool) async -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    while !condition() {
        if Date() > end { return false }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return true
}

/// Runs `body` against a listener, then shuts it down gracefully and waits for its end.
func withServer<Context: RequestContext, Result: Sendable>(
    _ authority: Authority, options: ServerOptions = .sensors, observer: (any PeerObserver)? = nil,
    metrics: MetricRegistry = MetricRegistry(), log: LogLines = LogLines(), time: any TimeSource = SystemTime(),
    router: Router<Context>,
    _ body: @escaping @Sendable (RunningServer) async throws -> Result
) async throws -> Result where Context.Source == ApplicationRequestContextSource {
    let logger = log.logger()
    let tls = try TLSReloader(
        ServerTLSFiles(
            certificate: authority.path("agg1.pem"), key: authority.path("agg1.key"), trust: authority.path("ca.pem")),
        listener: "sensors", protocols: options.protocols, interval: .seconds(3_600), time: time, metrics: metrics,
        logger: logger)
    let listener = Listener(
        options: options, policy: .sensors(trustDomain: authority.domain), tls: tls,
        metrics: ConnectionMetrics(listener: "sensors", in: metrics), observer: observer, time: time)
    let (ports, found) = AsyncStream<UInt16>.makeStream()
    let app = Application(
        router: router, server: listener.builder, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
        onServerRunning: { found.yield(UInt16($0.localAddress?.port ?? 0)) }, logger: logger)
    var configuration = ServiceGroupConfiguration(services: [.init(service: app)], logger: logger)
    configuration.maximumGracefulShutdownDuration = .seconds(5)
    let group = ServiceGroup(configuration: configuration)
    let running = Task { try await group.run() }
    let port = await ports.first { _ in true } ?? 0
    let server = RunningServer(port: port, tls: tls, metrics: metrics, log: log) { running.cancel() }
    let result: Swift.Result<Result, any Error>
    do { result = .success(try await body(server)) } catch { result = .failure(error) }
    await group.triggerGracefulShutdown()
    do { try await running.value } catch is CancellationError {}
    return try result.get()
}

/// Runs blocking code on a thread of its own: the cooperative pool is the server's.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result { try body() }) }.start()
    }
}
