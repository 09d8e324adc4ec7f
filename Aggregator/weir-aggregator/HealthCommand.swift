import ArgumentParser
import AsyncHTTPClient
import NIOCore
internal import NIOHTTP1
import NIOSSL

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Asks the running aggregator what works: 0 when all that it needs does.",
        discussion: """
            Example: weir-aggregator health --config aggregator.yaml
            A line each: [+] works, [~] does not and the aggregator goes on, [-] does not.
            """)
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let listen = try options.read().api.listen
        let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][listen.host] ?? listen.host
        let url = "https://\(host.contains(":") ? "[\(host)]" : host):\(listen.port)/healthz?verbose"
        var tls = TLSConfiguration.makeClientConfiguration()
        // The node asks itself and says nothing of its own: any certificate will do.
        tls.certificateVerification = .none
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: HTTPClient.Configuration(tlsConfiguration: tls))
        do {
            let answer = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(10))
            let page = try await answer.body.collect(upTo: 64 << 10)
            try await client.shutdown()
            print(String(buffer: page), terminator: "")
            guard answer.status == .ok else { throw Failure.work("the aggregator is not healthy") }
        } catch let failure as Failure {
            throw failure
        } catch {
            try? await client.shutdown()
            throw Failure.work("\(url): \(error); is the aggregator running?")
        }
    }
}
