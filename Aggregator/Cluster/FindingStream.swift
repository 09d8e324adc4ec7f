/// What detectors find, in one order for all nodes: the owner of a group puts its findings in a stream, and every node
/// makes its own incidents of them (Handbook, "Event logs in a cluster").
///
/// Invariants: a finding is in the stream before the checkpoint that it follows from; every node takes all of them, in
/// the stream's order and with the time that they bring, so that all have the same incidents; what is taken again
/// changes nothing, since incidents know findings by id.
/// Not here: what people do with incidents, which is refused in a cluster (`IncidentLog.isFollower`).
internal import AggregatorPipeline
package import Detect
internal import FlowLog
internal import Foundation
package import Identity
package import Incidents
package import JetStream
package import Logging
package import Platform
import ServiceLifecycle
package import Telemetry

package struct FindingStream: FindingSink {
    private let api: JetStreamAPI
    static let stream = "WEIR_FINDINGS"
    /// Of findings in one message, of 64 KiB at the most each.
    private static let findingsMax = 32

    package init(_ api: JetStreamAPI) { self.api = api }

    /// The findings of some time, by one tenant's detectors.
    struct Message: Codable {
        var version = 1
        let tenant: TenantID, now: Int64, findings: [Finding]
    }

    /// - Parameter bytesMax: the oldest make room; whoever was away for longer lacks them.
    package func prepare(replicas: Int, bytesMax: Int64, time: any TimeSource) async throws(JetStreamError) {
        // As with logs: what nodes have taken in of a stream that is lost lies before the next one's beginning.
        let second = UInt64(clamping: time.wallMilliseconds() / 1_000)
        _ = try await api.ensure(
            StreamSettings(
                name: Self.stream, subjects: ["weir.finding.*"], replicas: replicas, discard: .old,
                bytesMax: bytesMax, firstSequence: max(second << 22, 1)))
    }

    package func file(_ findings: [Finding], tenant: TenantID, at now: Int64) async throws -> Int {
        var rest = findings[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.findingsMax)
            rest = rest.dropFirst(part.count)
            let data = try JSONEncoder().encode(Message(tenant: tenant, now: now, findings: Array(part)))
            do throws(JetStreamError) {
                _ = try await api.publish("weir.finding.\(tenant)", payload: [UInt8](data))
            } catch {
                throw JetStreamCheckpoints.fault(error)
            }
        }
        // Whoever takes them counts.
        return 0
    }
}

/// Makes incidents of the stream's findings, on every node.
package struct FindingFollower: Service {
    private let api: JetStreamAPI, incidents: IncidentLog, path: String, logger: Logger
    private let opened: Counter, unreadable: Counter, position: Gauge

    /// - Parameter folder: holds `findings.position`: the last message taken in.
    package init(
        _ api: JetStreamAPI, incidents: IncidentLog, folder: String, registry: MetricRegistry, logger: Logger
    ) {
        (self.api, self.incidents, self.logger) = (api, incidents, logger)
        path = folder + "/findings.position"
        opened = registry.counter("weir_incidents_opened_total", help: "Incidents opened.")
        unreadable = registry.counter(
            "weir_cluster_unreadable_findings_total",
            help: "Messages of findings that could not be read, and were passed over.")
        position = registry.gauge(
            "weir_cluster_findings_position", help: "The last message of findings that this node has taken in.")
    }

    package func run() async throws {
        var last = saved()
        position.set(Double(last))
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            let page: [StoredMessage]
            do throws(JetStreamError) {
                page = try await api.read(FindingStream.stream, from: last + 1, count: 64, bytesMax: 4 << 20)
            } catch {
                logger.warning("Findings can't be read now.", metadata: ["reason": "\(error)"])
                await pause(.seconds(1))
                continue
            }
            for message in page { try await take(message) }
            guard let end = page.last?.sequence else {
                await pause(.milliseconds(250))
                continue
            }
            last = end
            // After what it says is done: a crash between takes some again, which changes nothing.
            try replaceFile(path, with: Array("\(last)\n".utf8))
            position.set(Double(last))
        }
    }
    private func pause(_ duration: Duration) async {
        try? await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }

    /// 0 also when it is damaged: all is taken again.
    private func saved() -> UInt64 {
        guard let octets = try? readFile(path, bytesMax: 64) else { return 0 }
        return UInt64(String(decoding: octets, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    private func take(_ message: StoredMessage) async throws {
        guard let read = try? JSONDecoder().decode(FindingStream.Message.self, from: Data(message.payload)),
            read.version == 1, message.subject == "weir.finding.\(read.tenant)"
        else {
            unreadable.add()
            logger.error("Findings can't be read.", metadata: ["sequence": "\(message.sequence)"])
            return
        }
        while true {
            do throws(IncidentError) {
                opened.add(try incidents.record(read.findings, tenant: read.tenant, at: read.now).count { $0.isNew })
                return
            } catch {
                guard error == .full, !Task.isCancelled else { throw error }
                logger.error("The disk is full: findings wait in their stream.")
                await pause(.seconds(5))
                if Task.isShuttingDownGracefully { throw error }
            }
        }
    }
}
